"""Play one fault and judge."""

import time
from dataclasses import dataclass

from chaos.arena import Arena
from chaos.fault import Fault


@dataclass(frozen=True)
class Result:
    """How a fault went.

    Attributes:
        proof: that it happened.
        rows: how many rows were compared afterwards.
        transactions: how many the load committed meanwhile.
        restarts: how often failed connectors had to be restarted.
        seconds: all of it.
    """

    proof: str
    rows: int
    transactions: int
    restarts: int
    seconds: float


def play(arena: Arena, fault: Fault) -> Result:
    """Play a fault under load, mend what it broke, come to rest, and compare.

    Raises:
        AssertionError: it did not happen, something does not come back, or the target is not what it should be.
    """
    began, before, restarts = time.monotonic(), arena.load.committed, arena.judge.restarts
    arena.await_shares()
    for worker in arena.workers:
        worker.mark()
    arena.go_on()
    try:
        proof = fault.play(arena)
    finally:
        arena.restore()
    arena.go_on()
    transactions = arena.load.committed - before
    if fault.stops:
        arena.stopped |= {f"{arena.name}-shard{arena.staff - 1}.{arena.name}.{fault.stops}"}
    ruling = arena.judge.rule()
    wrong = ruling.faults(fault.letters, arena.stopped)
    assert not wrong, "\n".join(["after: " + proof, *wrong, arena.tails()])
    return Result(proof, ruling.rows, transactions, arena.judge.restarts - restarts, time.monotonic() - began)

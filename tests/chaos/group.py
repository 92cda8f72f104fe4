"""Workers come and go, and the topology changes under them."""

import signal

from chaos.arena import Arena
from chaos.fault import Fault
from chaos.waiting import wait_for


def _come_and_go(arena: Arena) -> str:
    guest = arena.spares[0]
    guest.start()
    arena.await_shares(guest)
    arena.go_on()
    arena.leave(guest)
    arena.progress()
    return f"{guest.name} got {guest.lines('partitions assigned')[-1]['all']} partition(s) and left in good order"


def _two_come_and_one_dies(arena: Arena) -> str:
    first, second = arena.spares[:2]
    first.start()
    second.start()
    arena.await_shares(first, second)
    arena.go_on()
    second.kill()
    arena.go_on()
    arena.leave(first)
    arena.progress()
    return f"{first.name} left in good order, {second.name} (process {second.pid}) was killed"


def _rebalance_in_commit(arena: Arena) -> str:
    worker, guest = arena.victim(), arena.spares[0]
    arena.begin(worker, f"written:{arena.random.randrange(2, 5)}:sleep=9")
    said = worker.await_line("fault")
    revoked = len(worker.lines("partitions revoked"))
    guest.start()
    running = guest.await_line("running")
    wait_for(lambda: len(worker.lines("partitions revoked")) > revoked, 60, lambda: f"a rebalance\n{arena.tails()}")
    line = worker.lines("partitions revoked")[-1]
    arena.await_shares(guest)
    arena.leave(guest)
    arena.progress()
    assert said["timestamp"] < running["timestamp"] < line["timestamp"]
    assert not line["lost"], "the batch was lost instead of finished"
    assert not worker.lines("fenced"), worker.tail()
    return f"{guest.name} joined while rows were written and not committed; the batch was finished, then {line['partitions']} partition(s) let go"


def _place_kept(arena: Arena) -> str:
    """Partitions come to a worker whose target is away for longer than it may be silent in the group."""
    worker, guest = arena.victim(), arena.spares[0]
    arena.begin(worker, "", {"max.poll.interval.ms": 15_000})
    arena.await_shares(worker)
    guest.start()
    arena.await_shares(guest)
    others = [other for other in arena.staffed if other is not worker]
    with arena.proxy(worker).refusing():
        worker.await_line("waiting")
        for other in (guest, *others):
            arena.leave(other)
        worker.await_line("waiting", times=2)
        arena.last(20)
        ok, reason = worker.ready()
        assert not ok
        assert "refused" in reason

    def all_ours() -> int:
        owners = [int(standing.owner.rpartition(":")[2]) for standing in arena.ground.positions()]
        return len(owners) if {*owners} == {worker.pid} else 0

    count = wait_for(all_ours, 120, lambda: f"all partitions to be {worker.name}'s\n{arena.tails()}")
    out = [line for line in worker.lines("kafka") if "MAX_POLL" in str(line)]
    lost = [line for line in worker.lines("partitions revoked") if line["lost"]]
    assert not out, out
    assert not lost, f"{worker.name} lost its place in the group\n{worker.tail()}"
    for other in others:
        other.start()
    arena.begin(worker, "")
    arena.progress()
    return f"{count} partition(s) claimed after 20 s without target, with 15 s to be silent: the place was kept"


def _wrong_topology(arena: Arena) -> str:
    worker = arena.victim()
    right = worker.topology.read_text()
    worker.topology.write_text(right.replace("tables:", "tabels:"))
    try:
        worker.send(signal.SIGHUP)
        wrong = worker.await_line("topology wrong, the old one stays")
        arena.progress()
    finally:
        making = worker.topology.with_suffix(".part")
        making.write_text(right)
        making.replace(worker.topology)
    worker.send(signal.SIGHUP)
    worker.await_line("topology right again")
    arena.progress()
    return f"said: {wrong['error'][-70:]}; then: topology right again"


FAULTS = (
    Fault("a worker comes and goes", _come_and_go),
    Fault("two workers come, one dies", _two_come_and_one_dies),
    Fault("rebalance in the middle of a commit", _rebalance_in_commit),
    Fault("partitions come while the target is away", _place_kept),
    Fault("topology wrong, then right", _wrong_topology),
)

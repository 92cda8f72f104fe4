"""The network between the sink and its target fails."""

from contextlib import ExitStack

from chaos.arena import Arena
from chaos.fault import Fault
from chaos.waiting import wait_for


def _refused(arena: Arena) -> str:
    with ExitStack() as stack:
        for worker in arena.staffed:
            stack.enter_context(arena.proxy(worker).refusing())
        for worker in arena.staffed:
            waiting = worker.await_line("waiting", times=4)
            assert worker.ready() == (False, waiting["reason"]) or not worker.ready()[0]
        arena.go_on()
    arena.progress()
    return f"port closed, workers waited 4 times: {waiting['reason'][:70]}"


def _reset(arena: Arena) -> str:
    count = 0
    for _ in range(4):
        arena.progress()
        for worker in arena.staffed:
            count += arena.proxy(worker).reset()
    assert count
    arena.progress()
    return f"{count} connections reset"


def _stalled(arena: Arena) -> str:
    with ExitStack() as stack:
        for worker in arena.staffed:
            stack.enter_context(arena.proxy(worker).stalling())
        arena.last(13)
        count = sum(arena.proxy(worker).connections for worker in arena.staffed)
    arena.progress()
    lost = [worker.name for worker in arena.staffed for line in worker.lines("partitions revoked") if line["lost"]]
    assert not lost, f"{lost} lost their place in the group"
    return f"{count} connections silent for 13 s; nobody lost its place in the group"


def _stalled_and_reset(arena: Arena) -> str:
    with ExitStack() as stack:
        for worker in arena.staffed:
            stack.enter_context(arena.proxy(worker).stalling())
        arena.last(3)
        count = sum(arena.proxy(worker).reset() for worker in arena.staffed)
    arena.progress()
    return f"{count} connections silent for 3 s, then reset"


def _half_open(arena: Arena) -> str:
    """The server never hears that its client is gone, and keeps the locks of its half-done transaction."""
    worker = arena.victim()
    proxy = arena.proxy(worker)
    arena.begin(worker, f"written:{arena.random.randrange(2, 5)}:sleep=2")
    worker.await_line("fault")
    batches = worker.metric("afflux_sink_batches_total")
    count = proxy.half_close()
    assert count
    worker.await_line("waiting")
    try:
        wait_for(
            lambda: worker.metric("afflux_sink_batches_total") > batches, 90, lambda: f"a batch more\n{arena.tails()}"
        )
    finally:
        proxy.bury()
    return f"{count} connection(s) cut on the sink's side alone, with rows written; the next batch came through"


def _lost_commit(*, delivered: bool) -> Fault:
    def play(arena: Arena) -> str:
        worker = arena.victim()
        proxy = arena.proxy(worker)
        arena.begin(worker, f"written:{arena.random.randrange(2, 5)}:sleep=2")
        worker.await_line("fault")
        with proxy.at_commit("deliver" if delivered else "drop"):
            wait_for(lambda: proxy.commits_met, 30, lambda: f"a COMMIT\n{worker.tail()}")
        if delivered:
            worker.await_line("batch was durable already")
        arena.progress()
        return "COMMIT done and its answer lost: found durable" if delivered else "COMMIT lost, connection reset"

    return Fault("COMMIT's answer lost" if delivered else "COMMIT lost", play, of_sessions=True)


FAULTS = (
    Fault("target refuses connections", _refused),
    Fault("connections reset, again and again", _reset, of_sessions=True),
    Fault("connections stall", _stalled),
    Fault("connections stall, then are reset", _stalled_and_reset),
    Fault("half-open connection with locks", _half_open, of_sessions=True),
    _lost_commit(delivered=False),
    _lost_commit(delivered=True),
)

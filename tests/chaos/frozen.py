"""Processes are frozen by SIGSTOP, and wake up in a world that has gone on."""

import contextlib
import os
import signal
from collections.abc import Callable, Iterator

import psutil

from chaos.arena import Arena
from chaos.fault import Fault
from chaos.waiting import wait_for
from chaos.worker import Worker


def _zombie_at(point: str) -> Fault:
    """Freeze a worker at a step until others have taken everything over; then it wakes up, and must not write."""

    def play(arena: Arena) -> str:
        zombie: Worker = arena.victim()
        arena.begin(zombie, f"{point}:{arena.random.randrange(2, 5)}:stop")
        wait_for(zombie.frozen, 60, lambda: f"{zombie.name} to freeze\n{zombie.tail()}")
        (said,) = zombie.lines("fault")
        assert said["point"] == point
        if arena.staff == 1:
            arena.spares[0].start()
        wait_for(lambda: zombie.pid not in arena.ground.owners(), 90, lambda: f"others to take over\n{arena.tails()}")
        zombie.send(signal.SIGCONT)
        back = wait_for(
            lambda: zombie.lines("fenced") or zombie.lines("partitions revoked"),
            60,
            lambda: f"{zombie.name} to find itself fenced\n{zombie.tail()}",
        )
        arena.progress()
        return f"frozen at {point!r} until others held its partitions; then: {back[0]['event']}"

    return Fault(f"sink frozen beyond its session: {point}", play)


@contextlib.contextmanager
def _freezing(arena: Arena, part: str) -> Iterator[list[int]]:
    """Freeze a part of the stack with all its children."""
    found = arena.stack.part(part).process.find()
    assert found is not None, f"{part} does not run"
    pids = [found.pid, *(child.pid for child in found.children(recursive=True))]
    stopped = []
    try:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP)
                stopped.append(pid)
        wait_for(lambda: psutil.Process(pids[0]).status() == psutil.STATUS_STOPPED, 5, f"{part} to freeze")
        yield stopped
        assert psutil.Process(pids[0]).status() == psutil.STATUS_STOPPED
    finally:
        for pid in stopped:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


def _server(part: str, seconds: float) -> Callable[[Arena], str]:
    def play(arena: Arena) -> str:
        with _freezing(arena, part) as pids:
            arena.last(seconds)
        arena.progress(120)
        return f"{len(pids)} process(es) of {part} stopped for {seconds:.0f} s"

    return play


def _target(arena: Arena) -> str:
    """Longer than a worker waits before it pauses its partitions, and longer than its session with the group."""
    with _freezing(arena, "warehouse") as pids:
        arena.last(13)
    arena.progress()
    lost = [worker.name for worker in arena.staffed for line in worker.lines("partitions revoked") if line["lost"]]
    assert not lost, f"{lost} lost their place in the group"
    return f"{len(pids)} process(es) of the target stopped for 13 s; nobody lost its place in the group"


def _registry(arena: Arena) -> str:
    worker = arena.victim()
    worker.kill()
    with _freezing(arena, "registry") as pids:
        worker.start()
        worker.await_line("partitions assigned")
        arena.last(5)
        assert worker.metric("afflux_sink_events_total") == 0, "events decoded without a registry"
    arena.progress()
    return f"{len(pids)} process(es) of the registry stopped; a new worker applied nothing until it woke"


FAULTS = (
    *(_zombie_at(point) for point in ("folded", "staged", "written", "committed")),
    Fault("broker frozen", _server("kafka", 10)),
    Fault("target frozen", _target),
    Fault("registry frozen, sink restarted", _registry),
    Fault("Connect worker frozen", _server("connect-1", 8)),
)

"""The sink dies, at each step of a batch."""

import signal

import psycopg

from afflux.faults import POINTS
from chaos.arena import Arena
from chaos.fault import Fault


def _die_at(point: str) -> Fault:
    def play(arena: Arena) -> str:
        worker = arena.victim()
        passage = 1 if point == "claiming" else arena.random.randrange(1, 5)
        arena.begin(worker, f"{point}:{passage}")
        code = worker.ended()
        (said,) = worker.lines("fault")
        assert (code, said["point"]) == (-signal.SIGKILL, point), worker.tail()
        pid = worker.pid
        worker.start()
        arena.progress()
        return f"process {pid} died of SIGKILL at {point!r}, passage {passage}"

    return Fault(f"sink killed: {point}", play)


def _die_again_and_again(arena: Arena) -> str:
    pids = []
    for _ in range(3):
        worker = arena.victim()
        arena.go_on(arena.random.randrange(3, 12))
        worker.kill()
        pids.append(worker.pid)
        worker.start()
        arena.progress()
    return f"processes {pids} died of SIGKILL, wherever they were"


def _die_while_a_column_comes(arena: Arena) -> str:
    worker, column = arena.victim(), f"added_{arena.staff}"
    arena.begin(worker, f"folded:{arena.random.randrange(1, 4)}")
    for url in arena.shards.values():
        with psycopg.connect(url, autocommit=True) as shard:
            shard.execute(f"ALTER TABLE {arena.name}.items ADD COLUMN {column} numeric")
            shard.execute(f"UPDATE {arena.name}.items SET {column} = id / 3.0 WHERE id % 5 = 0")
    assert worker.ended() == -signal.SIGKILL
    worker.start()
    arena.progress()
    return f"process died of SIGKILL at {worker.name}, column {column} is in the target"


def _leave_in_the_middle(arena: Arena) -> str:
    worker = arena.victim()
    arena.begin(worker, f"written:{arena.random.randrange(1, 5)}:sleep=2")
    said = worker.await_line("fault")
    worker.send(signal.SIGTERM)
    code = worker.ended()
    (stopped,) = worker.lines("stopped")
    assert code == 0, worker.tail()
    assert stopped["timestamp"] > said["timestamp"]
    worker.start()
    arena.progress()
    return f"SIGTERM with rows written and not committed: exit code 0 after {stopped['events']} events"


FAULTS = (
    *(_die_at(point) for point in POINTS),
    Fault("sink killed three times, anywhere", _die_again_and_again),
    Fault("sink killed while a column comes", _die_while_a_column_comes),
    Fault("SIGTERM in the middle of a batch", _leave_in_the_middle),
)

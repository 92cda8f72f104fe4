"""One of two Connect workers killed under load: `status` and `plan` are right through the rebalance, and changes flow."""

import itertools
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from afflux import control
from afflux.stack import Stack
from afflux.topology.load import load_resolved
from chaos.waiting import wait_for
from estate import PATIENCE, Estate, estate

pytestmark = pytest.mark.stack


@pytest.fixture
def place(stack: Stack, tmp_path: Path) -> Iterator[Estate]:
    with estate(stack.addresses(), tmp_path, "workers") as made:
        both = ",".join(stack.addresses().connect)
        made.path.write_text(made.path.read_text().replace(stack.addresses().connect[0], both))
        made.sql("create table $.orders (id int primary key, note text)")
        yield made
        stack.up(shards=3, workers=2)


@contextmanager
def load(place: Estate) -> Iterator[None]:
    """Write rows on every shard all the while."""
    ended = threading.Event()

    def write(shard: int) -> None:
        with psycopg.connect(place.addresses.shards[shard].admin_url, autocommit=True) as connection:
            for turn in itertools.takewhile(lambda _: not ended.wait(0.01), itertools.count()):
                number = 2 * turn + shard
                connection.execute(f"insert into {place.name}.orders values ({number}, 'turn {turn}')")

    threads = [threading.Thread(target=write, args=(shard,)) for shard in place.shards]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        ended.set()
        for thread in threads:
            thread.join()


def test_a_killed_worker_is_got_over(stack: Stack, place: Estate) -> None:
    place.apply()
    place.daemon.start()
    topology = load_resolved(place.path)
    workers = {status.shard: status.worker for status in control.status(topology)}
    assert len(set(workers.values())) == 2, workers
    pids = {part.part: part.pid for part in stack.status()}
    dead = stack.addresses().connect[0].removeprefix("http://")  # the one that is asked first
    (lost,) = [shard for shard, worker in workers.items() if worker == dead]
    (kept,) = workers.keys() - {lost}
    pid = pids["connect-0"]
    assert pid is not None
    seen: list[dict[str, control.Verdict]] = []

    def moved() -> bool:
        """Every look on the way has an answer, and none of them wants anything done that would do harm."""
        statuses = {status.shard: status for status in control.status(topology)}
        plan = control.plan_topology(topology)
        assert not plan.refused
        assert {action.kind for action in plan.actions} <= {"restart connector"}
        seen.append({name: status.verdict for name, status in statuses.items()})
        return statuses[lost].verdict is control.Verdict.STREAMING and statuses[lost].worker != dead

    with load(place):
        os.kill(pid, signal.SIGKILL)
        wait_for(moved, PATIENCE, lambda: f"{lost} to stream on the other worker: {seen}")
    assert control.Verdict.MISSING not in {verdicts[lost] for verdicts in seen} | {verdicts[kept] for verdicts in seen}
    place.await_equal("orders")
    place.operate("connectors", "apply")
    place.operate("connectors", "drift")

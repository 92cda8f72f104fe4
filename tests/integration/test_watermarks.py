"""Under load, whenever the watermark says T, all that was committed before T is in the target."""

import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from afflux.stack import Addresses
from chaos.waiting import wait_for
from estate import estate
from proof import BUSY, SHARDS, Proof
from witness import TABLES

pytestmark = pytest.mark.stack


@pytest.fixture(scope="module")
def proof(addresses: Addresses, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proof]:
    folder = tmp_path_factory.mktemp("watermarks")
    with estate(addresses, folder, "watermarks", shards=3) as home:
        made = Proof(home, folder)
        try:
            made.open()
            yield made
        finally:
            made.close()


def test_no_watermark_says_more_than_the_target_holds(proof: Proof) -> None:
    """Two shards are written to and one is not; a connector is paused, and a worker is frozen meanwhile."""
    with proof.load():
        proof.await_watermarks(time.time())

        paused = proof.pause("shard0")
        proof.await_watermarks(paused + 3, "shard1", "shard2")
        assert proof.watermarks()["shard0"] < paused
        proof.go_on("shard0")
        proof.await_watermarks(time.time())

        frozen = proof.freeze(proof.second)
        waiting = [shard for shard in BUSY if proof.holder(shard, "hot") == proof.second.pid]
        wait_for(lambda: time.time() > frozen + 3, 10, "three seconds")
        assert all(proof.watermarks()[shard] < frozen for shard in waiting)
        proof.second.send(signal.SIGCONT)
    assert proof.broken() == []
    moved = {s: len({sight.watermarks[s] for sight in proof.observer.sights}) for s in SHARDS}
    assert min(moved.values()) > 5, f"each shard's watermark moves, the idle one's too: {moved}"
    assert proof.broken(ahead=3.0), "the proof sees what is not there"


def test_a_sink_whose_watermarks_come_too_early_is_seen(proof: Proof) -> None:
    """Workers that pass marks as soon as they read them: one goes on while the other, with the rows, is frozen."""
    proof.replace(str(Path(__file__).parent.parent / "early_worker.py"))
    apart = [(s, table) for s in BUSY for table in TABLES if proof.holder(s) != proof.holder(s, table)]
    assert apart, "six partitions of each worker are not whole shards'"
    shard, table = apart[0]
    (owner,) = (worker for worker in proof.workers if worker.pid == proof.holder(shard, table))
    with proof.load():
        proof.await_watermarks(time.time())
        frozen = proof.freeze(owner)
        proof.await_watermarks(frozen + 2, shard)
        owner.send(signal.SIGCONT)
    assert proof.broken()


def test_a_watermark_is_taken_away_while_its_rows_come_again(proof: Proof) -> None:
    proof.replace("-m", "afflux")
    before = proof.watermarks()
    for worker in proof.workers:
        proof.freeze(worker)
    proof.home.ask("positions", "rewind", "--topic", proof.home.topic("hot"), "--offset", "start")
    assert proof.watermarks().keys() == before.keys() - {"shard0"}
    for worker in proof.workers:
        worker.send(signal.SIGCONT)
    proof.await_watermarks(before["shard0"])
    proof.home.await_equal("hot")

"""Under load, whenever the watermark says T, all that was committed before T is in the target."""

import contextlib
import io
import json
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from afflux.cli import app
from afflux.stack import Addresses
from chaos.waiting import wait_for
from estate import PATIENCE, estate
from proof import BUSY, HONEST, SHARDS, Proof
from witness import TABLES

pytestmark = pytest.mark.stack


@pytest.fixture(scope="module")
def proof(addresses: Addresses, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proof]:
    folder = tmp_path_factory.mktemp("watermarks")
    with estate(addresses, folder, "watermarks", shards=3, session_ms=60_000) as home:  # who is frozen keeps its own
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
    proof.replace((str(Path(__file__).parent.parent / "early_worker.py"),))
    apart = [(s, table) for s in BUSY for table in TABLES if proof.holder(s) != proof.holder(s, table)]
    assert apart, "six partitions of each worker are not whole shards'"
    shard, table = apart[0]
    (owner,) = (worker for worker in proof.workers if worker.pid == proof.holder(shard, table))
    with proof.load():
        proof.await_watermarks(time.time())
        frozen = proof.freeze(owner)
        written = proof.await_commit(shard, table, frozen)
        wait_for(lambda: proof.observer.saw(shard, written), PATIENCE, "the watermark beyond a row that is not there")
        owner.send(signal.SIGCONT)
    assert proof.broken()


def test_heartbeats_that_kafka_has_deleted_are_missed_by_nobody(proof: Proof) -> None:
    for worker in proof.workers:
        worker.leave()
        worker.program = HONEST
    topics = [f"{proof.home.name}-{shard}.message" for shard in SHARDS]
    stood = proof.home.target(
        "SELECT sum(next_offset) FROM afflux.positions WHERE topology = '$' AND topic ~ 'message'"
    )

    def beyond() -> bool:
        return sum(proof.home.kafka.end_offsets(topics).values()) > stood[0][0] + len(topics)

    wait_for(beyond, PATIENCE, "heartbeats while nobody reads them")
    proof.forget(topics)
    for worker in proof.workers:
        worker.start()
    proof.await_watermarks(time.time())
    assert proof.home.target("SELECT topic FROM afflux.tables WHERE topology = '$'") == []


def test_a_watermark_is_taken_away_while_its_rows_come_again(proof: Proof) -> None:
    proof.replace(HONEST)
    before = proof.watermarks()
    for worker in proof.workers:
        proof.freeze(worker)
    proof.home.ask("positions", "rewind", "--topic", proof.home.topic("hot"), "--offset", "start")
    assert proof.watermarks().keys() == before.keys() - {"shard0"}
    for worker in proof.workers:
        worker.send(signal.SIGCONT)
    proof.await_watermarks(before["shard0"])
    proof.home.await_equal("hot")


def test_an_analyst_reads_it_by_the_pages_own_queries(proof: Proof) -> None:
    page = (Path(__file__).parents[2] / "docs" / "freshness.md").read_text()
    queries = [part.partition("```")[0].replace("'orders'", "'$'") for part in page.split("```sql")[1:]]
    complete, yesterday, by_shard, mine = [proof.home.target(query) for query in queries]
    assert 0 < complete[0][0].timestamp() <= min(proof.watermarks().values())
    assert yesterday == [(True,)]
    assert {row[0] for row in by_shard} == set(SHARDS)
    assert all(0 < row[2].total_seconds() < 3600 and row[3:] == ([], 0) for row in by_shard)
    assert mine == [(True,)]


def test_status_says_that_all_is_well(proof: Proof) -> None:
    found = proof.home.ask("status")
    assert (found["level"], found["next"], found["looked"]) == ("well", "", True)
    assert {shard["shard"]: shard["stream"] for shard in found["shards"]} == dict.fromkeys(SHARDS, "streaming")
    assert all(shard["age_seconds"] < 60 and abs(shard["clock_ahead_seconds"]) < 60 for shard in found["shards"])
    assert [part["part"] for part in found["parts"] if part["level"] != "well"] == []
    assert proof.home.operate("status").startswith(f"{proof.home.name}: all is well with 3 shards; warehouse is ")


def test_status_puts_the_shard_that_needs_somebody_first_with_the_next_step(proof: Proof) -> None:
    proof.home.produce(proof.home.topic("warm", 1), b"no event at all", b"no key either")
    proof.await_watermarks(time.time(), "shard1")
    found = proof.home.ask("status", code=3)
    assert (found["shards"][0]["shard"], found["shards"][0]["dead_letters"]) == ("shard1", 1)
    assert found["verdict"].endswith("1 of 3 shards needs you; shard1: 1 dead letter is open")
    assert "afflux dead-letters list" in found["next"]
    proof.home.operate("dead-letters", "discard", "--all", "--yes")
    proof.await_watermarks(time.time(), "shard1")
    assert proof.home.ask("status")["level"] == "well"


def test_a_shard_that_does_not_answer_is_one_row_of_the_status(proof: Proof) -> None:
    away = proof.home.path.with_name("away.yaml")
    port = next(shard.port for shard in proof.home.addresses.shards if shard.name == "shard2")
    away.write_text(proof.home.path.read_text().replace(f'"port": {port}', '"port": 1'))
    with contextlib.redirect_stdout(io.StringIO()) as out:
        code = app(args=["status", "-t", str(away), "-o", "json"], prog_name="afflux", standalone_mode=False)
    found = json.loads(out.getvalue())
    assert code == 3
    assert (found["shards"][0]["shard"], found["shards"][0]["slot"]) == ("shard2", "away")
    assert [shard["slot"] for shard in found["shards"][1:]] == ["reserved", "reserved"]

"""What every sink promises of its watermarks: none says more than the target holds."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from afflux.errors import SinkError
from afflux.sinks.batch import DeadLetter, Mark, Partition
from afflux.sinks.resyncs import Resync
from afflux.sinks.sql import layout, statements
from afflux.sinks.state import Watermark
from targets import ONE, ZERO, Target, batch

SHARDS = ("shard0", "shard1")
AT = datetime(2026, 1, 31, 8, tzinfo=UTC)


def mark(seconds: int, ends: dict[Partition, int], shard: str = "shard0", ids: dict[str, str] | None = None) -> Mark:
    return Mark(shard, int(AT.timestamp() + seconds) * 1_000_000 + 123_457, 1000 + seconds, ends, ids or {})


def known(target: Target) -> dict[str, Watermark]:
    return {found.shard: found for found in target.state().watermarks()}


def seconds(target: Target) -> dict[str, int | None]:
    """Each shard's watermark, in seconds after `AT`."""
    return {s: None if w.time is None else int((w.time - AT).total_seconds()) for s, w in known(target).items()}


def test_a_mark_is_passed_when_the_positions_have_reached_all_its_ends(target: Target) -> None:
    sink = target.sink()
    sink.claim([ZERO, ONE])
    sink.apply(batch(0, end=5))
    early, late = mark(1, {ZERO: 5}), mark(2, {ZERO: 5, ONE: 1})
    assert sink.pass_marks([late], SHARDS) == []
    assert seconds(target) == {"shard0": None, "shard1": None}
    assert sink.pass_marks([early, late], SHARDS) == [early]
    sink.apply(batch(0, partition=ONE))
    assert sink.pass_marks([late], SHARDS) == [late]
    found = known(target)["shard0"]
    assert (found.time, found.lsn) == (AT + timedelta(seconds=2, microseconds=123_457), 1002)
    assert abs(found.updated - datetime.now(UTC)) < timedelta(minutes=5)


def test_any_worker_may_pass_a_mark_for_positions_are_the_targets(target: Target) -> None:
    one, other = target.sink(), target.sink()
    one.claim([ZERO])
    one.apply(batch(0, end=5))
    assert len(other.pass_marks([mark(1, {ZERO: 5})], SHARDS)) == 1
    assert seconds(target)["shard0"] == 1


def test_a_partition_that_was_never_read_stands_at_its_beginning(target: Target) -> None:
    sink = target.sink()
    sink.claim([ZERO])
    assert sink.pass_marks([mark(1, {ZERO: 0, ONE: 1})], SHARDS) == []
    assert len(sink.pass_marks([mark(1, {ZERO: 0, ONE: 0})], SHARDS)) == 1


def test_a_watermark_never_goes_back(target: Target) -> None:
    sink = target.sink()
    assert len(sink.pass_marks([mark(7, {}), mark(9, {}), mark(8, {})], SHARDS)) == 3
    assert len(sink.pass_marks([mark(3, {})], SHARDS)) == 1
    assert seconds(target)["shard0"] == 9


def test_a_shard_without_a_watermark_is_known_to_have_none(target: Target) -> None:
    sink = target.sink()
    sink.pass_marks([mark(1, {})], SHARDS)
    assert seconds(target) == {"shard0": 1, "shard1": None}
    sink.pass_marks([], ["shard1", "shard2"])
    assert seconds(target) == {"shard1": None, "shard2": None}, "shard0 has left the topology"


def test_the_mark_of_a_shard_that_has_left_moves_nothing(target: Target) -> None:
    sink = target.sink()
    sink.pass_marks([mark(1, {})], ["shard1"])
    assert seconds(target) == {"shard1": None}


def test_stopped_topics_are_left_out_and_named_until_they_are_read_on(target: Target) -> None:
    sink = target.sink()
    sink.stop_table(ONE.topic, "odd")
    sink.pass_marks([mark(1, {ZERO: 0, ONE: 9})], SHARDS)
    assert (known(target)["shard0"].left_out, seconds(target)["shard0"]) == ((ONE.topic,), 1)
    target.state().resume([ONE.topic])
    assert sink.pass_marks([mark(2, {ZERO: 0, ONE: 9})], SHARDS) == []
    assert (known(target)["shard0"].left_out, seconds(target)["shard0"]) == ((ONE.topic,), 1)


def test_no_mark_is_passed_while_a_table_is_read_anew_and_one_that_could_not_be_is_named(target: Target) -> None:
    sink, state = target.sink(), target.state()
    anew = Resync(ZERO.topic, "shard0", "public.t", 100, "1", True, 7, {0: 0}, "me@here")
    state.ask_resyncs([anew])
    assert sink.pass_marks([mark(1, {ZERO: 0}), mark(1, {ONE: 0}, "shard1")], SHARDS) == [mark(1, {ONE: 0}, "shard1")]
    state.resync_failed(anew, "no such table")
    assert len(sink.pass_marks([mark(2, {ZERO: 0})], SHARDS)) == 1
    assert (known(target)["shard0"].left_out, seconds(target)["shard0"]) == ((ZERO.topic,), 2)


def test_open_dead_letters_of_the_shard_are_counted_beside_it(target: Target) -> None:
    sink = target.sink()
    sink.claim([ZERO, ONE])
    letters = tuple(DeadLetter(ZERO, n, b"\x00\x00\x00\x00\x07" + bytes([n]), b"", (), "odd", "so") for n in (0, 1))
    sink.apply(replace(batch(0, end=2), dead=letters))
    target.state().discard([letters[0].id])
    sink.pass_marks([mark(1, {ZERO: 2}), mark(1, {ONE: 0}, "shard1")], SHARDS)
    assert {shard: w.dead_letters for shard, w in known(target).items()} == {"shard0": 1, "shard1": 0}


def test_a_position_in_another_topic_of_the_same_name_has_reached_nothing(target: Target) -> None:
    sink = target.sink()
    sink.claim([ZERO], {ZERO.topic: "old"})
    sink.apply(batch(0, end=5))
    assert sink.pass_marks([mark(1, {ZERO: 2}, ids={ZERO.topic: "new"})], SHARDS) == []
    assert len(sink.pass_marks([mark(1, {ZERO: 2}, ids={ZERO.topic: "old"})], SHARDS)) == 1


def test_going_back_in_a_topic_takes_its_shards_watermark_away_until_it_has_come_forward_again(target: Target) -> None:
    sink = target.sink()
    sink.claim([ZERO])
    sink.apply(batch(0, end=5))
    sink.pass_marks([mark(5, {ZERO: 5}), mark(5, {}, "shard1")], SHARDS)
    target.state().rewind({ZERO: 2}, {}, "me", ["shard0"])
    assert seconds(target) == {"shard0": None, "shard1": 5}
    assert sink.pass_marks([mark(6, {ZERO: 5})], SHARDS) == []
    sink.claim([ZERO])
    sink.apply(batch(2, end=5))
    sink.pass_marks([mark(6, {ZERO: 5})], SHARDS)
    assert seconds(target)["shard0"] == 6


# --- PostgreSQL: the state of an older afflux ---------------------------------------------------------


@pytest.fixture
def fresh(warehouse_url: str) -> Iterator[psycopg.Connection]:
    """A target without any state, for as long as the test lasts."""
    with psycopg.connect(warehouse_url) as connection, connection.transaction(force_rollback=True):
        connection.execute("DROP SCHEMA IF EXISTS afflux CASCADE")
        yield connection


def test_the_state_of_an_older_afflux_is_brought_up_to_date_and_kept(fresh: psycopg.Connection) -> None:
    fresh.execute(statements.CREATE_SCHEMA)
    for statement in statements.LAYOUTS[0]:
        fresh.execute(statement)
    fresh.execute("INSERT INTO afflux.version VALUES (1)")
    fresh.execute("INSERT INTO afflux.tables VALUES ('t', 'g', 'topic', now(), 'kept')")
    with pytest.raises(SinkError, match="has layout 1") as refused:
        layout.check(fresh)
    assert "afflux run" in refused.value.hint
    for _ in range(2):
        layout.prepare(fresh)
        layout.check(fresh)
    assert fresh.execute("SELECT version FROM afflux.version").fetchall() == [(statements.VERSION,)]
    assert fresh.execute("SELECT reason FROM afflux.tables").fetchall() == [("kept",)]


def test_the_state_of_a_newer_afflux_is_left_alone(fresh: psycopg.Connection) -> None:
    layout.prepare(fresh)
    fresh.execute("UPDATE afflux.version SET version = version + 1")
    for refuse in (layout.prepare, layout.check):
        with pytest.raises(SinkError, match="has layout") as refused:
            refuse(fresh)
        assert refused.value.hint == "use the newer afflux"

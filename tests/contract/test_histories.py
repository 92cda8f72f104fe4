"""Whatever happened on the shards, in any split into batches, twice, and in any order between partitions: the
target ends as if each event had been applied by itself."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from afflux.sinks.base import Sink
from afflux.sinks.batch import Batch, Keeping, Mode, Partition, TableChanges, TableName
from afflux.stream.folder import fold
from histories import (
    NUMBER,
    SIZES,
    Event,
    History,
    Version,
    batches,
    decoded,
    ends,
    histories,
    seen,
    shown,
    spelled,
)
from targets import Target, numbers


def tried(times: int) -> settings:
    return settings(max_examples=times, suppress_health_check=[HealthCheck.function_scoped_fixture])


def play(target: Target, history: History, sizes: list[int], keeping: Keeping | None = None) -> list[dict[str, Any]]:
    """Apply what arrived to a table of its own, and give its rows."""
    table = named(target, history)
    sink = target.sink()
    sink.claim(ends(history.events))
    apply(sink, table, history, sizes, keeping)
    sink.close()
    made = any(event["op"] != "t" for event in history.events) or (keeping and keeping.mode is Mode.APPEND)
    return target.rows(table) if history.events and made else []


def named(target: Target, history: History) -> TableName:
    """Let a history be that of a table of its own."""
    table = TableName(target.schema, f"t{next(numbers)}")
    for event in history.events:
        event["topic"] = f"{event['shard']}.{table.name}"
    return table


def apply(sink: Sink, table: TableName, history: History, sizes: list[int], keeping: Keeping | None) -> None:
    """Apply what arrived, each batch twice, as when its outcome was not known."""
    until = ends(history.events)
    for spans, part in batches(history.events, sizes):
        tables = (guarded(changes, until) for changes in fold([decoded(part, table, keeping, history.key)]))
        batch = Batch(spans, tuple(tables))
        sink.apply(batch)
        sink.apply(batch)


def guarded(changes: TableChanges, until: Mapping[Partition, int]) -> TableChanges:
    """Say of truncates how far their topics went, as the preparer does where there are several partitions."""
    several = any(partition.number for partition in until)
    truncates = (
        replace(t, until=tuple((p, end) for p, end in until.items() if several and p.topic == t.topic))
        for t in changes.truncates
    )
    return replace(changes, truncates=tuple(truncates), several=several)


def us(time: datetime | int | None) -> int | None:
    """Give a time in microseconds, as events have it."""
    if isinstance(time, datetime):
        return (time - datetime.fromtimestamp(0, UTC)) // timedelta(microseconds=1)
    return time


@tried(20)
@given(histories(), SIZES)
def test_the_target_is_equal_to_the_shards(database: Target, history: History, sizes: list[int]) -> None:
    assert seen(play(database, history, sizes)) == shown(history.shards)


@tried(20)
@given(histories(partitions=3), SIZES)
def test_with_several_partitions_any_order_between_them_leaves_the_target_equal(
    database: Target, history: History, sizes: list[int]
) -> None:
    assert seen(play(database, history, sizes)) == shown(history.shards)


@tried(4)
@given(histories(keys=[NUMBER]), SIZES)
def test_a_lake_is_equal_to_the_shards(lake: Target, history: History, sizes: list[int]) -> None:
    assert seen(play(lake, history, sizes)) == shown(history.shards)


@tried(4)
@given(histories(partitions=3, keys=[NUMBER]), SIZES)
def test_a_lake_is_equal_to_the_shards_in_any_order_between_partitions(
    lake: Target, history: History, sizes: list[int]
) -> None:
    assert seen(play(lake, history, sizes)) == shown(history.shards)


@tried(15)
@given(histories(), SIZES)
def test_deleted_rows_stay_as_they_last_were_and_say_when_they_were_deleted(
    database: Target, history: History, sizes: list[int]
) -> None:
    rows = play(database, history, sizes, Keeping(soft=True, lineage=True))
    assert seen([row for row in rows if not row["_deleted"]]) == shown(history.shards)
    dead = {int(float(row["id"])): row for row in rows if row["_deleted"]}
    graves = [(key, shard.name, row) for shard in history.shards for key, row in shard.dead.items()]
    assert dead.keys() == {key for key, _, _ in graves} - shown(history.shards).keys()
    for key, row in dead.items():
        found = (spelled(row["id"]), row["_shard"], row["note"], row["n"], us(row["_deleted_at"]))
        assert found in [(g["id"], shard, g["note"], g["n"], g["ts"]) for k, shard, g in graves if k == key]


@tried(10)
@given(histories(partitions=3), SIZES)
def test_every_change_is_a_row_of_its_own(database: Target, history: History, sizes: list[int]) -> None:
    rows = play(database, history, sizes, Keeping(Mode.APPEND))
    found = [(*(spelled(row[name]) for name in CHANGE), us(row["_source_ts"])) for row in rows]
    assert sorted(found, key=repr) == sorted((change(event) for event in history.events), key=repr)


CHANGE = (
    "id",
    "note",
    "n",
    "_unchanged",
    "_op",
    "_shard",
    "_topic",
    "_partition",
    "_offset",
    "_lsn",
    "_transaction",
)
"""The columns of an appended change that `change` gives the values of, the source's time after them."""


def change(e: Event) -> tuple[Any, ...]:
    left_out = ["note"] if e.get("masked") else []
    place = (e["shard"], e["topic"], e["partition"], e["offset"], e["lsn"], e["lsn"])
    return (e.get("id"), e.get("note"), e.get("n"), left_out, e["op"], *place, e["ts"])


@tried(15)
@given(histories(), SIZES)
def test_every_version_of_a_row_is_kept_with_its_times(database: Target, history: History, sizes: list[int]) -> None:
    rows = play(database, history, sizes, Keeping(Mode.HISTORY))
    found = [version(row) for row in rows]
    assert sorted(found, key=repr) == sorted((v for shard in history.shards for v in shard.versions), key=repr)
    assert all(row["_current"] == (row["_valid_to"] is None) for row in rows)


@pytest.mark.parametrize("mode", [Mode.APPEND, Mode.HISTORY])
@tried(6)
@given(history=histories(), sizes=SIZES, place=st.tuples(st.integers(1, 60), st.integers(1, 20)))
def test_whoever_goes_back_and_reads_again_has_the_same_in_the_end(
    database: Target, mode: Mode, history: History, sizes: list[int], place: tuple[int, int]
) -> None:
    cut, back = place
    straight = play(database, history, sizes, Keeping(mode))
    first, rest = history.events[:cut], history.events[cut:]
    table = named(database, history)
    sink = database.sink()
    sink.claim(ends(history.events))
    apply(sink, table, history._replace(events=first), sizes, Keeping(mode))
    to = {partition: max(0, end - back) for partition, end in ends(first[-1:]).items()}
    database.state().rewind(to, {}, "me")
    again = [
        e for e in first for p, offset in to.items() if (e["topic"], e["partition"]) == p and e["offset"] >= offset
    ]
    sink.claim(to)
    apply(sink, table, history._replace(events=again + rest), sizes, Keeping(mode))
    sink.close()
    found = database.rows(table) if straight else []
    assert sorted(map(told, found), key=repr) == sorted(map(told, straight), key=repr)


def told(row: dict[str, Any]) -> dict[str, Any]:
    """Give all that a row says but when it was written and by which topic, which is the table's own here."""
    return {name: value for name, value in row.items() if name not in {"_synced_at", "_topic", "_end_topic"}}


def version(row: dict[str, Any]) -> Version:
    since, until = us(row["_valid_from"]), us(row["_valid_to"])
    return Version(row["_shard"], spelled(row["id"]), row["note"], row["n"], since or 0, until, row["_end_op"])

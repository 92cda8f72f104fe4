"""Folding a batch has the effect of its events one by one."""

import pytest
from hypothesis import given, settings

from afflux.errors import TableError
from afflux.sinks.batch import DELETED, Batch, Partition, Span, unchanged
from afflux.sinks.memory import Memory, MemorySink
from afflux.stream.decoded import Decoded
from afflux.stream.folder import fold
from histories import COLUMNS, SIZES, TABLE, History, Shard, batches, decoded, ends, histories, seen, shown

PARTITION = Partition("t", 0)


@settings(max_examples=150)
@given(histories(), SIZES)
def test_any_split_into_batches_leaves_the_target_equal_to_the_shards(history: History, sizes: list[int]) -> None:
    shards, events, key = history
    memory = Memory()
    sink = MemorySink(memory)
    sink.claim(ends(events))
    for spans, part in batches(events, sizes):
        batch = Batch(spans, fold([decoded(part, key=key)]))
        sink.apply(batch)
        sink.apply(batch)  # a batch whose outcome was not known is applied again
    assert seen(list(memory.rows(TABLE).values())) == shown(shards)


def test_no_row_is_left_masked_when_the_batch_has_its_value() -> None:
    first = {"op": "c", "shard": "a", "lsn": 1, "id": 1, "note": "long", "n": 1}
    second = {"op": "u", "shard": "a", "lsn": 2, "id": 1, "note": None, "masked": True, "n": 2}
    (changes,) = fold([decoded([first, second])])
    assert unchanged("note") not in changes.rows.columns
    assert changes.rows["note"].to_list() == ["long"]


def test_a_value_of_a_former_life_of_a_key_is_not_carried_over() -> None:
    events = [
        {"op": "c", "shard": "a", "lsn": 1, "id": 1, "note": "old", "n": 1},
        {"op": "d", "shard": "a", "lsn": 2, "id": 1},
        {"op": "c", "shard": "a", "lsn": 3, "id": 1, "note": None, "masked": True, "n": 3},
    ]
    (changes,) = fold([decoded(events)])
    assert changes.rows[unchanged("note")].to_list() == [True]


def test_a_null_is_a_value_and_not_an_unchanged_one() -> None:
    events = [
        {"op": "c", "shard": "a", "lsn": 1, "id": 1, "note": "x", "n": 1},
        {"op": "u", "shard": "a", "lsn": 2, "id": 1, "note": None, "n": 2},
    ]
    (changes,) = fold([decoded(events)])
    assert changes.rows["note"].to_list() == [None]


def test_columns_of_an_older_schema_are_null_and_not_lost() -> None:
    narrow = decoded([{"op": "c", "shard": "a", "lsn": 1, "id": 1, "note": "x", "n": 1}])
    narrow = Decoded(TABLE, COLUMNS[:2], ("id",), narrow.rows.drop("n"), ())
    wide = decoded([{"op": "c", "shard": "b", "lsn": 2, "id": 2, "note": "y", "n": 2}])
    (changes,) = fold([narrow, wide])
    assert [c.name for c in changes.columns] == ["id", "note", "n"]
    assert sorted(changes.rows.select("id", "n").rows()) == [(1, None), (2, 2)]


def test_the_key_of_a_deleted_row_stays_whatever_its_type_is() -> None:
    events = [
        {"op": "d", "shard": "a", "lsn": 1, "id": 1, "note": "old", "departs": True},
        {"op": "c", "shard": "a", "lsn": 1, "id": 1, "note": "new", "n": 1},
        {"op": "d", "shard": "a", "lsn": 2, "id": 1, "note": "other"},
    ]
    (changes,) = fold([Decoded(TABLE, COLUMNS, ("id", "note"), decoded(events).rows, ())])
    assert sorted(changes.rows.select("note", DELETED).rows()) == [("new", False), ("old", True), ("other", True)]


def test_rows_without_a_key_are_refused() -> None:
    keyless = decoded([{"op": "c", "shard": "a", "lsn": 1, "id": 1, "note": "x", "n": 1}])
    with pytest.raises(TableError, match="no key"):
        fold([Decoded(TABLE, COLUMNS, (), keyless.rows, ())])


@pytest.mark.parametrize("boundary", range(1, 9))
def test_a_large_value_follows_its_row_through_many_changes_of_key(boundary: int) -> None:
    shard = Shard("shard0", 0)
    shard.insert(1, "large")
    for key in range(1, 5):
        shard.rekey(key, key + 1)
    memory = Memory()
    sink = MemorySink(memory)
    sink.claim([PARTITION])
    for start, end in ((0, boundary), (boundary, 9)):
        sink.apply(Batch({PARTITION: Span(start, end)}, fold([decoded(shard.events[start:end])])))
    assert [(r["id"], r["note"]) for r in memory.rows(TABLE).values()] == [(5, "large")]

"""Folding a batch has the effect of its events one by one."""

from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from afflux.errors import DecodeError
from afflux.sinks.base import DELETED, LSN, SHARD, SOURCE_TS, Batch, Partition, Span, TableName, unchanged
from afflux.sinks.memory import Memory, MemorySink
from afflux.stream.decoder import BORN, SEQUENCE, Decoded, TruncateEvent
from afflux.stream.folder import fold
from afflux.types.columns import Column
from afflux.types.postgres import pg_type
from afflux.types.stock import STOCK

TABLE = TableName("public", "orders")
PARTITION = Partition("t", 0)
COLUMNS = tuple(
    Column(name, name, pg_type(source), STOCK[kind][0])
    for name, source, kind in (("id", "INT4", "int4"), ("note", "TEXT", "text"), ("n", "INT8", "int8"))
)
SCHEMA = {
    SEQUENCE: pl.Int64,
    BORN: pl.Boolean,
    SHARD: pl.String,
    LSN: pl.Int64,
    SOURCE_TS: pl.Int64,
    DELETED: pl.Boolean,
    "id": pl.Int32,
    "note": pl.String,
    "n": pl.Int64,
    unchanged("note"): pl.Boolean,
}


def decoded(events: list[dict[str, Any]]) -> Decoded:
    rows = []
    truncates = []
    for sequence, e in enumerate(events):
        if e["op"] == "t":
            truncates.append(TruncateEvent(e["shard"], e["lsn"], sequence))
            continue
        rows.append(
            (
                *(sequence, e["op"] == "c", e["shard"], e["lsn"], e["lsn"], e["op"] == "d"),
                *(e["id"], e.get("note"), e.get("n"), e.get("masked", False)),
            )
        )
    return Decoded(TABLE, COLUMNS, ("id",), pl.DataFrame(rows, schema=SCHEMA, orient="row"), tuple(truncates))


@st.composite
def histories(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Draw what shards can really do: each shard has its own keys, and its own rising LSNs."""
    events: list[dict[str, Any]] = []
    living: dict[int, str] = {}
    steps = draw(st.lists(st.tuples(st.integers(0, 5), st.sampled_from("iuumdt"), st.sampled_from("xyz")), max_size=40))
    for lsn, (key, wish, note) in enumerate(steps, start=1):
        shard = f"shard{key % 2}"
        at = {"shard": shard, "lsn": lsn, "id": key, "n": lsn}
        if wish == "t":
            events.append({"op": "t", "shard": shard, "lsn": lsn})
            living = {k: s for k, s in living.items() if s != shard}
        elif key not in living:
            events.append({**at, "op": "c", "note": note})
            living[key] = shard
        elif wish == "d":
            events.append({**at, "op": "d", "n": None})
            del living[key]
        elif wish == "m":
            events.append({**at, "op": "u", "note": None, "masked": True})
        else:
            events.append({**at, "op": "u", "note": note})
    return events


def one_by_one(events: list[dict[str, Any]]) -> dict[int, tuple[str, str, int]]:
    """Apply events one at a time, in the plainest way."""
    rows: dict[int, tuple[str, str, int]] = {}
    for e in events:
        if e["op"] == "t":
            rows = {k: row for k, row in rows.items() if row[0] != e["shard"]}
        elif e["op"] == "d":
            del rows[e["id"]]
        else:
            note = rows[e["id"]][1] if e.get("masked") else e["note"]
            rows[e["id"]] = (e["shard"], note, e["n"])
    return rows


@given(histories(), st.lists(st.integers(1, 10), min_size=40, max_size=40))
def test_any_split_into_batches_has_the_effect_of_events_one_by_one(
    events: list[dict[str, Any]], sizes: list[int]
) -> None:
    memory = Memory()
    sink = MemorySink(memory)
    sink.claim([PARTITION])
    start = 0
    for size in sizes:
        part = events[start : start + size]
        batch = Batch({PARTITION: Span(start, start + len(part))}, fold([decoded(part)]) if part else ())
        if part:
            sink.apply(batch)
            sink.apply(batch)  # a batch whose outcome was not known is applied again
        start += len(part)
    found = {k[0]: (r["_shard"], r["note"], r["n"]) for k, r in memory.tables.get(TABLE, {}).items()}
    assert found == one_by_one(events[:start])


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


def test_rows_without_a_key_are_refused() -> None:
    keyless = decoded([{"op": "c", "shard": "a", "lsn": 1, "id": 1, "note": "x", "n": 1}])
    with pytest.raises(DecodeError, match="no key"):
        fold([Decoded(TABLE, COLUMNS, (), keyless.rows, ())])

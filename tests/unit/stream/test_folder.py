"""Folding a batch has the effect of its events one by one."""

from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from afflux.errors import DecodeError
from afflux.sinks.base import DELETED, LSN, SHARD, SOURCE_TS, Batch, Partition, Span, TableName, unchanged
from afflux.sinks.memory import Memory, MemorySink
from afflux.stream.decoder import BORN, DEPARTS, SEQUENCE, Decoded, TruncateEvent
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
    DEPARTS: pl.Boolean,
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
                *(
                    sequence,
                    e["op"] == "c",
                    e.get("departs", False),
                    e["shard"],
                    e["lsn"],
                    e.get("ts", e["lsn"]),
                    e["op"] == "d",
                ),
                *(e["id"], e.get("note"), e.get("n"), e.get("masked", False)),
            )
        )
    return Decoded(TABLE, COLUMNS, ("id",), pl.DataFrame(rows, schema=SCHEMA, orient="row"), tuple(truncates))


class Shard:
    """A source table, and the events that Debezium makes of its changes."""

    def __init__(self, name: str, skew: int) -> None:
        self.name = name
        self.rows: dict[int, dict[str, Any]] = {}
        self.events: list[dict[str, Any]] = []
        self._skew = skew
        self._lsn = 0

    def insert(self, key: int, note: str | None) -> None:
        if key not in self.rows:
            self._change("c", key, {"note": note, "n": len(self.events)})

    def update(self, key: int, note: str | None) -> None:
        """Set `n`, and `note` unless it is to stay; a stored large note that stays is not in the event."""
        if key in self.rows:
            stays = note is None
            note = self.rows[key]["note"] if stays else note
            masked = stays and note is not None and note.startswith("large")
            self._change("u", key, {"note": note, "n": len(self.events)}, masked=masked)

    def rekey(self, old: int, new: int) -> None:
        """Change a row's key: a delete and an insert of one LSN; a large note is in neither."""
        if old in self.rows and new not in self.rows and old != new:
            note = self.rows[old]["note"]
            self._change("d", old, None, departs=True)
            self._lsn -= 1
            masked = note is not None and note.startswith("large")
            self._change("c", new, {"note": note, "n": len(self.events)}, masked=masked)

    def delete(self, key: int) -> None:
        if key in self.rows:
            self._change("d", key, None)

    def truncate(self) -> None:
        self._lsn += 1
        self.events.append({"op": "t", "shard": self.name, "lsn": self._lsn, "ts": self._lsn})
        self.rows.clear()

    def _change(
        self, op: str, key: int, row: dict[str, Any] | None, *, masked: bool = False, departs: bool = False
    ) -> None:
        self._lsn += 1
        at = {"op": op, "shard": self.name, "lsn": self._lsn, "ts": self._lsn + self._skew, "id": key}
        if row is None:
            del self.rows[key]
            self.events.append({**at, "departs": departs})
            return
        self.rows[key] = {**row, "ts": at["ts"]}
        sent = {**row, "note": None} if masked else row
        self.events.append({**at, **sent, "masked": masked})


WISHES = (*["insert"] * 4, *["rekey"] * 4, "keep", "keep", "update", "delete", "truncate")
STEPS = st.lists(
    st.tuples(
        st.integers(0, 1),
        st.sampled_from(WISHES),
        st.integers(0, 2),
        st.integers(0, 2),
        st.sampled_from(["large a", "large b", "large c", "small", None]),
    ),
    min_size=10,
    max_size=60,
)


@st.composite
def histories(draw: st.DrawFn) -> tuple[list[Shard], list[dict[str, Any]]]:
    """Draw two shards that share keys, whose clocks differ, and an order in which their events arrive."""
    shards = [Shard("shard0", 0), Shard("shard1", draw(st.integers(-60, 60)))]
    for which, wish, key, other, note in draw(STEPS):
        shard = shards[which]
        match wish:
            case "insert":
                shard.insert(key, note)
            case "update":
                shard.update(key, note or "set")
            case "keep":
                shard.update(key, None)
            case "rekey":
                shard.rekey(key, other)
            case "delete":
                shard.delete(key)
            case _:
                shard.truncate()
    queues = [list(shard.events) for shard in shards]
    arrived = []
    while any(queues):
        queue = draw(st.sampled_from([q for q in queues if q]))
        arrived.append(queue.pop(0))
    return shards, arrived


def shown(shards: list[Shard]) -> dict[int, tuple[str, str | None, int]]:
    """What a reader of the target is to see: each key's row, of two shards' rows the one that changed last."""
    versions: dict[int, list[tuple[int, str, dict[str, Any]]]] = {}
    for shard in shards:
        for key, row in shard.rows.items():
            versions.setdefault(key, []).append((row["ts"], shard.name, row))
    last = {key: max(found, key=lambda version: version[:2]) for key, found in versions.items()}
    return {key: (name, row["note"], row["n"]) for key, (_, name, row) in last.items()}


@settings(max_examples=300)
@given(histories(), st.lists(st.integers(1, 6), min_size=150, max_size=150))
def test_any_split_into_batches_leaves_the_target_equal_to_the_shards(
    history: tuple[list[Shard], list[dict[str, Any]]], sizes: list[int]
) -> None:
    shards, events = history
    memory = Memory()
    sink = MemorySink(memory)
    sink.claim([PARTITION])
    start = 0
    for size in sizes:
        part = events[start : start + size]
        if part:
            batch = Batch({PARTITION: Span(start, start + len(part))}, fold([decoded(part)]))
            sink.apply(batch)
            sink.apply(batch)  # a batch whose outcome was not known is applied again
        start += len(part)
    assert {k[0]: (r["_shard"], r["note"], r["n"]) for k, r in memory.rows(TABLE).items()} == shown(shards)


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


@pytest.mark.parametrize("boundary", range(1, 5))
def test_a_large_value_follows_its_row_through_two_changes_of_key(boundary: int) -> None:
    shard = Shard("shard0", 0)
    shard.insert(1, "large")
    shard.rekey(1, 2)
    shard.rekey(2, 3)
    memory = Memory()
    sink = MemorySink(memory)
    sink.claim([PARTITION])
    for start, end in ((0, boundary), (boundary, 5)):
        sink.apply(Batch({PARTITION: Span(start, end)}, fold([decoded(shard.events[start:end])])))
    assert [(r["id"], r["note"]) for r in memory.rows(TABLE).values()] == [(3, "large")]

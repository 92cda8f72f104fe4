"""Histories of shards that share keys, as change events: for tests that fold and apply them.

Beside the events, each shard tells what is to become of them: its rows as they are, its deleted rows as they
last were, and every version of a row.
"""

from collections.abc import Sequence
from decimal import Decimal
from itertools import cycle
from typing import Any, NamedTuple

import polars as pl
from hypothesis import strategies as st

from afflux.sinks.batch import (
    DELETED,
    LINEAGE,
    LSN,
    SEQUENCE,
    SHARD,
    SOURCE_TS,
    Keeping,
    Partition,
    Span,
    TableName,
    unchanged,
)
from afflux.stream.decoded import BORN, DEPARTS, Decoded, TruncateEvent
from afflux.types.columns import Column
from afflux.types.postgres import PgType, pg_type
from afflux.types.stock import STOCK

Event = dict[str, Any]

TABLE = TableName("public", "orders")
NUMBER, SPELLED = pg_type("INT4"), pg_type("NUMERIC")
"""The types of the key: one value one text, or several."""


def columns(key: PgType = NUMBER) -> tuple[Column, ...]:
    form = "int4" if key == NUMBER else "numeric"
    types = (("id", key, form), ("note", pg_type("TEXT"), "text"), ("n", pg_type("INT8"), "int8"))
    return tuple(Column(name, name, of, STOCK[kind][0]) for name, of, kind in types)


COLUMNS = columns()
_LINEAGE = dict(zip(LINEAGE, (pl.String, pl.String, pl.Int32, pl.Int64, pl.Int64), strict=True))


def decoded(
    events: list[Event], table: TableName = TABLE, keeping: Keeping | None = None, key: PgType = NUMBER
) -> Decoded:
    """Give events as the decoder would."""
    keeping = keeping or Keeping()
    rows = []
    truncates = []
    for sequence, e in enumerate(events):
        at = (e.get("topic", ""), e.get("partition", 0), e.get("offset", sequence))
        if e["op"] == "t":
            truncates.append(TruncateEvent(e["shard"], e["lsn"], sequence, at[0], e["ts"], *at[1:], e["lsn"]))
            continue
        rows.append(
            {
                SEQUENCE: sequence,
                BORN: e["op"] in ("c", "r"),
                DEPARTS: e.get("departs", False),
                SHARD: e["shard"],
                LSN: e["lsn"],
                SOURCE_TS: e.get("ts", e["lsn"]),
                DELETED: e["op"] == "d",
                **{name: e.get(name) for name in ("id", "note", "n")},
                unchanged("note"): e.get("masked", False),
                **dict(zip(LINEAGE, (e["op"], *at, e["lsn"]), strict=True)),
            }
        )
    schema = {
        SEQUENCE: pl.Int64,
        BORN: pl.Boolean,
        DEPARTS: pl.Boolean,
        SHARD: pl.String,
        LSN: pl.Int64,
        SOURCE_TS: pl.Int64,
        DELETED: pl.Boolean,
        **{column.name: column.type.dtype for column in columns(key)},
        unchanged("note"): pl.Boolean,
        **(_LINEAGE if keeping.traced else {}),
    }
    rows = [{name: row[name] for name in schema} for row in rows]
    frame = pl.DataFrame(rows, schema=schema, orient="row")
    return Decoded(table, columns(key), ("id",), frame, tuple(truncates), keeping=keeping)


class Version(NamedTuple):
    """A row as it was for a time; `until` is None for the one that is now."""

    shard: str
    id: Any
    note: str | None
    n: int
    since: int
    until: int | None
    ended_by: str | None


class Shard:
    """A source table, and the events that Debezium makes of its changes.

    Args:
        name: the shard's.
        skew: how far its clock is ahead, in microseconds.
        key: the type of the key; a key of `SPELLED` has several texts.
    """

    def __init__(self, name: str, skew: int, key: PgType = NUMBER) -> None:
        self.name = name
        self.rows: dict[int, dict[str, Any]] = {}
        self.events: list[Event] = []
        self.dead: dict[int, dict[str, Any]] = {}
        """The rows that are deleted, as they last were, by key; `ts` is the delete's."""
        self.versions: list[Version] = []
        self._current: dict[int, int] = {}
        self._skew = skew
        self._key = key
        self._lsn = 0

    def insert(self, key: int, note: str | None, spelling: int = 0) -> None:
        if key not in self.rows:
            self._change("c", key, {"id": self._spelled(key, spelling), "note": note, "n": len(self.events)})

    def update(self, key: int, note: str | None) -> None:
        """Set `n`, and `note` unless it is to stay; a stored large note that stays is not in the event."""
        if key in self.rows:
            stays = note is None
            note = self.rows[key]["note"] if stays else note
            masked = stays and note is not None and note.startswith("large")
            self._change("u", key, {**self.rows[key], "note": note, "n": len(self.events)}, masked=masked)

    def read(self, key: int) -> None:
        """Read a row once more, as an incremental snapshot does."""
        if key in self.rows:
            self._change("r", key, dict(self.rows[key]))

    def rekey(self, old: int, new: int, spelling: int = 0) -> None:
        """Change a row's key: a delete and an insert of one LSN; a large note is in neither."""
        if old not in self.rows or (new != old and new in self.rows):
            return
        row = self.rows[old]
        if self._spelled(new, spelling) == row["id"]:
            return
        self._change("d", old, None, departs=True)
        self._lsn -= 1
        masked = row["note"] is not None and row["note"].startswith("large")
        moved = {"id": self._spelled(new, spelling), "note": row["note"], "n": len(self.events)}
        self._change("c", new, moved, masked=masked)

    def delete(self, key: int) -> None:
        if key in self.rows:
            self._change("d", key, None)

    def truncate(self) -> None:
        self._lsn += 1
        ts = self._lsn + self._skew
        self.events.append({"op": "t", "shard": self.name, "lsn": self._lsn, "ts": ts})
        for key in list(self.rows):
            self._die(key, "t", ts)

    def step_clock(self, by: int) -> None:
        self._skew += by

    def _spelled(self, key: int, spelling: int) -> Any:
        return key if self._key == NUMBER else f"{key}" + ("." + "0" * spelling if spelling else "")

    def _change(
        self, op: str, key: int, row: dict[str, Any] | None, *, masked: bool = False, departs: bool = False
    ) -> None:
        self._lsn += 1
        at = {"op": op, "shard": self.name, "lsn": self._lsn, "ts": self._lsn + self._skew}
        if row is None:
            self.events.append({**at, "id": self.rows[key]["id"], "departs": departs})
            self._die(key, op, at["ts"])
            return
        if op != "r":
            since = self._end(key, op, at["ts"])
            self._current[key] = len(self.versions)
            self.versions.append(Version(self.name, row["id"], row["note"], row["n"], since, None, None))
        self.dead.pop(key, None)
        self.rows[key] = {**row, "ts": at["ts"]}
        sent = {name: row[name] for name in ("id", "note", "n")}
        self.events.append({**at, **sent, **({"note": None} if masked else {}), "masked": masked})

    def _die(self, key: int, op: str, ts: int) -> None:
        self.dead[key] = {**self.rows.pop(key), "ts": ts}
        self._end(key, op, ts)

    def _end(self, key: int, op: str, ts: int) -> int:
        """End the current version of a key, if it has one; no version ends before it began."""
        if key not in self._current:
            return ts
        number = self._current.pop(key)
        ts = max(ts, self.versions[number].since)
        self.versions[number] = self.versions[number]._replace(until=ts, ended_by=op)
        return ts


WISHES = (*["insert"] * 4, *["rekey"] * 4, "keep", "keep", "update", "read", "delete", "truncate", "clock")
STEPS = st.lists(
    st.tuples(
        st.integers(0, 1),
        st.sampled_from(WISHES),
        st.integers(0, 2),
        st.integers(0, 2),
        st.integers(0, 2),
        st.sampled_from(["large a", "large b", "large c", "small", None]),
    ),
    min_size=10,
    max_size=60,
)


class History(NamedTuple):
    """Shards, the events of all of them in the order of their arrival, and the type of the key."""

    shards: list[Shard]
    events: list[Event]
    key: PgType


@st.composite
def histories(draw: st.DrawFn, partitions: int = 1, keys: Sequence[PgType] = (NUMBER, SPELLED)) -> History:
    """Draw two shards that share keys, whose clocks differ, and an order in which their events arrive.

    With several partitions a topic, a shard's events of different keys arrive in any order, and its
    truncates by any partition. Keys that are equal under other bytes hold no large values then.
    """
    key = draw(st.sampled_from(keys))
    shards = [Shard("shard0", 0, key), Shard("shard1", draw(st.integers(-60, 60)), key)]
    for which, wish, one, other, spelling, text in draw(STEPS):
        shard = shards[which]
        note = "small" if key == SPELLED and partitions > 1 and text else text
        match wish:
            case "insert":
                shard.insert(one, note, spelling)
            case "update":
                shard.update(one, note or "set")
            case "keep":
                shard.update(one, None)
            case "read":
                shard.read(one)
            case "rekey":
                shard.rekey(one, other, spelling)
            case "delete":
                shard.delete(one)
            case "clock":
                shard.step_clock(other * 10 - 10)
            case _:
                shard.truncate()
    queues = [queue for shard in shards for queue in _queues(draw, shard, partitions)]
    arrived = []
    while any(queues):
        queue = draw(st.sampled_from([q for q in queues if q]))
        arrived.append(queue.pop(0))
    return History(shards, arrived, key)


def _queues(draw: st.DrawFn, shard: Shard, partitions: int) -> list[list[Event]]:
    queues: list[list[Event]] = [[] for _ in range(partitions)]
    for event in shard.events:
        spread = sum(str(event["id"]).encode()) if "id" in event else draw(st.integers(0, partitions - 1))
        number = spread % partitions
        event |= {"topic": f"{shard.name}.t", "partition": number, "offset": len(queues[number])}
        queues[number].append(event)
    return queues


SIZES = st.lists(st.integers(1, 6), min_size=1, max_size=12)
"""How many events go into each batch, over and over."""


def batches(events: list[Event], sizes: list[int]) -> list[tuple[dict[Partition, Span], list[Event]]]:
    """Cut what has arrived into batches, each with how positions move."""
    cut = []
    start = 0
    for size in cycle(sizes):
        if start >= len(events):
            return cut
        part = events[start : start + size]
        start += size
        spans: dict[Partition, Span] = {}
        for event in part:
            at = Partition(event["topic"], event["partition"])
            first = spans[at].start if at in spans else event["offset"]
            spans[at] = Span(first, event["offset"] + 1)
        cut.append((spans, part))
    return cut


def ends(events: list[Event]) -> dict[Partition, int]:
    """Give where each partition ends."""
    found: dict[Partition, int] = {}
    for event in events:
        at = Partition(event["topic"], event["partition"])
        found[at] = max(found.get(at, 0), event["offset"] + 1)
    return found


def shown(shards: list[Shard]) -> dict[int, tuple[Any, str, str | None, int]]:
    """What a reader of the target is to see by key: of two shards' rows the one that changed last."""
    versions: dict[int, list[tuple[int, str, dict[str, Any]]]] = {}
    for shard in shards:
        for key, row in shard.rows.items():
            versions.setdefault(key, []).append((row["ts"], shard.name, row))
    last = {key: max(found, key=lambda version: version[:2]) for key, found in versions.items()}
    return {key: (row["id"], name, row["note"], row["n"]) for key, (_, name, row) in last.items()}


def seen(rows: list[dict[str, Any]]) -> dict[int, tuple[Any, str, str | None, int]]:
    """The same of rows that a target holds."""
    return {int(Decimal(row["id"])): (spelled(row["id"]), row["_shard"], row["note"], row["n"]) for row in rows}


def spelled(key: Any) -> Any:
    """Give a key as the events have it."""
    return str(key) if isinstance(key, Decimal) else key

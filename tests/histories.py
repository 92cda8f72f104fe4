"""Histories of shards that share keys, as change events: for tests that fold and apply them."""

from typing import Any

import polars as pl
from hypothesis import strategies as st

from afflux.sinks.base import DELETED, LSN, SEQUENCE, SHARD, SOURCE_TS, TableName, unchanged
from afflux.stream.decoder import BORN, DEPARTS, Decoded, TruncateEvent
from afflux.types.columns import Column
from afflux.types.postgres import pg_type
from afflux.types.stock import STOCK

TABLE = TableName("public", "orders")
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


def decoded(events: list[dict[str, Any]], table: TableName = TABLE) -> Decoded:
    """Give events as the decoder would."""
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
    return Decoded(table, COLUMNS, ("id",), pl.DataFrame(rows, schema=SCHEMA, orient="row"), tuple(truncates))


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
            came = self.rows[key].get("came")
            self._change("u", key, {"note": note, "n": len(self.events)}, masked=masked)
            self.rows[key]["came"] = came

    def rekey(self, old: int, new: int) -> None:
        """Change a row's key: a delete and an insert of one LSN; a large note is in neither."""
        if old in self.rows and new not in self.rows and old != new:
            note = self.rows[old]["note"]
            self._change("d", old, None, departs=True)
            self._lsn -= 1
            masked = note is not None and note.startswith("large")
            self._change("c", new, {"note": note, "n": len(self.events)}, masked=masked)
            self.rows[new]["came"] = True

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
def histories(draw: st.DrawFn, partitions: int = 1) -> tuple[list[Shard], list[dict[str, Any]]]:
    """Draw two shards that share keys, whose clocks differ, and an order in which their events arrive.

    With several partitions a topic, a shard's events of different keys arrive in any order, and its
    truncates by any partition; a row changes its key at most once then.
    """
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
                if partitions == 1 or not shard.rows.get(key, {}).get("came"):
                    shard.rekey(key, other)
            case "delete":
                shard.delete(key)
            case _:
                shard.truncate()
    queues = [queue for shard in shards for queue in _queues(draw, shard.events, partitions)]
    arrived = []
    while any(queues):
        queue = draw(st.sampled_from([q for q in queues if q]))
        arrived.append(queue.pop(0))
    return shards, arrived


def _queues(draw: st.DrawFn, events: list[dict[str, Any]], partitions: int) -> list[list[dict[str, Any]]]:
    queues: list[list[dict[str, Any]]] = [[] for _ in range(partitions)]
    for event in events:
        number = event["id"] % partitions if "id" in event else draw(st.integers(0, partitions - 1))
        queues[number].append({**event, "partition": number})
    return queues


def shown(shards: list[Shard]) -> dict[int, tuple[str, str | None, int]]:
    """What a reader of the target is to see: each key's row, of two shards' rows the one that changed last."""
    versions: dict[int, list[tuple[int, str, dict[str, Any]]]] = {}
    for shard in shards:
        for key, row in shard.rows.items():
            versions.setdefault(key, []).append((row["ts"], shard.name, row))
    last = {key: max(found, key=lambda version: version[:2]) for key, found in versions.items()}
    return {key: (name, row["note"], row["n"]) for key, (_, name, row) in last.items()}

"""Rows that a truncate concerns though no event of the batch does: all of one shard's that are older. Pure."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import polars as pl

from afflux.sinks.base import (
    DELETED,
    LINEAGE,
    LSN,
    OFFSET,
    OP,
    SEQUENCE,
    SHARD,
    SOURCE_TS,
    TOPIC,
    Mode,
    TableChanges,
    Truncate,
)
from afflux.sinks.delta.columns import (
    CURRENT,
    DELETED_AT,
    END_OFFSET,
    END_OP,
    END_TOPIC,
    SYNCED_AT,
    VALID_FROM,
    VALID_TO,
)

Value = str | int | bool | None
"""Of a column; times in microseconds since 1970."""
Quote = Callable[[str], str]
"""Writes a column's name for a statement."""


@dataclass(frozen=True, slots=True)
class Sweep:
    """What becomes of a shard's older rows.

    Attributes:
        shard: whose.
        lsn: older than that.
        sets: what they get instead of going; nothing: they go.
        at: the commit time of what ends them, in a table of versions; none of these ends before it began.
    """

    shard: str
    lsn: int
    sets: tuple[tuple[str, Value], ...] = ()
    at: int | None = None

    def wanted(self, quote: Quote) -> str:
        """Write the condition for rows of the table, which is called `t`."""
        older = f"t.{quote(SHARD)} = {literal(self.shard)} AND t.{quote(LSN)} < {self.lsn}"
        if self.at is not None:
            return f"{older} AND t.{quote(CURRENT)}"
        return f"{older} AND NOT t.{quote(DELETED)}" if self.sets else older

    def updates(self, quote: Quote) -> dict[str, str]:
        """Write what they get; empty where they go."""
        values = {quote(name): literal(value, time=name in _TIMES) for name, value in self.sets}
        if self.at is not None:
            at, since = literal(self.at, time=True), f"t.{quote(VALID_FROM)}"
            values[quote(VALID_TO)] = f"CASE WHEN {since} > {at} THEN {since} ELSE {at} END"
        return values | ({quote(SYNCED_AT): "now()"} if values else {})


_TIMES = frozenset({SOURCE_TS, DELETED_AT})


def literal(value: Value, *, time: bool = False) -> str:
    """Write a value for a statement of delta-rs."""
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return f"arrow_cast({value}, 'Timestamp(Microsecond, Some(\"UTC\"))')" if time else str(value)
    return "'" + value.replace("'", "''") + "'"


def literals(values: pl.Series) -> tuple[str, ...] | None:
    """Write a column's values for a statement of delta-rs; None where that is not done for its type. Nulls are left out."""
    distinct = values.drop_nulls().unique()
    match values.dtype:
        case pl.String() | pl.Boolean() | pl.Int16() | pl.Int32() | pl.Int64():
            return tuple(literal(value) for value in distinct)
        case pl.Date():
            return tuple(f"arrow_cast('{value}', 'Date32')" for value in distinct)
    return None


def sweeps(changes: TableChanges) -> tuple[Sweep, ...]:
    """Give what the truncates of a batch do to rows that none of its events concerns."""
    if changes.keeping.mode is Mode.HISTORY:
        return tuple(_ending(row) for row in _first_truncates(changes.rows))
    if not changes.keeping.soft:
        return tuple(Sweep(truncate.shard, truncate.lsn) for truncate in changes.truncates)
    return tuple(Sweep(t.shard, t.lsn, _marks(t, lineage=changes.keeping.lineage)) for t in changes.truncates)


def _marks(truncate: Truncate, *, lineage: bool) -> tuple[tuple[str, Value], ...]:
    marks = {DELETED: True, DELETED_AT: truncate.source_ts, LSN: truncate.lsn, SOURCE_TS: truncate.source_ts}
    event = dict(
        zip(LINEAGE, ("t", truncate.topic, truncate.partition, truncate.offset, truncate.transaction), strict=True)
    )
    return tuple({**marks, **(event if lineage else {})}.items())


def _first_truncates(rows: pl.DataFrame) -> Iterable[Mapping[str, Value]]:
    """Give each shard's first truncate: it ends all that was there before the batch."""
    truncates = rows.filter(pl.col(OP) == "t").sort(SEQUENCE).unique(SHARD, keep="first", maintain_order=True)
    return truncates.with_columns(pl.col(SOURCE_TS).to_physical()).iter_rows(named=True)


def _ending(event: Mapping[str, Value]) -> Sweep:
    ends = ((CURRENT, False), (END_OP, event[OP]), (END_TOPIC, event[TOPIC]), (END_OFFSET, event[OFFSET]))
    return Sweep(str(event[SHARD]), int(event[LSN] or 0), ends, int(event[SOURCE_TS] or 0))

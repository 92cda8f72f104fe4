"""Rows that a truncate concerns though no event of the batch does: all of one shard's that are older. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import polars as pl

from afflux.sinks.batch import (
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
from afflux.sinks.reference.columns import (
    CURRENT,
    DELETED_AT,
    END_OFFSET,
    END_OP,
    END_TOPIC,
)

Value = str | int | bool | None
"""Of a column; times in microseconds since 1970."""


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

"""Rows that an incremental snapshot read before a truncate and that come after it: they are no rows any more. Pure.

Debezium reads a piece of a table between two marks in the WAL and writes the rows at the second one. A truncate that
waits for the read to end is committed between them, so that its event comes first, and the rows' position in the WAL
is behind it (observed on 3.7.0, each time that a truncate met the read of a piece). Their time tells: they are
dropped where it is not well behind the truncate's. Nothing is lost by dropping too many, for whatever a table has
after a truncate was inserted after it, and came by an event of its own.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import polars as pl

from afflux.sinks.batch import SHARD, SOURCE_TS, Emptied, Mode
from afflux.stream.decoded import INCREMENTAL, Decoded

MARGIN_US = 10_000_000
"""Microseconds between a truncate's commit, by the shard's clock, and a row that counts as read after it, by Connect's."""


def emptied(decoded: Sequence[Decoded]) -> dict[Emptied, int]:
    """Find the truncates of a batch.

    Returns:
        The commit time of the newest one of each table and shard, in microseconds since 1970.
    """
    found: dict[Emptied, int] = {}
    for part in decoded:
        for truncate in part.truncates:
            of = Emptied(str(part.table), truncate.shard)
            found[of] = max(truncate.source_ts, found.get(of, 0))
    return found


def newest(one: Mapping[Emptied, int], other: Mapping[Emptied, int]) -> dict[Emptied, int]:
    """Give the newer of two times of each."""
    return {of: max(one.get(of, 0), other.get(of, 0)) for of in one.keys() | other.keys()}


def without_overtaken(decoded: Sequence[Decoded], truncated: Mapping[Emptied, int]) -> tuple[list[Decoded], int]:
    """Leave out the rows of incremental snapshots that truncates have overtaken.

    Args:
        decoded: a batch's events.
        truncated: the commit times of truncates, those of the batch and the newest before it.

    Returns:
        The events, and how many were left out.
    """
    kept, dropped = [], 0
    for part in decoded:
        if INCREMENTAL not in part.rows.columns:
            kept.append(part)
            continue
        times = {of.shard: time + MARGIN_US for of, time in truncated.items() if of.table == str(part.table)}
        rows = part.rows
        if times and part.keeping.mode is not Mode.APPEND:
            until = pl.col(SHARD).replace_strict(times, default=None, return_dtype=pl.Int64)
            rows = rows.filter(~(pl.col(INCREMENTAL) & (pl.col(SOURCE_TS) <= until).fill_null(value=False)))
        dropped += part.rows.height - rows.height
        kept.append(replace(part, rows=rows.drop(INCREMENTAL)))
    return kept, dropped

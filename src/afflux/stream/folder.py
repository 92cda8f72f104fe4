"""The net effect of a batch: per table, shard and key, what is left of its events. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Sequence

import polars as pl

from afflux.errors import DecodeError
from afflux.sinks.base import (
    DELETED,
    LSN,
    META,
    SHARD,
    TableChanges,
    TableName,
    TargetColumn,
    Truncate,
    unchanged,
)
from afflux.stream.decoder import BORN, SEQUENCE, Decoded, TruncateEvent

_EPOCH = "afflux.epoch"


def fold(decoded: Iterable[Decoded]) -> tuple[TableChanges, ...]:
    """Fold a batch's events.

    Args:
        decoded: the batch's events, in frames.

    Returns:
        One set of changes a target table, in the tables' order of names.

    Raises:
        DecodeError: events of one target table disagree on its key, or have none.
    """
    tables: dict[TableName, list[Decoded]] = defaultdict(list)
    for part in decoded:
        tables[part.table].append(part)
    return tuple(_fold_table(name, parts) for name, parts in sorted(tables.items()))


def _fold_table(name: TableName, parts: Sequence[Decoded]) -> TableChanges:
    key = _key(name, parts)
    columns = _columns(parts)
    truncates = [event for part in parts for event in part.truncates]
    frames = [_with_all(part.rows, columns) for part in parts if part.rows.height]
    rows = pl.concat(frames, how="diagonal") if frames else _empty(columns)
    rows = _net(_after_truncates(rows.sort(SEQUENCE), truncates), key, columns)
    return TableChanges(name, columns, key, rows, _last_truncates(truncates))


def _key(name: TableName, parts: Sequence[Decoded]) -> tuple[str, ...]:
    keys = {part.key for part in parts if part.key}
    if len(keys) > 1:
        first, second = sorted(keys)[:2]
        raise DecodeError(
            f"table {name}: events with the key {first} and events with the key {second}",
            hint="a primary key that changes, or differs between shards, can't be applied: make them one",
        )
    if any(part.rows.height and not part.key for part in parts):
        raise DecodeError(
            f"table {name}: its events have no key",
            hint="give the source table a primary key, or leave it out of `tables`",
        )
    return keys.pop() if keys else ()


def _columns(parts: Sequence[Decoded]) -> tuple[TargetColumn, ...]:
    """Join the columns of all versions and shards: the type that came last stands."""
    types = {column.name: column.type for part in parts for column in part.columns}
    return tuple(TargetColumn(name, of) for name, of in types.items())


def _with_all(rows: pl.DataFrame, columns: Sequence[TargetColumn]) -> pl.DataFrame:
    return rows.with_columns(
        (
            pl.col(column.name).cast(column.type.dtype)
            if column.name in rows.columns
            else pl.lit(None, column.type.dtype)
        ).alias(column.name)
        for column in columns
    )


def _empty(columns: Sequence[TargetColumn]) -> pl.DataFrame:
    meta = {
        SEQUENCE: pl.Int64,
        BORN: pl.Boolean,
        **dict(zip(META, (pl.String, pl.Int64, pl.Int64, pl.Boolean), strict=True)),
    }
    return pl.DataFrame(schema={**meta, **{column.name: column.type.dtype for column in columns}})


def _after_truncates(rows: pl.DataFrame, truncates: Iterable[TruncateEvent]) -> pl.DataFrame:
    """Leave out what a truncate has removed: its shard's rows older than itself, whichever partition brought them."""
    for truncate in truncates:
        older = (pl.col(SHARD) == truncate.shard) & (
            (pl.col(LSN) < truncate.lsn) | ((pl.col(LSN) == truncate.lsn) & (pl.col(SEQUENCE) < truncate.sequence))
        )
        rows = rows.filter(~older)
    return rows


def _last_truncates(truncates: Iterable[TruncateEvent]) -> tuple[Truncate, ...]:
    last: dict[str, int] = {}
    for truncate in truncates:
        last[truncate.shard] = max(truncate.lsn, last.get(truncate.shard, 0))
    return tuple(Truncate(shard, lsn) for shard, lsn in sorted(last.items()))


def _net(rows: pl.DataFrame, key: Sequence[str], columns: Sequence[TargetColumn]) -> pl.DataFrame:
    """Keep the last event a shard and key; values it left out come from the events before it."""
    identity = [SHARD, *key]
    masked = [column.name for column in columns if unchanged(column.name) in rows.columns]
    rows = rows.with_columns(pl.col(unchanged(name)).fill_null(value=False) for name in masked)
    if masked:
        rows = _filled(rows, identity, masked)
    net = rows.unique(subset=identity, keep="last", maintain_order=True) if key else rows
    known = [name for name in masked if not net[unchanged(name)].any()]
    return net.drop(SEQUENCE, BORN, *(unchanged(name) for name in known))


def _filled(rows: pl.DataFrame, identity: Sequence[str], masked: Sequence[str]) -> pl.DataFrame:
    """Carry known values forward over events that left them out, within one life of the row."""
    begins = (pl.col(BORN) | pl.col(DELETED)).cast(pl.Int32)
    rows = rows.with_columns(begins.cum_sum().over(identity).alias(_EPOCH)).with_row_index("afflux.row")
    life = [*identity, _EPOCH]
    for name in masked:
        known = pl.when(~pl.col(unchanged(name))).then(pl.col("afflux.row"))
        source = rows.select(known.forward_fill().over(life)).to_series()
        rows = rows.with_columns(
            rows[name].gather(source.fill_null(0)).alias(name), source.is_null().alias(unchanged(name))
        )
    return rows.drop(_EPOCH, "afflux.row")

"""The net effect of a batch: per table, shard and key, what is left of its events. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Sequence

import polars as pl

from afflux.errors import TableError
from afflux.sinks.base import (
    DELETED,
    LSN,
    META,
    MOVED_AT,
    SEQUENCE,
    SHARD,
    TableChanges,
    TableName,
    TargetColumn,
    Truncate,
    unchanged,
)
from afflux.stream.decoder import BORN, DEPARTS, Decoded, TruncateEvent

_LIFE = "afflux.life"
"""Frame column: counts the lives of a key; a life begins with a birth and ends with its delete."""
_ROW = "afflux.row"


def fold(decoded: Iterable[Decoded]) -> tuple[TableChanges, ...]:
    """Fold a batch's events.

    Args:
        decoded: the batch's events, in frames.

    Returns:
        One set of changes a target table, in the tables' order of names.

    Raises:
        TableError: events of one target table disagree on its key, or have none.
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
    rows = _after_truncates(rows.sort(SEQUENCE), truncates)
    identity = [SHARD, *key]
    departs = bool(rows[DEPARTS].any())
    # A key is always there: deletes know nothing else of their rows.
    rows = rows.drop((unchanged(name) for name in key), strict=False)
    others = [column for column in columns if column.name not in key]
    masked = [c.name for c in others if unchanged(c.name) in rows.columns or (departs and c.type.toastable)]
    rows = rows.with_columns(
        pl.lit(None, pl.Int64).alias(MOVED_AT),
        *(_mask(rows, name).fill_null(value=False).alias(unchanged(name)) for name in masked),
    )
    departed = None
    if masked:
        rows = _resolved(rows, identity, masked)
        departed = _departed(rows, masked)
    net = rows.unique(subset=identity, keep="last", maintain_order=True) if key else rows
    departing = pl.when(pl.col(DEPARTS)).then(LSN)
    net = net.with_columns(pl.when(DELETED).then(departing).otherwise(MOVED_AT).alias(MOVED_AT))
    with_shard = any(part.with_shard for part in parts)
    return TableChanges(name, columns, key, _plain(net, masked), _last_truncates(truncates), departed, with_shard)


def _key(name: TableName, parts: Sequence[Decoded]) -> tuple[str, ...]:
    keys = {part.key for part in parts if part.key}
    if len(keys) > 1:
        first, second = sorted(keys)[:2]
        raise TableError(
            f"table {name}: events with the key {first} and events with the key {second}",
            table=str(name),
            hint="a primary key that changes, or differs between shards, can't be applied: make them one",
        )
    if any(part.rows.height and not part.key for part in parts):
        raise TableError(
            f"table {name}: its events have no key",
            table=str(name),
            hint="give the source table a primary key, or leave it out of `tables`",
        )
    return keys.pop() if keys else ()


def _columns(parts: Sequence[Decoded]) -> tuple[TargetColumn, ...]:
    """Join the columns of all versions and shards: the type that came last stands."""
    types = {column.name: column.type for part in parts for column in part.columns}
    return tuple(TargetColumn(name, of) for name, of in types.items())


def _with_all(rows: pl.DataFrame, columns: Sequence[TargetColumn]) -> pl.DataFrame:
    return rows.with_columns(
        pl.col(c.name).cast(c.type.dtype) if c.name in rows.columns else pl.lit(None, c.type.dtype).alias(c.name)
        for c in columns
    )


def _empty(columns: Sequence[TargetColumn]) -> pl.DataFrame:
    meta = dict(zip(META, (pl.String, pl.Int64, pl.Int64, pl.Boolean), strict=True))
    flags = {SEQUENCE: pl.Int64, BORN: pl.Boolean, DEPARTS: pl.Boolean}
    return pl.DataFrame(schema={**flags, **meta, **{column.name: column.type.dtype for column in columns}})


def _after_truncates(rows: pl.DataFrame, truncates: Iterable[TruncateEvent]) -> pl.DataFrame:
    """Leave out what a truncate has removed: its shard's rows older than itself, whichever partition brought them."""
    for truncate in truncates:
        older = (pl.col(SHARD) == truncate.shard) & (
            (pl.col(LSN) < truncate.lsn) | ((pl.col(LSN) == truncate.lsn) & (pl.col(SEQUENCE) < truncate.sequence))
        )
        rows = rows.filter(~older)
    return rows


def _last_truncates(truncates: Iterable[TruncateEvent]) -> tuple[Truncate, ...]:
    last: dict[str, TruncateEvent] = {}
    for truncate in sorted(truncates, key=lambda truncate: truncate.lsn):
        last[truncate.shard] = truncate
    return tuple(Truncate(event.shard, event.lsn, event.topic) for _, event in sorted(last.items()))


def _plain(rows: pl.DataFrame, masked: Sequence[str]) -> pl.DataFrame:
    """Leave out what only folding needs, and masks that mask nothing."""
    idle = [unchanged(name) for name in masked if not rows[unchanged(name)].any()]
    return rows.drop(BORN, DEPARTS, *idle, *(name for name in (_LIFE,) if name in rows.columns))


# --- values that events leave out -----------------------------------------------------------------


def _mask(rows: pl.DataFrame, name: str) -> pl.Expr:
    return pl.col(unchanged(name)) if unchanged(name) in rows.columns else pl.lit(value=False)


def _resolved(rows: pl.DataFrame, identity: Sequence[str], masked: Sequence[str]) -> pl.DataFrame:
    """Give rows the values that the batch's earlier events know of them.

    Within a life of a row, values are carried forward. A row that is born without some values has come
    from another key: the delete of its old key, which shares its LSN, knows what is known of them.
    """
    deletes = pl.col(DELETED).cast(pl.Int32)
    ends = deletes.cum_sum().over(identity) - deletes
    births = pl.col(BORN).cast(pl.Int32).cum_sum().over(identity)
    rows = rows.with_columns(
        (ends + births).alias(_LIFE),
        # What a delete says of its row besides the key is made up (Debezium, observed): it knows nothing.
        *((pl.col(unchanged(name)) | pl.col(DELETED)).alias(unchanged(name)) for name in masked),
    )
    rows = _carried(rows, identity, masked)
    arrived = pl.col(BORN) & pl.any_horizontal(unchanged(name) for name in masked)
    unknown = rows.filter(arrived)
    while unknown.height:  # a row that changed its key n times in the batch is known after n rounds
        rows = _carried(_arrived(rows, arrived, masked), identity, masked)
        before, unknown = unknown, rows.filter(arrived)
        if unknown.select(SEQUENCE, MOVED_AT).equals(before.select(SEQUENCE, MOVED_AT)):
            break
    return rows


def _arrived(rows: pl.DataFrame, arrived: pl.Expr, masked: Sequence[str]) -> pl.DataFrame:
    """Give rows born without some values what the deletes of their old keys know of them."""
    names = [*masked, *(unchanged(name) for name in masked), MOVED_AT]
    old = rows.filter(DEPARTS).select(SHARD, LSN, *(pl.col(n).alias(f"old.{n}") for n in names))
    both = rows.join(old.unique([SHARD, LSN]), on=[SHARD, LSN], how="left", maintain_order="left")
    learnt = {n: pl.col(BORN) & pl.col(unchanged(n)) & ~pl.col(f"old.{unchanged(n)}") for n in masked}
    learnt = {n: condition.fill_null(value=False) for n, condition in learnt.items()}
    from_there = pl.coalesce(f"old.{MOVED_AT}", LSN)
    return both.with_columns(
        pl.when(arrived).then(from_there).otherwise(MOVED_AT).alias(MOVED_AT),
        *(pl.when(c).then(pl.col(f"old.{n}")).otherwise(n).alias(n) for n, c in learnt.items()),
        *(pl.col(unchanged(n)) & ~c for n, c in learnt.items()),
    ).drop(f"old.{n}" for n in names)


def _carried(rows: pl.DataFrame, identity: Sequence[str], masked: Sequence[str]) -> pl.DataFrame:
    """Carry known values, and where unknown ones are to be found, forward within each life."""
    rows = rows.with_row_index(_ROW)
    life = [*identity, _LIFE]
    for name in masked:
        known = pl.when(~pl.col(unchanged(name))).then(pl.col(_ROW))
        source = rows.select(known.forward_fill().over(life)).to_series()
        rows = rows.with_columns(
            rows[name].gather(source.fill_null(0)).alias(name), source.is_null().alias(unchanged(name))
        )
    # A life's first row says where it came from; what the others had from an earlier round was not the last word.
    return rows.with_columns(pl.col(MOVED_AT).first().over(life)).drop(_ROW)


def _departed(rows: pl.DataFrame, masked: Sequence[str]) -> pl.DataFrame | None:
    """Choose the rows whose values the other half of a key change, in another batch or unresolved, will want."""
    if not rows[DEPARTS].any():
        return None
    unknown = pl.any_horizontal(unchanged(name) for name in masked)
    arrived = rows.filter(BORN).select(SHARD, LSN, wants=unknown).unique([SHARD, LSN])
    halves = rows.filter(DEPARTS).join(arrived, on=[SHARD, LSN], how="left", maintain_order="left")
    # Of a row that is itself still unresolved, the other half in this batch has taken its place.
    wanted = halves.filter(pl.col("wants").is_null() | (pl.col("wants") & pl.col(MOVED_AT).is_null()))
    return _plain(wanted.drop("wants"), masked) if wanted.height else None

"""What a batch does to each table: the net effect by shard and key, or every event where the table keeps them. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Sequence

import polars as pl

from afflux.errors import TableError
from afflux.sinks.batch import (
    DELETED,
    LINEAGE,
    LSN,
    META,
    MOVED_AT,
    SEQUENCE,
    SHARD,
    SOURCE_TS,
    Keeping,
    Mode,
    TableChanges,
    TableName,
    TargetColumn,
    Truncate,
    unchanged,
)
from afflux.stream.decoded import BORN, DEPARTS, Decoded, TruncateEvent

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
    keeping = parts[0].keeping
    key = () if keeping.mode is Mode.APPEND else _key(name, parts)
    columns = _columns(parts)
    truncates = [event for part in parts for event in part.truncates]
    frames = [_with_all(part.rows, columns) for part in parts if part.rows.height]
    rows = pl.concat(frames, how="diagonal") if frames else _empty(columns, keeping)
    # Of the two halves of one event the delete comes first.
    rows = rows.sort([SEQUENCE, DELETED], descending=[False, True])
    # A key is always there: deletes know nothing else of their rows.
    rows = rows.drop((unchanged(name) for name in key), strict=False).with_columns(
        pl.lit(None, pl.Int64).alias(MOVED_AT)
    )
    with_shard = any(part.with_shard for part in parts)
    if keeping.mode is Mode.APPEND:
        masked = _masked(rows, columns)
        said = _with_truncates(_with_masks(rows, masked), truncates, masked)
        return TableChanges(name, columns, key, said, keeping=keeping)
    if not (keeping.soft or keeping.mode is Mode.HISTORY):
        rows = _after_truncates(rows, truncates)
    masked = _may_be_unknown(rows, columns, key, keeping)
    rows = _with_masks(rows, masked)
    departed = None
    if masked:
        rows = _resolved(rows, [SHARD, *key], masked)
        departed = _departed(rows, masked)
    if keeping.mode is Mode.HISTORY:
        rows = _with_truncates(_ended(rows, masked), truncates, masked)
    elif key:
        rows = rows.unique(subset=[SHARD, *key], keep="last", maintain_order=True)
    if keeping.soft:
        rows = _marked(rows, truncates)
    first = _in_order(truncates)
    kept = first if keeping.soft or keeping.mode is Mode.HISTORY else _last(first)
    return TableChanges(name, columns, key, _plain(rows, masked), kept, departed, with_shard, keeping=keeping)


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
            hint="declare its `key`, let it be `mode: append`, or give the source table a primary key",
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


def _empty(columns: Sequence[TargetColumn], keeping: Keeping) -> pl.DataFrame:
    schema = {SEQUENCE: pl.Int64, BORN: pl.Boolean, DEPARTS: pl.Boolean, **_META_TYPES}
    lineage = _LINEAGE_TYPES if keeping.traced else {}
    return pl.DataFrame(schema={**schema, **{column.name: column.type.dtype for column in columns}, **lineage})


_META_TYPES = dict(zip(META, (pl.String, pl.Int64, pl.Int64, pl.Boolean), strict=True))
_LINEAGE_TYPES = dict(zip(LINEAGE, (pl.String, pl.String, pl.Int32, pl.Int64, pl.Int64), strict=True))


def _after_truncates(rows: pl.DataFrame, truncates: Iterable[TruncateEvent]) -> pl.DataFrame:
    """Leave out what a truncate has removed."""
    for truncate in truncates:
        rows = rows.filter(~_is_removed(truncate))
    return rows


def _marked(rows: pl.DataFrame, truncates: Sequence[TruncateEvent]) -> pl.DataFrame:
    """Mark rows as deleted by the first truncate that has removed them; they stay."""
    for event in sorted(truncates, key=lambda event: (event.lsn, event.sequence)):
        said: dict[str, object] = {DELETED: True, LSN: event.lsn, SOURCE_TS: event.source_ts, **_lineage(event)}
        removed = _is_removed(event) & ~pl.col(DELETED)
        rows = rows.with_columns(
            pl.when(removed).then(pl.lit(value, rows.schema[name])).otherwise(pl.col(name)).alias(name)
            for name, value in said.items()
            if name in rows.columns
        )
    return rows


def _is_removed(truncate: TruncateEvent) -> pl.Expr:
    """Whether a truncate has removed a row: its shard's and older than itself, whichever partition brought it."""
    return (pl.col(SHARD) == truncate.shard) & (
        (pl.col(LSN) < truncate.lsn) | ((pl.col(LSN) == truncate.lsn) & (pl.col(SEQUENCE) < truncate.sequence))
    )


def _lineage(event: TruncateEvent) -> dict[str, object]:
    place = ("t", event.topic, event.partition, event.offset, event.transaction)
    return dict(zip(LINEAGE, place, strict=True))


def _in_order(truncates: Iterable[TruncateEvent]) -> tuple[Truncate, ...]:
    return tuple(
        Truncate(
            event.shard,
            event.lsn,
            event.topic,
            source_ts=event.source_ts,
            partition=event.partition,
            offset=event.offset,
            transaction=event.transaction,
        )
        for event in sorted(truncates, key=lambda event: (event.lsn, event.sequence))
    )


def _last(truncates: Iterable[Truncate]) -> tuple[Truncate, ...]:
    """Choose the last truncate of each shard: where rows go, it says all."""
    last = {truncate.shard: truncate for truncate in truncates}
    return tuple(truncate for _, truncate in sorted(last.items()))


def _with_truncates(rows: pl.DataFrame, truncates: Sequence[TruncateEvent], masked: Sequence[str]) -> pl.DataFrame:
    """Put truncates among the rows, as events without key and values."""
    events = [
        {
            SEQUENCE: event.sequence,
            SHARD: event.shard,
            LSN: event.lsn,
            SOURCE_TS: event.source_ts,
            DELETED: True,
            BORN: False,
            DEPARTS: False,
            **_lineage(event),
            **{unchanged(name): False for name in masked},
        }
        for event in truncates
    ]
    if not events:
        return _plain(rows, masked)
    schema = {name: of for name, of in rows.schema.items() if name in events[0]}
    among = pl.concat([rows, pl.DataFrame(events, schema=schema)], how="diagonal")
    return _plain(among.sort([SEQUENCE, DELETED], descending=[False, True]), masked)


def _ended(rows: pl.DataFrame, masked: Sequence[str]) -> pl.DataFrame:
    """Let deletes want no values."""
    return rows.with_columns((pl.col(unchanged(name)) & ~pl.col(DELETED)).alias(unchanged(name)) for name in masked)


def _plain(rows: pl.DataFrame, masked: Sequence[str]) -> pl.DataFrame:
    """Leave out what only folding needs, and masks that mask nothing."""
    idle = [unchanged(name) for name in masked if unchanged(name) in rows.columns and not rows[unchanged(name)].any()]
    return rows.drop(*idle, *(name for name in (BORN, DEPARTS, _LIFE) if name in rows.columns))


# --- values that events leave out -----------------------------------------------------------------


def _masked(rows: pl.DataFrame, columns: Sequence[TargetColumn]) -> list[str]:
    """Name the columns that some event has left out."""
    return [column.name for column in columns if unchanged(column.name) in rows.columns]


def _may_be_unknown(
    rows: pl.DataFrame, columns: Sequence[TargetColumn], key: Sequence[str], keeping: Keeping
) -> list[str]:
    """Name the columns whose values may have to be looked for.

    A row that changes its key says nothing of large values; one that stays when it is deleted, of none.
    """
    departs = bool(rows[DEPARTS].any())
    marked = keeping.soft and bool(rows[DELETED].any())
    others = [column for column in columns if column.name not in key]
    left_out = set(_masked(rows, columns))
    return [c.name for c in others if c.name in left_out or marked or (departs and c.type.toastable)]


def _with_masks(rows: pl.DataFrame, masked: Sequence[str]) -> pl.DataFrame:
    there = {
        name: pl.col(unchanged(name)) if unchanged(name) in rows.columns else pl.lit(value=False) for name in masked
    }
    return rows.with_columns(mask.fill_null(value=False).alias(unchanged(name)) for name, mask in there.items())


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

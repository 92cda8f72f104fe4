"""Parts of statements as delta-rs reads them."""

from collections.abc import Callable

import polars as pl

from afflux.sinks.batch import DELETED, LSN, SHARD, SOURCE_TS
from afflux.sinks.reference.columns import CURRENT, DELETED_AT, SYNCED_AT, VALID_FROM, VALID_TO
from afflux.sinks.reference.sweeps import Sweep, Value

Quote = Callable[[str], str]
"""Writes a column's name for a statement."""

_TIMES = frozenset({SOURCE_TS, DELETED_AT})


def wanted(sweep: Sweep, quote: Quote) -> str:
    """Write the condition for the rows of the table, which is called `t`, that a sweep concerns."""
    older = f"t.{quote(SHARD)} = {literal(sweep.shard)} AND t.{quote(LSN)} < {sweep.lsn}"
    if sweep.at is not None:
        return f"{older} AND t.{quote(CURRENT)}"
    return f"{older} AND NOT t.{quote(DELETED)}" if sweep.sets else older


def updates(sweep: Sweep, quote: Quote) -> dict[str, str]:
    """Write what they get; empty where they go."""
    values = {quote(name): literal(value, time=name in _TIMES) for name, value in sweep.sets}
    if sweep.at is not None:
        at, since = literal(sweep.at, time=True), f"t.{quote(VALID_FROM)}"
        values[quote(VALID_TO)] = f"CASE WHEN {since} > {at} THEN {since} ELSE {at} END"
    return values | ({quote(SYNCED_AT): "now()"} if values else {})


def literal(value: Value, *, time: bool = False) -> str:
    """Write a value."""
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return f"arrow_cast({value}, 'Timestamp(Microsecond, Some(\"UTC\"))')" if time else str(value)
    return "'" + value.replace("'", "''") + "'"


def literals(values: pl.Series) -> tuple[str, ...] | None:
    """Write a column's values; None where that is not done for its type. Nulls are left out."""
    distinct = values.drop_nulls().unique()
    match values.dtype:
        case pl.String() | pl.Boolean() | pl.Int16() | pl.Int32() | pl.Int64():
            return tuple(literal(value) for value in distinct)
        case pl.Date():
            return tuple(f"arrow_cast('{value}', 'Date32')" for value in distinct)
    return None

"""SQLite: a warehouse in one file, for one writer at a time and any number of readers beside it."""

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl
import sqlalchemy as sa
from sqlalchemy.types import TypeEngine

from afflux.sinks.sql.dialects.declared import Declared
from afflux.sinks.sql.dialects.dialect import Dialect, Widening
from afflux.sinks.sql.dialects.wire import TEXT

_PATIENCE_SECONDS = 30
_NAN = "NaN"


class Sqlite(Dialect):
    """See `Dialect`. Numbers are 64 bits here, and nothing else but text and bytes is: all other types are texts.

    Times have one width, so that their order is that of their texts.
    """

    driver = "Python itself"
    schemas = False

    def engine(self, url: sa.URL) -> sa.Engine:
        """See `Dialect.engine`."""
        engine = sa.create_engine(url, poolclass=sa.NullPool, connect_args={"timeout": _PATIENCE_SECONDS})

        @sa.event.listens_for(engine, "connect")
        def _(connection: object, _record: object) -> None:
            connection.isolation_level = None  # type: ignore[attr-defined]  # sqlite3's: no BEGIN of its own
            connection.execute("PRAGMA journal_mode = WAL")  # type: ignore[attr-defined]  # readers go on beside the writer
            connection.execute("PRAGMA synchronous = FULL")  # type: ignore[attr-defined]  # what is committed is on the disk

        @sa.event.listens_for(engine, "begin")
        def _(connection: sa.Connection) -> None:
            connection.exec_driver_sql("BEGIN")

        return engine

    def wire(self, of: pl.DataType) -> pl.DataType:
        """See `Dialect.wire`."""
        return _WIRE.get(type(of), of)

    def declared(self, of: pl.DataType, key_texts: int = 0) -> TypeEngine[Any]:
        """See `Dialect.declared`."""
        del key_texts
        return _DECLARED[type(of)]

    def held(self, values: pl.Series, key_texts: int = 0) -> pl.Series:
        """See `Dialect.held`: everything has a place."""
        del key_texts
        return values

    def delete(self, table: sa.Table, staged: sa.Table, met: sa.ColumnElement[bool]) -> sa.Delete:
        """See `Dialect.delete`: by their numbers, for there is no DELETE that joins."""
        number: sa.ColumnClause[Any] = sa.column("rowid", _selectable=table)
        found = sa.select(number).select_from(staged.join(table, met)).correlate(None)
        return sa.delete(table).where(sa.column("rowid").in_(found))

    def load(self, connection: sa.Connection, table: sa.Table, frame: pl.DataFrame) -> None:
        """See `Dialect.load`; what is no number is the text NaN, for SQLite has no such number."""
        if not frame.height:
            return
        floats = [n for n, column in enumerate(frame) if column.dtype.is_float() and column.is_nan().any()]
        rows = frame.rows()
        if floats:
            rows = [tuple(_told(v) if n in floats else v for n, v in enumerate(row)) for row in rows]
        places = ", ".join("?" * frame.width)
        name = connection.dialect.identifier_preparer.format_table(table)
        connection.exec_driver_sql(f"INSERT INTO {name} VALUES ({places})", rows)  # noqa: S608 - names are quoted

    def series(self, name: str, values: Sequence[object], wire: pl.DataType) -> pl.Series:
        """See `Dialect.series`."""
        if wire.is_float():
            values = [float("nan") if value == _NAN else value for value in values]
        return pl.Series(name, values, dtype=wire, strict=not wire.is_float())

    def widen(self, connection: sa.Connection, table: sa.Table, column: Widening) -> None:
        """See `Dialect.widen`: the column's declaration stays, and its values get the new type's form."""
        at, of, to = table.c[column.name], column.of, column.to
        if isinstance(to, pl.Decimal):
            scale = of.scale if isinstance(of, pl.Decimal) else 0
            more = ("" if scale or not to.scale else ".") + "0" * (to.scale - scale)
            connection.execute(sa.update(table).values({at: sa.cast(at, sa.Text).concat(more)}).where(at.is_not(None)))
        elif to == TEXT:
            connection.execute(sa.update(table).values({at: sa.cast(at, sa.Text)}).where(at.is_not(None)))

    def is_busy(self, error: sa.exc.DBAPIError) -> bool:
        """See `Dialect.is_busy`."""
        return "locked" in str(error.orig)


def _told(value: object) -> object:
    return _NAN if value != value else value  # noqa: PLR0124 - so one knows what is no number


_WIRE: Mapping[type[pl.DataType], pl.DataType] = {
    pl.Boolean: pl.Int8(),
    pl.Decimal: TEXT,
    pl.Date: TEXT,
    pl.Datetime: TEXT,
    pl.List: TEXT,
    pl.Float32: pl.Float64(),
}
_DECLARED: Mapping[type[pl.DataType], TypeEngine[Any]] = {
    pl.Boolean: Declared("BOOLEAN"),
    pl.Int16: Declared("SMALLINT"),
    pl.Int32: Declared("INTEGER"),
    pl.Int64: Declared("BIGINT"),
    pl.Float32: Declared("REAL"),
    pl.Float64: Declared("REAL"),
    pl.Decimal: Declared("TEXT"),
    pl.String: Declared("TEXT"),
    pl.Binary: Declared("BLOB"),
    pl.Date: Declared("TEXT"),
    pl.Datetime: Declared("TEXT"),
    pl.List: Declared("TEXT"),
}

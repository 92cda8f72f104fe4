"""DuckDB: a warehouse in one file, by columns, for one process at a time: each batch opens it and lets go of it."""

from collections.abc import Iterator, Mapping
from typing import Any

import polars as pl
import sqlalchemy as sa
from sqlalchemy.types import TypeEngine

from afflux.sinks.batch import TargetColumn
from afflux.sinks.sql.dialects.declared import Declared
from afflux.sinks.sql.dialects.dialect import Dialect, Widening
from afflux.types.exact import exact_type

_FRAME = "afflux_frame"


class DuckDb(Dialect):
    """See `Dialect`. Frames come and go as Arrow; tables have no keys, for their indexes cost more than they give here."""

    driver = "duckdb-engine"
    keys = False
    lists = True

    def exact(self, column: TargetColumn, key: Any) -> pl.DataType:
        """See `Dialect.exact`."""
        found = exact_type(column.type)
        return pl.String() if isinstance(found, pl.List) and column.name in key else found

    def wire(self, of: pl.DataType) -> pl.DataType:
        """See `Dialect.wire`."""
        return of

    def declared(self, of: pl.DataType, key_texts: int = 0) -> TypeEngine[Any]:
        """See `Dialect.declared`."""
        del key_texts
        return Declared(_words(of))

    def held(self, values: pl.Series, key_texts: int = 0) -> pl.Series:
        """See `Dialect.held`: everything has a place."""
        del key_texts
        return values

    def begin(self, connection: sa.Connection) -> None:
        """See `Dialect.begin`."""
        connection.exec_driver_sql("SET TimeZone = 'UTC'")

    def stage(self, connection: sa.Connection, frame: pl.DataFrame, types: Mapping[str, TypeEngine[Any]]) -> sa.Table:
        """See `Dialect.stage`."""
        made = super().stage(connection, frame.clear(), types)
        self.load(connection, made, frame)
        return made

    def load(self, connection: sa.Connection, table: sa.Table, frame: pl.DataFrame) -> None:
        """See `Dialect.load`."""
        if frame.height:
            raw = _raw(connection)
            raw.register(_FRAME, frame.to_arrow(compat_level=pl.CompatLevel.oldest()))
            name = connection.dialect.identifier_preparer.format_table(table)
            raw.execute(f"INSERT INTO {name} SELECT * FROM {_FRAME}").fetchall()  # noqa: S608 - names are quoted
            raw.unregister(_FRAME)

    def read(
        self,
        connection: sa.Connection,
        query: "sa.Select[*tuple[Any, ...]]",
        types: Mapping[str, pl.DataType],
        rows: int,
    ) -> Iterator[pl.DataFrame]:
        """See `Dialect.read`."""
        raw = _raw(connection)
        asked: Any = query.compile(dialect=connection.dialect)
        values = [asked.params[name] for name in asked.positiontup]
        for batch in raw.sql(str(asked), params=values).to_arrow_reader(rows):
            frame = pl.DataFrame(batch)
            yield pl.DataFrame(frame.to_series(n).alias(name).cast(of) for n, (name, of) in enumerate(types.items()))

    def widen(self, connection: sa.Connection, table: sa.Table, column: Widening) -> None:
        """See `Dialect.widen`."""
        preparer = connection.dialect.identifier_preparer
        name, quoted = preparer.format_table(table), preparer.quote(column.name)
        connection.exec_driver_sql(f"ALTER TABLE {name} ALTER COLUMN {quoted} TYPE {_words(column.to)}")

    def is_busy(self, error: sa.exc.DBAPIError) -> bool:
        """See `Dialect.is_busy`: another process has the file, or another connection has changed the same rows."""
        text = str(error.orig)
        return "onflict" in text or "Could not set lock" in text


def _raw(connection: sa.Connection) -> Any:
    """Give DuckDB's own connection, with no result pending: duckdb-engine closes none, and DuckDB 2 minds (observed on 2.0)."""
    raw: Any = connection.connection.driver_connection
    if hasattr(raw, "complete"):
        raw.complete()
    return raw


def _words(of: pl.DataType) -> str:
    match of:
        case pl.List():
            return f"{_words(of.inner)}[]"  # type: ignore[arg-type]  # it is made with a type
        case pl.Decimal():
            return f"DECIMAL({of.precision}, {of.scale})"
        case pl.Datetime():
            return "TIMESTAMPTZ" if of.time_zone else "TIMESTAMP"
    return _WORDS[type(of)]


_WORDS: Mapping[type[pl.DataType], str] = {
    pl.Boolean: "BOOLEAN",
    pl.Int8: "TINYINT",
    pl.Int16: "SMALLINT",
    pl.Int32: "INTEGER",
    pl.Int64: "BIGINT",
    pl.Float32: "FLOAT",
    pl.Float64: "DOUBLE",
    pl.String: "VARCHAR",
    pl.Binary: "BLOB",
    pl.Date: "DATE",
}

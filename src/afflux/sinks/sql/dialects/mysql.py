"""MariaDB and MySQL."""

import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl
import sqlalchemy as sa
from sqlalchemy.types import TypeEngine

from afflux.sinks.sql.dialects.declared import Declared
from afflux.sinks.sql.dialects.dialect import Dialect, Widening
from afflux.types.exact import INSTANT, TIMESTAMP

_KEY_BYTES = 3072
_OTHER_KEY_BYTES = 512
"""What numbers and the like in a key may take of that."""
_KEY_BINARY = 255
"""How many bytes a value of bytes in a key may have."""
_LEAST_ROWS = 500
"""From so many rows on a file is quicker than statements."""
_BUSY = frozenset({1205, 1213})
"""Lock wait timeout, and deadlock."""
_REFUSALS = frozenset({1644, 3819, 4025})
"""SIGNAL of a trigger, and CHECK in MySQL and in MariaDB: operational errors to the driver (observed of 4025)."""


class Mysql(Dialect):
    """See `Dialect`. A schema is a database here: tables are in the one that the address names.

    Every statement that makes or changes a table commits: so they run before a batch's transaction, never in it.
    """

    driver = "pymysql"
    schemas = False
    key_bytes = _KEY_BYTES - _OTHER_KEY_BYTES

    def __init__(self) -> None:
        self._collation = ""
        self._takes_files = False

    def engine(self, url: sa.URL) -> sa.Engine:
        """See `Dialect.engine`."""
        arguments: dict[str, Any] = {"local_infile": True, "charset": "utf8mb4"} if "pymysql" in url.drivername else {}
        return sa.create_engine(url, poolclass=sa.NullPool, connect_args=arguments, isolation_level="READ COMMITTED")

    def begin(self, connection: sa.Connection) -> None:
        """See `Dialect.begin`."""
        is_mariadb = getattr(connection.dialect, "is_mariadb", False)
        self._collation = f"CHARACTER SET utf8mb4 COLLATE {'utf8mb4_nopad_bin' if is_mariadb else 'utf8mb4_0900_bin'}"
        strict = "STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION,NO_ZERO_DATE,NO_ZERO_IN_DATE,ERROR_FOR_DIVISION_BY_ZERO"
        connection.exec_driver_sql(f"SET SESSION sql_mode = '{strict}', time_zone = '+00:00'")
        self._takes_files = bool(connection.exec_driver_sql("SELECT @@GLOBAL.local_infile").scalar())

    def wire(self, of: pl.DataType) -> pl.DataType:
        """See `Dialect.wire`."""
        match of:
            case pl.Boolean():
                return pl.Int8()
            case pl.Float32():
                return pl.Float64()
            case pl.List():
                return pl.String()
        return TIMESTAMP if of == INSTANT else of

    def declared(self, of: pl.DataType, key_texts: int = 0) -> TypeEngine[Any]:
        """See `Dialect.declared`; no collation but a binary one without padding tells texts apart as PostgreSQL does."""
        match of:
            case pl.Decimal():
                return Declared(f"DECIMAL({of.precision}, {of.scale})")
            case pl.String() if key_texts:
                return Declared(f"VARCHAR({self.key_length(key_texts)}) {self._collation}")
            case pl.Binary() if key_texts:
                return Declared(f"VARBINARY({_KEY_BINARY})")
            case pl.String() | pl.List():
                return Declared(f"LONGTEXT {self._collation}")
        return _DECLARED[type(of)]

    def key_length(self, key_texts: int) -> int:
        """See `Dialect.key_length`."""
        return min(500, self.key_bytes // 4 // key_texts)

    def held(self, values: pl.Series, key_texts: int = 0) -> pl.Series:
        """See `Dialect.held`."""
        if key_texts and values.dtype == pl.Binary:
            return values.set((values.bin.size() > _KEY_BINARY).fill_null(value=False), None)
        return super().held(values, key_texts)

    def drop(self, connection: sa.Connection, table: sa.Table) -> None:
        """See `Dialect.drop`: a plain DROP TABLE would end the transaction."""
        name = connection.dialect.identifier_preparer.format_table(table)
        connection.exec_driver_sql(f"DROP TEMPORARY TABLE {name}")

    def load(self, connection: sa.Connection, table: sa.Table, frame: pl.DataFrame) -> None:
        """See `Dialect.load`: from a file of this machine, which LOAD DATA LOCAL sends where the server takes one."""
        if frame.height < _LEAST_ROWS or "pymysql" not in connection.dialect.driver or not self._takes_files:
            super().load(connection, table, frame)
            return
        preparer = connection.dialect.identifier_preparer
        lines = frame.select(pl.concat_str([_field(column) for column in frame], separator="\t")).to_series()
        names = [preparer.quote(column) for column in frame.columns]
        bytes_ = {names[n]: f"@b{n}" for n, column in enumerate(frame) if column.dtype == pl.Binary}
        sets = ", ".join(f"{name} = UNHEX({variable})" for name, variable in bytes_.items())
        handle, path = tempfile.mkstemp(prefix="afflux-", suffix=".tsv")
        os.close(handle)
        try:
            lines.to_frame("line").write_csv(path, include_header=False, quote_style="never")
            connection.exec_driver_sql(
                f"LOAD DATA LOCAL INFILE '{path}' INTO TABLE {preparer.format_table(table)} CHARACTER SET utf8mb4 "
                r"FIELDS TERMINATED BY '\t' ESCAPED BY '\\' LINES TERMINATED BY '\n' "
                f"({', '.join(bytes_.get(name, name) for name in names)})" + (f" SET {sets}" if sets else "")
            )
        finally:
            Path(path).unlink()

    def series(self, name: str, values: Sequence[object], wire: pl.DataType) -> pl.Series:
        """See `Dialect.series`."""
        return pl.Series(name, values, dtype=wire, strict=False)

    def widen(self, connection: sa.Connection, table: sa.Table, column: Widening) -> None:
        """See `Dialect.widen`."""
        preparer = connection.dialect.identifier_preparer
        words = self.declared(column.to, column.key_texts).compile(connection.dialect)
        null = " NOT NULL" if column.key_texts else ""
        connection.exec_driver_sql(
            f"ALTER TABLE {preparer.format_table(table)} MODIFY COLUMN {preparer.quote(column.name)} {words}{null}"
        )

    def is_busy(self, error: sa.exc.DBAPIError) -> bool:
        """See `Dialect.is_busy`."""
        return bool(error.orig and error.orig.args and error.orig.args[0] in _BUSY)

    def is_refusal(self, error: sa.exc.DBAPIError) -> bool:
        """See `Dialect.is_refusal`."""
        told = error.orig.args[0] if error.orig and error.orig.args else None
        return told in _REFUSALS or super().is_refusal(error)


def _field(values: pl.Series) -> pl.Expr:
    """Write a column's values as LOAD DATA reads them."""
    column = pl.col(values.name)
    match values.dtype:
        case pl.Binary():
            text = column.bin.encode("hex")
        case pl.Datetime():
            text = column.dt.strftime("%Y-%m-%d %H:%M:%S%.6f")
        case pl.Date():
            text = column.dt.strftime("%Y-%m-%d")
        case pl.String():
            text = column
            for plain, escaped in (("\\", "\\\\"), ("\n", "\\n"), ("\r", "\\r"), ("\t", "\\t")):
                text = text.str.replace_all(plain, escaped, literal=True)
        case _:
            text = column.cast(pl.String)
    return text.fill_null("\\N")


_DECLARED: Mapping[type[pl.DataType], TypeEngine[Any]] = {
    pl.Boolean: Declared("BOOLEAN"),
    pl.Int16: Declared("SMALLINT"),
    pl.Int32: Declared("INTEGER"),
    pl.Int64: Declared("BIGINT"),
    pl.Float32: Declared("DOUBLE"),
    pl.Float64: Declared("DOUBLE"),
    pl.Binary: Declared("LONGBLOB"),
    pl.Date: Declared("DATE"),
    pl.Datetime: Declared("DATETIME(6)"),
}

"""Rows of a table replaced by a frame's: the one way in which whole rows are written."""

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import polars as pl
import sqlalchemy as sa
from sqlalchemy.types import TypeEngine

from afflux.sinks.sql.dialects.dialect import Dialect


@contextmanager
def staged(
    connection: sa.Connection, dialect: Dialect, frame: pl.DataFrame, types: Mapping[str, TypeEngine[Any]]
) -> Iterator[sa.Table]:
    """Have a frame of exact types in a temporary table.

    Args:
        connection: in a transaction.
        dialect: the database's.
        frame: whose columns are those of `types`.
        types: in the database.
    """
    table = dialect.stage(connection, dialect.forms(frame.select(*types)), types)
    yield table
    dialect.drop(connection, table)


def same(table: sa.Table, staged: sa.Table, columns: Mapping[str, str]) -> sa.ColumnElement[bool]:
    """Give the condition that a row of a table is meant by one that is staged; columns of the one by those of the other."""
    return sa.and_(*(table.c[mine] == staged.c[theirs] for mine, theirs in columns.items()))


def replace_rows(
    connection: sa.Connection, dialect: Dialect, table: sa.Table, key: Collection[str], frame: pl.DataFrame
) -> None:
    """Put a frame's rows in the place of those of a table that have the same keys."""
    types = {column.name: column.type for column in table.columns}
    with staged(connection, dialect, frame, types) as rows:
        met = same(table, rows, {name: name for name in key})
        connection.execute(dialect.delete(table, rows, met))
        connection.execute(sa.insert(table).from_select(list(types), sa.select(*(rows.c[name] for name in types))))

"""A database's tables for readers: one of them, as it is, in one transaction."""

from collections.abc import Iterator
from contextlib import contextmanager

from afflux.sinks.batch import TableName
from afflux.sinks.reference.columns import Names
from afflux.sinks.sql.dialects.database import Database
from afflux.sinks.sql.dialects.tables import Tables
from afflux.sinks.sql.dialects.target import Target
from afflux.topology.sinks import MetaColumns


@contextmanager
def opened(url: str, table: TableName, meta: MetaColumns | None = None, sink: str = "") -> Iterator[Target | None]:
    """Open a target table for reading; None where there is none.

    Args:
        url: of the database, secrets resolved.
        table: the target table.
        meta: what the columns of afflux's own are called.
        sink: the sink's name, for messages.

    Raises:
        SinkError: the database can't be read.
    """
    database = Database(url, sink)
    tables = Tables(database, Names(meta or MetaColumns()), ("", ""))
    try:
        with database.reading(f"read table {table}") as connection:
            there = database.has(connection, database.layout.tables)
            if there:
                tables.all(connection)
            yield tables.target(connection, "", table) if there else None
    finally:
        database.close()

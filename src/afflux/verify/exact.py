"""Reads of one consistent snapshot, in which equal values have equal text whatever a server's own settings are."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg import sql

SETTINGS = {
    "timezone": "UTC",
    "datestyle": "ISO, YMD",
    "intervalstyle": "postgres",
    "extra_float_digits": "1",  # the shortest text that reads back as the same number
    "bytea_output": "hex",
    "client_encoding": "UTF8",
    "search_path": "pg_catalog",  # nobody's own function or operator stands in for PostgreSQL's
}
"""What a value's text depends on."""


@contextmanager
def exact(connection: psycopg.Connection) -> Iterator[None]:
    """Let the block see one snapshot and change nothing; the session's settings are its own again afterwards.

    Args:
        connection: not inside a transaction.
    """
    with connection.transaction():
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        for name, value in SETTINGS.items():
            connection.execute(sql.SQL("SET LOCAL {} = {}").format(sql.Identifier(name), sql.Literal(value)))
        yield

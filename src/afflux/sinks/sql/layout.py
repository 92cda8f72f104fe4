"""The layout of the state that a PostgreSQL sink keeps in schema `afflux`: made once, and checked."""

import psycopg

from afflux.errors import SinkError
from afflux.sinks.sql import statements


def prepare(connection: psycopg.Connection) -> None:
    """Make the state where there is none.

    Raises:
        SinkError: there is one of another version.
    """
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(hashtext('afflux.state'))")
        if exists(connection):
            check(connection)
            return
        if not connection.execute("SELECT 1 FROM pg_namespace WHERE nspname = 'afflux'").fetchone():
            connection.execute(statements.CREATE_SCHEMA)
        for statement in statements.STATE:
            connection.execute(statement)


def exists(connection: psycopg.Connection) -> bool:
    """Tell whether there is any state."""
    return connection.execute("SELECT to_regclass('afflux.version') IS NOT NULL").fetchone() == (True,)


def check(connection: psycopg.Connection) -> None:
    """See that the state has this version's layout.

    Raises:
        SinkError: it has another.
    """
    row = connection.execute("SELECT max(version) FROM afflux.version").fetchone()
    version = row[0] if row else None
    if version != statements.VERSION:
        raise SinkError(
            f"the target's afflux state has layout {version}, and this afflux knows {statements.VERSION}",
            hint="use the newer afflux",
        )

"""The layout of the state that a PostgreSQL sink keeps in schema `afflux`: made once, brought up to date, checked."""

import psycopg

from afflux.errors import SinkError
from afflux.sinks.sql import statements


def prepare(connection: psycopg.Connection) -> None:
    """Make the state where there is none, and bring an older one up to date.

    Raises:
        SinkError: a newer afflux has made it.
    """
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(hashtext('afflux.state'))")
        found = _version(connection) if exists(connection) else 0
        _refuse_newer(found)
        if found == 0 and not connection.execute("SELECT 1 FROM pg_namespace WHERE nspname = 'afflux'").fetchone():
            connection.execute(statements.CREATE_SCHEMA)
        for layout in statements.LAYOUTS[found:]:
            for statement in layout:
                connection.execute(statement)
        if found == 0:
            connection.execute("INSERT INTO afflux.version VALUES (%s)", [statements.VERSION])
        elif found < statements.VERSION:
            connection.execute("UPDATE afflux.version SET version = %s", [statements.VERSION])


def exists(connection: psycopg.Connection) -> bool:
    """Tell whether there is any state."""
    return connection.execute("SELECT to_regclass('afflux.version') IS NOT NULL").fetchone() == (True,)


def check(connection: psycopg.Connection) -> None:
    """See that the state has this version's layout.

    Raises:
        SinkError: it has another.
    """
    found = _version(connection)
    _refuse_newer(found)
    if found < statements.VERSION:
        raise SinkError(
            f"the target's afflux state has layout {found}, and this afflux works with {statements.VERSION}",
            hint="`afflux run` brings it up to date when it starts",
        )


def _version(connection: psycopg.Connection) -> int:
    row = connection.execute("SELECT max(version) FROM afflux.version").fetchone()
    return int(row[0]) if row and row[0] is not None else 0


def _refuse_newer(found: int) -> None:
    if found > statements.VERSION:
        raise SinkError(
            f"the target's afflux state has layout {found}, and this afflux knows {statements.VERSION}",
            hint="use the newer afflux",
        )

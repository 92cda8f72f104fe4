"""Which topology writes which target table: several write one only where all of them say that they share it."""

import psycopg

from afflux.errors import TableError
from afflux.sinks.batch import TableName

_CLAIM = """
INSERT INTO afflux.claims VALUES (%(schema)s, %(name)s, %(topology)s, %(shared)s)
ON CONFLICT (schema, name, topology) DO UPDATE SET shared = excluded.shared"""

_OTHERS = """
SELECT topology, shared FROM afflux.claims
WHERE schema = %(schema)s AND name = %(name)s AND topology <> %(topology)s AND NOT (shared AND %(shared)s)
ORDER BY topology LIMIT 1"""


def claim(connection: psycopg.Connection, topology: str, table: TableName, *, shared: bool) -> None:
    """Note that a topology writes a table; in a transaction that makes tables one after the other.

    Args:
        connection: in a transaction, which this error ends.
        topology: who writes.
        table: what.
        shared: whether others may write it, too.

    Raises:
        TableError: another topology writes it, and they do not both share it.
    """
    values = {"topology": topology, "schema": table.schema, "name": table.name, "shared": shared}
    other = connection.execute(_OTHERS, values).fetchone()
    if other is not None:
        silent = " and ".join(name for name, says in ((topology, shared), other) if not says)
        raise TableError(
            f"table {table} is written by topology {other[0]} already",
            table=str(table),
            hint=f"give it another `target`; or let both say `shared: true` of it, which {silent} does not; or, where"
            f" topology {other[0]} does not write it any more, remove its row from afflux.claims",
        )
    connection.execute(_CLAIM, values)

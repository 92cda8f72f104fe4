"""Rows of shards by their keys, as the text that PostgreSQL itself writes of each value."""

import threading
from collections.abc import Callable, Sequence
from typing import Any

import psycopg
from psycopg import sql

from afflux.clients.postgres import CONNECT_SECONDS, STATEMENT_SECONDS, Login
from afflux.clients.postgres_errors import source_error
from afflux.errors import SourceError

_EXACT = "-c timezone=UTC -c datestyle=ISO,YMD -c intervalstyle=postgres -c extra_float_digits=1 -c bytea_output=hex"
_MOST = 1000
"""Keys in one query."""
_TYPES = """
SELECT a.attname, format_type(a.atttypid, NULL) FROM pg_attribute a
WHERE a.attrelid = to_regclass(%s) AND a.attnum > 0 AND NOT a.attisdropped"""


class Rows:
    """Reads rows at shards, with so many connections at once and no more.

    Args:
        login_of: gives the login of a shard by its name; None for one that the topology does not have.
        connections: at most so many at once, of this process.
    """

    def __init__(self, login_of: Callable[[str], Login | None], connections: int) -> None:
        self._login_of = login_of
        self._free = threading.BoundedSemaphore(connections)

    def by_key(
        self,
        shard: str,
        table: tuple[str, str],
        key: Sequence[str],
        keys: Sequence[Sequence[str]],
        columns: Sequence[str],
    ) -> list[tuple[str | None, ...] | None]:
        """Read columns of rows as they are now.

        Args:
            shard: where.
            table: schema and name.
            key: the key's columns.
            keys: the keys' values as PostgreSQL's text, of each row in the order of `key`.
            columns: what is wanted.

        Returns:
            For each key the columns' values as text; None where there is no such row now.

        Raises:
            SourceError: the shard can't be reached, or refuses.
        """
        login = self._login_of(shard)
        if login is None:
            raise SourceError(f"shard {shard} is not in the topology any more")
        with self._free:
            try:
                with psycopg.connect(
                    host=login.host,
                    port=login.port,
                    dbname=login.database,
                    user=login.user,
                    password=login.password,
                    connect_timeout=CONNECT_SECONDS,
                    application_name="afflux read back",
                    autocommit=True,
                    **{**login.options, "options": f"{_EXACT} -c statement_timeout={STATEMENT_SECONDS}s"},  # type: ignore[arg-type]  # libpq's options are all text
                ) as connection:
                    query = _query(connection, table, key, columns)
                    found: list[tuple[str | None, ...] | None] = []
                    for first in range(0, len(keys), _MOST):
                        found += _read(connection, query, keys[first : first + _MOST])
                    return found
            except psycopg.Error as error:
                raise source_error(login.where, login.user, error) from None


def _query(
    connection: psycopg.Connection, table: tuple[str, str], key: Sequence[str], columns: Sequence[str]
) -> sql.Composed:
    name = sql.Identifier(*table)
    types: dict[str, str] = dict(connection.execute(_TYPES, [name.as_string(connection)]).fetchall())
    missing = [column for column in (*key, *columns) if column not in types]
    if missing:
        raise SourceError(f"table {'.'.join(table)} has no column {missing[0]!r} at the source now")
    numbers = range(len(key))
    return sql.SQL(
        "SELECT v.n, {columns} FROM unnest({lists}) WITH ORDINALITY AS v ({names}, n) JOIN {table} t ON {same}"
    ).format(
        columns=sql.SQL(", ").join(sql.SQL("t.{}::text").format(sql.Identifier(column)) for column in columns),
        lists=sql.SQL(", ").join([sql.SQL("%s::text[]")] * len(key)),
        names=sql.SQL(", ").join(sql.Identifier(f"k{n}") for n in numbers),
        table=name,
        same=sql.SQL(" AND ").join(
            sql.SQL("t.{} = v.{}::" + _literal(types[key[n]])).format(sql.Identifier(key[n]), sql.Identifier(f"k{n}"))
            for n in numbers
        ),
    )


def _literal(name: str) -> str:
    """Write a type's name, already quoted by the server, where braces and `%` have meanings of their own."""
    return name.replace("{", "{{").replace("}", "}}").replace("%", "%%")


def _read(
    connection: psycopg.Connection, query: sql.Composed, keys: Sequence[Sequence[str]]
) -> list[tuple[str | None, ...] | None]:
    lists: list[Any] = [list(values) for values in zip(*keys, strict=True)]
    found = {number: tuple(values) for number, *values in connection.execute(query, lists)}
    return [found.get(number) for number in range(1, len(keys) + 1)]

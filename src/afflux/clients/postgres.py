"""A shard's PostgreSQL: short sessions that read its catalogs and set its publication and slot."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, LiteralString

import psycopg
from psycopg import errors, sql
from psycopg.rows import class_row
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, stop_after_delay, wait_fixed, wait_random

from afflux.clients.catalog import (
    COLUMNS,
    CONFIRMED,
    MARK,
    POSITION,
    PUBLICATION,
    RELATIONS,
    SERVER,
    SIZE,
    SLOT,
    Column,
    Publication,
    Relation,
    Server,
    Slot,
)
from afflux.clients.postgres_errors import source_error

CONNECT_SECONDS = 5
STATEMENT_SECONDS = 30
LOCK_SECONDS = 10
"""ALTER PUBLICATION waits for running DDL only; who holds a table this long is told rather than waited for."""
DECODE_SECONDS = 5
_END_READER: LiteralString = (
    "select pg_terminate_backend(active_pid) from pg_replication_slots where slot_name = %s and active"
)
RELEASE_SECONDS = 20
"""How long a slot may still be held after its connector went."""


@dataclass(frozen=True)
class Login:
    """Where a shard's database is and how to log in; the password never shows in its text."""

    shard: str
    host: str
    port: int
    database: str
    user: str
    password: str = field(repr=False)
    options: dict[str, str] = field(default_factory=dict)
    """libpq's own, such as `sslmode`."""

    @property
    def address(self) -> str:
        """`host:port/database`."""
        return f"{self.host}:{self.port}/{self.database}"

    @property
    def where(self) -> str:
        """How messages name it."""
        return f"shard {self.shard} ({self.address})"


class Session:
    """One short connection to a shard; each statement commits by itself."""

    def __init__(self, login: Login, connection: psycopg.Connection) -> None:
        self._login, self._connection = login, connection

    def server(self) -> Server:
        """Return what the server and this role can do."""
        return self._connection.cursor(row_factory=class_row(Server)).execute(SERVER).fetchall()[0]

    def relations(self) -> list[Relation]:
        """Return every table and what could be taken for one, outside PostgreSQL's own schemas, by name."""
        rows = self._rows(RELATIONS)
        lists = ("primary_key", "identity_key", "generated")
        return [Relation(**{**row, **{key: tuple(row[key]) for key in lists}}) for row in rows]

    def columns(self) -> list[Column]:
        """Return the columns of every table outside PostgreSQL's own schemas, in the tables' order."""
        return [Column(**row) for row in self._rows(COLUMNS)]

    def publication(self, name: str) -> Publication | None:
        """Return a publication, or None when there is none of this name."""
        for row in self._rows(PUBLICATION, name):
            tables = frozenset((schema, table) for schema, table in row.pop("tables"))
            return Publication(**{**row, "tables": tables, "operations": frozenset(row["operations"])})
        return None

    def slot(self, name: str) -> Slot | None:
        """Return a slot, or None when there is none of this name."""
        return next((Slot(**row) for row in self._rows(SLOT, name)), None)

    def mark(self, prefix: str) -> int:
        """Write a logical message into the WAL, and return where it is; a connector that lets them through passes it."""
        return int(self._rows(MARK, prefix)[0]["position"])

    def size(self, schema: str, table: str) -> int:
        """Return the bytes of a table, its partitions, large values and indexes; 0 for one that is not there."""
        name = sql.Identifier(schema, table).as_string(self._connection)
        return next((int(row["size"]) for row in self._rows(SIZE, name)), 0)

    def confirmed(self, slot: str) -> int | None:
        """Return up to where a slot's reader needs nothing any more; None where there is no such slot."""
        return next((row["position"] for row in self._rows(CONFIRMED, slot)), None)

    def create_publication(self, name: str, tables: Sequence[tuple[str, str]]) -> None:
        """Publish these tables, partitions as their root; one that exists is set to that."""
        create = sql.SQL("create publication {} for table {} with (publish_via_partition_root = true)")
        try:
            self._do(create.format(sql.Identifier(name), _tables(tables)))
        except (errors.DuplicateObject, errors.UniqueViolation):  # the latter when another makes it just now
            self.set_publication(name, tables)

    def set_publication(self, name: str, tables: Sequence[tuple[str, str]]) -> None:
        """Set what an existing publication publishes; tables that stay are not interrupted."""
        publication = sql.Identifier(name)
        settings = "publish = 'insert, update, delete, truncate', publish_via_partition_root = true"
        patient = Retrying(
            # What PostgreSQL says when another session alters it at the same moment ("tuple concurrently updated").
            retry=retry_if_exception_type((errors.InternalError_, errors.UniqueViolation)),
            stop=stop_after_attempt(5),
            wait=wait_random(0.1, 0.5),
            reraise=True,
        )
        patient(self._do, sql.SQL("alter publication {} set table {}").format(publication, _tables(tables)))
        patient(self._do, sql.SQL("alter publication {} set ({})").format(publication, sql.SQL(settings)))

    def drop_publication(self, name: str) -> bool:
        """Drop a publication; return whether there was one."""
        there = self.publication(name) is not None
        self._do(sql.SQL("drop publication if exists {}").format(sql.Identifier(name)))
        return there

    def drop_slot(self, name: str, *, force: bool = False) -> bool:
        """Drop a slot, waiting a little for its reader to leave.

        Args:
            name: the slot's.
            force: end the reader's session instead of waiting for it.

        Returns:
            Whether there was one.
        """
        drop: LiteralString = (
            "select pg_drop_replication_slot(slot_name) from pg_replication_slots where slot_name = %s"
        )
        patient = Retrying(
            retry=retry_if_exception_type(errors.ObjectInUse),
            stop=stop_after_delay(RELEASE_SECONDS),
            wait=wait_fixed(0.5),
            reraise=True,
        )

        def attempt() -> bool:
            if force:
                self._connection.execute(_END_READER, (name,))
            return self._connection.execute(drop, (name,)).rowcount > 0

        try:
            return patient(attempt)
        except errors.UndefinedObject:
            return False  # another process was quicker

    def position(self) -> int:
        """Return where the server's WAL ends now, as bytes since the server's first."""
        return int(self._rows(POSITION)[0]["position"])

    def decode(self, slot: str, publication: str) -> str:
        """Let the server decode what comes first from a slot that nobody reads, and change nothing.

        Its reader may have come further than it has confirmed, so that what it can't read lies behind what it can.

        Returns:
            What it says when it can't, in one line; empty when it can, or is not done within some seconds.
        """
        peek: LiteralString = (
            "select count(*) from pg_logical_slot_peek_binary_changes(%s, null, 10000,"
            " 'proto_version', '1', 'publication_names', %s)"
        )
        try:
            self._connection.execute(f"set statement_timeout = '{DECODE_SECONDS}s'")
            # A reader that can't read takes the slot for a moment, again and again.
            patient = Retrying(
                retry=retry_if_exception_type(errors.ObjectInUse),
                stop=stop_after_attempt(5),
                wait=wait_random(0.2, 1.0),
                reraise=True,
            )
            patient(self._connection.execute, peek, (slot, sql.Identifier(publication).as_string(self._connection)))
        except (errors.QueryCanceled, errors.ObjectInUse):
            return ""
        except psycopg.Error as error:
            return error.diag.message_primary or str(error).splitlines()[0]
        finally:
            self._connection.execute(f"set statement_timeout = '{STATEMENT_SECONDS}s'")
        return ""

    def _rows(self, query: LiteralString, *parameters: str) -> list[dict[str, Any]]:
        cursor = self._connection.execute(query, parameters)
        names = [column.name for column in cursor.description or ()]
        return [dict(zip(names, row, strict=True)) for row in cursor]

    def _do(self, statement: sql.Composed) -> None:
        self._connection.execute(statement)


def connect(login: Login, name: str) -> psycopg.Connection:
    """Open a connection on which each statement commits by itself, with its times limited.

    Args:
        login: the shard.
        name: what it is called in the server's own views.

    Raises:
        psycopg.Error: it can't be reached or refuses the login.
    """
    connection = psycopg.connect(
        host=login.host,
        port=login.port,
        dbname=login.database,
        user=login.user,
        password=login.password,
        connect_timeout=CONNECT_SECONDS,
        application_name=name,
        autocommit=True,
        **login.options,  # type: ignore[arg-type]  # libpq's options are all text
    )
    try:
        connection.execute(f"set statement_timeout = '{STATEMENT_SECONDS}s'")
        connection.execute(f"set lock_timeout = '{LOCK_SECONDS}s'")
    except psycopg.Error:
        connection.close()
        raise
    return connection


@contextmanager
def session(login: Login) -> Iterator[Session]:
    """Open a short session on a shard.

    Raises:
        SourceError: it can't be reached or refuses the login, or a statement inside the block failed; the
            message names the shard.
    """
    try:
        with connect(login, "afflux control") as connection:
            yield Session(login, connection)
    except psycopg.Error as error:
        raise source_error(login.where, login.user, error) from None


def _tables(tables: Sequence[tuple[str, str]]) -> sql.Composed:
    return sql.SQL(", ").join(sql.Identifier(schema, table) for schema, table in tables)

"""One database: transactions of one writer at a time, and reads beside it."""

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import sqlalchemy as sa
import structlog

from afflux.errors import SinkError
from afflux.sinks.batch import TableName
from afflux.sinks.sql.dialects.dialect import Dialect
from afflux.sinks.sql.dialects.layout import Layout
from afflux.sinks.sql.dialects.table import dialect_of, engine_of

log = structlog.get_logger()

Result = TypeVar("Result")

_ATTEMPTS = 60
_PAUSE_SECONDS = 0.05


class Database:
    """A database that a sink writes into.

    Every transaction that writes begins with the number in the one row of `Layout.version`, so that there is one at a
    time, whoever writes; where a database does not let it wait, it is tried again.

    Args:
        url: of SQLAlchemy's form, secrets resolved.
        sink: the sink's name, for messages.
    """

    def __init__(self, url: str, sink: str) -> None:
        self._sink = sink
        where = sa.make_url(url)
        self.dialect: Dialect = dialect_of(where)
        self.layout = Layout(self.dialect)
        self._engine = engine_of(where, self.dialect)
        self._secret = where.password

    def write(self, doing: str, step: Callable[[sa.Connection, int], Result]) -> Result:
        """Do something in one transaction, alone.

        Args:
            doing: what, for messages.
            step: given the connection, and the number of this change of the state; may be called several times.

        Raises:
            SinkError: it was not done; `transient` where trying again later may help.
        """

        def alone(connection: sa.Connection) -> Result:
            version = self.layout.version
            connection.execute(sa.update(version).values({version.c.number: version.c.number + 1}))
            return step(connection, connection.execute(sa.select(version.c.number)).scalar_one())

        return self.transaction(doing, alone)

    def transaction(self, doing: str, step: Callable[[sa.Connection], Result]) -> Result:
        """Do something in one transaction, beside others; see `write`."""
        with self.errors(doing):
            for attempt in range(_ATTEMPTS):
                try:
                    with self._engine.connect() as connection:
                        self.dialect.begin(connection)
                        result = step(connection)
                        connection.commit()
                        return result
                except sa.exc.DBAPIError as error:
                    if attempt == _ATTEMPTS - 1 or not self.dialect.is_busy(error):
                        raise
                    log.debug("done again", reason=first_line(error), attempt=attempt)
                    _pause(attempt)
            raise AssertionError

    @contextmanager
    def reading(self, doing: str) -> Iterator[sa.Connection]:
        """Give a connection whose transaction is taken back afterwards.

        Raises:
            SinkError: the database can't be read.
        """
        with self.errors(doing), self._connected() as connection:
            self.dialect.begin(connection)
            yield connection

    def _connected(self) -> sa.Connection:
        """Connect, when others let it."""
        for attempt in range(_ATTEMPTS):
            try:
                return self._engine.connect()
            except sa.exc.DBAPIError as error:
                if attempt == _ATTEMPTS - 1 or not self.dialect.is_busy(error):
                    raise
                _pause(attempt)
        raise AssertionError

    def has(self, connection: sa.Connection, table: sa.Table) -> bool:
        """Tell whether there is such a table."""
        return sa.inspect(connection).has_table(table.name, schema=table.schema)

    def make(self, connection: sa.Connection, table: sa.Table) -> None:
        """Make a table where there is none, and its schema."""
        if table.schema is not None and not self._has_schema(connection, table.schema):
            connection.execute(sa.schema.CreateSchema(table.schema))
        table.create(connection, checkfirst=True)

    def _has_schema(self, connection: sa.Connection, schema: str) -> bool:
        """Tell whether there is a schema; DuckDB's have the file's name before theirs."""
        there = sa.inspect(connection).get_schema_names()
        return any(name == schema or name.endswith((f".{schema}", f'."{schema}"')) for name in there)

    def place(self, table: TableName) -> tuple[str | None, str]:
        """Give the schema and the name of a target table; one of `public` keeps its name where there are no schemas."""
        if self.dialect.schemas:
            return table.schema, table.name
        return None, table.name if table.schema == "public" else f"{table.schema}_{table.name}"

    def close(self) -> None:
        """Let go of it."""
        self._engine.dispose()

    @contextmanager
    def errors(self, doing: str) -> Iterator[None]:
        """Raise what the database says as a sink's error.

        Raises:
            SinkError: `transient` where trying again later may help.
        """
        try:
            yield
        except sa.exc.SQLAlchemyError as error:
            reason = first_line(error)
            if self._secret:
                reason = reason.replace(str(self._secret), "***")
            lost = isinstance(error, sa.exc.DBAPIError) and (
                error.connection_invalidated
                or isinstance(error, sa.exc.OperationalError)
                or self.dialect.is_busy(error)
            )
            raise SinkError(f"sink {self._sink!r} could not {doing}: {reason}", transient=lost) from error


def _pause(attempt: int) -> None:
    time.sleep(random.uniform(0, _PAUSE_SECONDS * min(attempt + 1, 10)))  # noqa: S311 - jitter


def first_line(error: Exception) -> str:
    """Give the first line of what the driver says, without the statement and its values."""
    said = error.orig if isinstance(error, sa.exc.DBAPIError) and error.orig else error
    return next(iter(str(said).strip().splitlines()), type(said).__name__)[:500]

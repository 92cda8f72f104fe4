"""A server that is compared: its snapshot, its table, and whose fault an error is."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

import polars as pl
import psycopg
from psycopg import sql

from afflux.errors import ServerError
from afflux.sinks.batch import TableName
from afflux.verify.columns import Layout, read_layout
from afflux.verify.digests import read, statement
from afflux.verify.exact import exact

_CANCEL_SECONDS = 5.0


@dataclass(frozen=True)
class Server:
    """A shard or the target.

    Args:
        where: how messages name it.
        connection: outside any transaction.
        table: the table there.
        shard: the expression of a row's shard: a constant, or a column of the target.
        error: what its failures are raised as.
        only: the condition of rows that count.
    """

    where: str
    connection: psycopg.Connection
    table: TableName
    shard: sql.Composable
    error: type[ServerError]
    only: sql.Composable = field(default_factory=lambda: sql.SQL("true"))

    def enter(self, snapshots: ExitStack) -> None:
        """Begin a snapshot that lasts as long as the stack."""
        with self._blamed():
            snapshots.enter_context(exact(self.connection))

    def layout(self, _sources: Mapping[str, str] | None = None) -> Layout | None:
        """Read the table's columns; None when there is no such table."""
        with self._blamed():
            return read_layout(self.connection, self.table)

    def rows(self, layout: Layout, columns: Sequence[str], key: Sequence[str]) -> pl.DataFrame:
        """Read the table as `digests.read` does."""
        with self._blamed():
            return read(self.connection, statement(self.table, layout, columns, key, self.shard, only=self.only), key)

    def cancel(self) -> None:
        """End a read that another thread is in."""
        self.connection.cancel_safe(timeout=_CANCEL_SECONDS)

    @contextmanager
    def _blamed(self) -> Iterator[None]:
        try:
            yield
        except psycopg.Error as error:
            reason = str(error).strip().splitlines()[0]
            raise self.error(f"{self.where}: table {self.table} can't be compared: {reason}") from error

"""A database's tables, by SQLAlchemy, as the target of a comparison."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack

import polars as pl

from afflux.errors import SinkError
from afflux.sinks.batch import TableName
from afflux.sinks.reference.columns import Names
from afflux.sinks.sql.dialects.reading import opened
from afflux.sinks.sql.dialects.target import Target
from afflux.topology.sinks import MetaColumns
from afflux.verify.columns import Layout
from afflux.verify.digests import schema
from afflux.verify.frames import digested, living


class Databases:
    """A database, whose tables can be compared.

    Args:
        url: of SQLAlchemy's form, secrets resolved.
        meta: what the columns of afflux's own are called.
    """

    def __init__(self, url: str, meta: MetaColumns | None = None) -> None:
        self._url, self._meta = url, meta or MetaColumns()

    def side(self, table: TableName) -> "DatabaseTable":
        """Give a table as the side of a comparison."""
        return DatabaseTable(self._url, self._meta, table)


class DatabaseTable:
    """One table; it is read in one transaction, from `enter` on.

    Args:
        url: of the database.
        meta: how afflux's own columns are called.
        table: which.
    """

    where = "the target"

    def __init__(self, url: str, meta: MetaColumns, table: TableName) -> None:
        self.table = table
        self._url, self._meta, self._names = url, meta, Names(meta)
        self._target: Target | None = None
        self._stopped = False

    def enter(self, snapshots: ExitStack) -> None:
        """Open the table.

        Raises:
            SinkError: the database can't be read.
        """
        self._target = snapshots.enter_context(opened(self._url, self.table, self._meta, self.where))

    def layout(self, sources: Mapping[str, str]) -> Layout | None:
        """Give the table's columns with their types' names at the source; None when there is no such table."""
        if self._target is None:
            return None
        return Layout({self._names.outer(name): sources.get(name, "") for name in self._target.types})

    def rows(self, layout: Layout, columns: Sequence[str], key: Sequence[str]) -> pl.DataFrame:
        """Read the table as `digests.read` does.

        Raises:
            SinkError: the read was cut short.
        """
        assert self._target is not None  # noqa: S101 - there is a layout
        parts = [pl.DataFrame(schema=schema(key))]
        for block in self._target.blocks():
            if self._stopped:
                raise SinkError(f"{self.where}: the read of table {self.table} was cut short")
            parts.append(digested(block.filter(living(block.columns)), layout, columns, key))
        return pl.concat(parts)

    def cancel(self) -> None:
        """End a read that another thread is in."""
        self._stopped = True

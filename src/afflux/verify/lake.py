"""A lake's tables as the target of a comparison: what PostgreSQL would say of the same rows, computed here."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack

import polars as pl

from afflux.errors import SinkError
from afflux.sinks.batch import TableName
from afflux.sinks.delta.store import Store, errors
from afflux.sinks.delta.tables import place
from afflux.sinks.delta.target import Target
from afflux.sinks.reference.columns import Names
from afflux.topology.sinks import MetaColumns
from afflux.verify.columns import Layout
from afflux.verify.digests import schema
from afflux.verify.frames import digested, living

_BLOCK_ROWS = 100_000


class Lake:
    """A lake, whose tables can be compared.

    Args:
        store: where it is.
        meta: what the columns of afflux's own are called.
    """

    def __init__(self, store: Store, meta: MetaColumns | None = None) -> None:
        self._store, self._names = store, Names(meta or MetaColumns())

    def side(self, table: TableName) -> "LakeTable":
        """Give a table as the side of a comparison."""
        return LakeTable(self._store, self._names, table)


class LakeTable:
    """One table of a lake; all reads are of the version that it had when `enter` was called.

    Args:
        store: the lake.
        names: how afflux's own columns are called.
        table: which.
    """

    where = "the target"

    def __init__(self, store: Store, names: Names, table: TableName) -> None:
        self.table = table
        self._store, self._names = store, names
        self._target: Target | None = None
        self._stopped = False

    def enter(self, _snapshots: ExitStack) -> None:
        """Open the table's newest version.

        Raises:
            SinkError: the lake can't be read.
        """
        with errors(self.where, f"open table {self.table}"):
            found = self._store.open(place(self.table))
            self._target = None if found is None else Target(self._store, place(self.table), found, self._names)

    def layout(self, sources: Mapping[str, str]) -> Layout | None:
        """Give the table's columns with their types' names at the source; None when there is no such table."""
        if self._target is None:
            return None
        return Layout({self._names.outer(name): sources.get(name, "") for name in self._target.types})

    def rows(self, layout: Layout, columns: Sequence[str], key: Sequence[str]) -> pl.DataFrame:
        """Read the table as `digests.read` does.

        Raises:
            SinkError: the table can't be read.
        """
        assert self._target is not None  # noqa: S101 - there is a layout
        rows = self._target.rows().filter(living(self._target.types))
        shape = schema(key)
        parts = [pl.DataFrame(schema=shape)]
        with errors(self.where, f"read table {self.table}"):
            for block in rows.collect_batches(chunk_size=_BLOCK_ROWS):
                if self._stopped:
                    raise SinkError(f"{self.where}: the read of table {self.table} was cut short")
                parts.append(digested(block, layout, columns, key))
        return pl.concat(parts)

    def cancel(self) -> None:
        """End a read that another thread is in."""
        self._stopped = True

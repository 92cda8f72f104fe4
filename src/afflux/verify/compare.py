"""Compare one table of the shards with the target's."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Protocol

import polars as pl
import psycopg
from psycopg import sql

from afflux.errors import SinkError, SourceError
from afflux.sinks.batch import Keeping, Mode, TableName
from afflux.topology.sinks import MetaColumns
from afflux.transforms.masks import Masks
from afflux.verify.columns import Layout, common_key, union
from afflux.verify.comparison import Comparison
from afflux.verify.differences import differences
from afflux.verify.digests import key_columns, schema
from afflux.verify.servers import Server

_AT_ONCE = 8
"""Servers that are read at the same time."""


class Side(Protocol):
    """One side of a comparison: a table on a server, or elsewhere."""

    def enter(self, snapshots: ExitStack, /) -> None:
        """Begin a snapshot that lasts as long as the stack."""
        ...

    def layout(self, sources: Mapping[str, str], /) -> Layout | None:
        """Read the table's columns, None when there is no such table; `sources` are their types' names at the source."""
        ...

    def rows(self, layout: Layout, columns: Sequence[str], key: Sequence[str]) -> pl.DataFrame:
        """Read the table as `digests.read` does."""
        ...

    def cancel(self) -> None:
        """End a read that another thread is in."""
        ...


class Sides(Protocol):
    """A target that is no PostgreSQL server."""

    def side(self, table: TableName, /) -> Side:
        """Give a table as the side of a comparison."""
        ...


def compare(
    shards: Mapping[str, psycopg.Connection],
    target: psycopg.Connection | Sides,
    table: TableName,
    *,
    into: TableName | None = None,
    key: Sequence[str] = (),
    keeping: Keeping | None = None,
    meta: MetaColumns | None = None,
    masks: Masks | None = None,
) -> Comparison:
    """Compare a table row for row: all columns of the source, exact values, both ways.

    Each server is read in one snapshot of its own; a change that has not come to the target yet is a difference.
    A column that only some shards have, or that the target lacks, counts as NULL where it is not.

    Args:
        shards: a connection a shard, by the shard's name, outside any transaction; one at least.
        target: likewise, or what else gives its tables as sides, such as `verify.lake.Lake`.
        table: the table at the source.
        into: the target's table; None: of the same name. One that is not there has no rows.
        key: the columns that tell rows apart; the table's primary key without any.
        keeping: how the target keeps rows: of deleted ones that stay, and of versions that are over, none counts.
        meta: what the target calls the columns of afflux's own.
        masks: the columns that are masked on their way; the source's values are masked alike, by the source itself.

    Raises:
        SourceError: a shard can't be read, or lacks the table or its primary key.
        SinkError: the target can't be read.
    """
    sources = {
        shard: Server(f"shard {shard}", connection, table, sql.Literal(shard), SourceError)
        for shard, connection in shards.items()
    }
    name = into or table
    warehouse: Side
    if isinstance(target, psycopg.Connection):
        names = meta or MetaColumns()
        only = _living(keeping or Keeping(), names)
        warehouse = Server("the target", target, name, sql.Identifier(names.shard), SinkError, only)
    else:
        warehouse = target.side(name)
    with ExitStack() as snapshots:
        for server in (*sources.values(), warehouse):
            server.enter(snapshots)
        layouts = {shard: _present(server).with_masks(masks or {}) for shard, server in sources.items()}
        there = warehouse.layout({column: of for layout in layouts.values() for column, of in layout.types.items()})
        key, columns = tuple(key) or common_key(layouts, table), union(layouts.values())
        sides: list[tuple[Side, Layout]] = [(sources[shard], layout) for shard, layout in layouts.items()]
        sides += [(warehouse, there)] if there else []
        frames = _read(sides, columns, key)
    source = pl.concat(frames[: len(sources)])
    found = frames[-1] if there else pl.DataFrame(schema=schema(key))
    return Comparison(name, key, source.height, found.height, differences(source, found, key_columns(key)))


def _living(keeping: Keeping, names: MetaColumns) -> sql.Composable:
    """Give the condition of the target's rows that are rows now."""
    if keeping.mode is Mode.HISTORY:
        return sql.Identifier(names.current)
    return sql.SQL("NOT {}").format(sql.Identifier(names.deleted)) if keeping.soft else sql.SQL("true")


def _present(server: Server) -> Layout:
    layout = server.layout()
    if layout is None:
        raise SourceError(
            f"{server.where}: there is no table {server.table}, or this role may not see it",
            hint="check the table's name and the role's rights",
        )
    return layout


def _read(sides: Sequence[tuple[Side, Layout]], columns: Sequence[str], key: Sequence[str]) -> list[pl.DataFrame]:
    """Read servers side by side; whatever cuts that short ends their queries too."""
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        reads = [pool.submit(server.rows, layout, columns, key) for server, layout in sides]
        try:
            return [read.result() for read in reads]
        except BaseException:
            for (server, _), read in zip(sides, reads, strict=True):
                if not read.cancel() and not read.done():
                    server.cancel()
            raise

"""Which columns of a table are compared, and which of them are its key."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

import psycopg
from psycopg import sql

from afflux.errors import SourceError
from afflux.sinks.batch import TableName
from afflux.transforms.masks import Mask, Masks

_TABLE = """
SELECT a.attname, t.typname, array_position(i.indkey::smallint[], a.attnum)
FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
LEFT JOIN pg_index i ON i.indrelid = a.attrelid AND i.indisprimary
WHERE a.attrelid = to_regclass(%s) AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum"""

_AS_IN_TARGET = {"money": "numeric", "_money": "numeric[]"}
"""Types whose text depends on the server's locale, and what the target holds them as."""


@dataclass(frozen=True, slots=True)
class Layout:
    """The columns of one table on one server, in its order, with their types' names, and its primary key."""

    types: Mapping[str, str]
    key: tuple[str, ...] = ()
    masks: Masks = field(default_factory=dict)
    """Columns that are masked on their way to the target, and are compared as they come there."""

    def with_masks(self, masks: Masks) -> "Layout":
        """Give the layout of the same table whose columns count as masked, which makes them text."""
        return replace(self, types={n: "text" if n in masks else t for n, t in self.types.items()}, masks=masks)

    def text(self, column: str) -> sql.Composable:
        """Give the expression whose text stands for a column's value; NULL where the table has no such column."""
        if column not in self.types:
            return sql.SQL("NULL")
        if column in self.masks:
            return _masked(sql.SQL("{}::text").format(sql.Identifier(column)), self.masks[column])
        cast = _AS_IN_TARGET.get(self.types[column])
        name = sql.Identifier(column)
        return sql.SQL("{}::{}").format(name, sql.SQL(cast)) if cast else name


def _masked(text: sql.Composable, mask: Mask) -> sql.Composable:
    """Write the mask of a text as SQL; the same as `Mask.text`."""
    if mask.kind == "remove":
        return sql.SQL("NULL::text")
    if mask.kind == "hash":
        inner, outer = (sql.Literal(pad) for pad in mask.pads())
        return sql.SQL("encode(sha256({outer} || sha256({inner} || convert_to({text}, 'UTF8'))), 'hex')").format(
            outer=outer, inner=inner, text=text
        )
    return sql.SQL(
        "CASE WHEN length({text}) <= {keep} THEN repeat('*', length({text})) "
        "ELSE repeat('*', length({text}) - {keep}) || right({text}, {keep}) END"
    ).format(text=text, keep=sql.Literal(mask.keep))


def read_layout(connection: psycopg.Connection, table: TableName) -> Layout | None:
    """Read a table's columns from the catalog; None when there is no such table."""
    name = sql.Identifier(table.schema, table.name).as_string(connection)
    rows = connection.execute(_TABLE, [name]).fetchall()
    if not rows:
        return None
    positions = {column: position for column, _, position in rows if position is not None}
    return Layout({column: kind for column, kind, _ in rows}, tuple(sorted(positions, key=lambda c: positions[c])))


def union(layouts: Iterable[Layout]) -> tuple[str, ...]:
    """Give every column that any of the tables has; one that a table lacks counts as NULL there."""
    return tuple(dict.fromkeys(column for layout in layouts for column in layout.types))


def common_key(layouts: Mapping[str, Layout], table: TableName) -> tuple[str, ...]:
    """Give the primary key that a table has on every shard.

    Args:
        layouts: by shard.
        table: for the message.

    Raises:
        SourceError: a shard's table has no primary key, or another one than the first shard's.
    """
    first, *_ = layouts
    for shard, layout in layouts.items():
        if not layout.key:
            raise SourceError(
                f"shard {shard}: table {table} has no primary key, so its rows can't be told apart",
                hint="give it a primary key, or compare other tables",
            )
        if layout.key != layouts[first].key:
            raise SourceError(
                f"table {table} has the primary key ({', '.join(layout.key)}) on shard {shard} "
                f"and ({', '.join(layouts[first].key)}) on shard {first}",
                hint="one target table needs one key: make the shards agree",
            )
    return layouts[first].key

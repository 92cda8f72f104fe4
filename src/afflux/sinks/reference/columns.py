"""The columns of a lake's tables: the source's own, those that afflux adds, and their types. Pure.

Within afflux its own columns go by the names that a batch's frame has for them, such as `afflux.shard`, which no
source has; a table has them under the names that the topology says.
"""

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType

import polars as pl
import pyarrow as pa

from afflux.errors import TableError
from afflux.sinks.batch import (
    DELETED,
    LINEAGE,
    LSN,
    OFFSET,
    OP,
    PARTITION,
    SHARD,
    SOURCE_TS,
    TOPIC,
    TRANSACTION,
    Keeping,
    Mode,
    TableChanges,
    TargetColumn,
)
from afflux.topology.sinks import MetaColumns
from afflux.types.exact import INSTANT, exact_type

SYNCED_AT = "afflux.synced_at"
DELETED_AT = "afflux.deleted_at"
UNCHANGED = "afflux.unchanged"
VALID_FROM, VALID_TO, CURRENT = "afflux.valid_from", "afflux.valid_to", "afflux.current"
END_OP, END_TOPIC, END_OFFSET = "afflux.end_op", "afflux.end_topic", "afflux.end_offset"

META: Mapping[str, pl.DataType] = MappingProxyType(
    {
        SHARD: pl.String(),
        LSN: pl.Int64(),
        SOURCE_TS: INSTANT,
        SYNCED_AT: INSTANT,
        DELETED: pl.Boolean(),
        DELETED_AT: INSTANT,
        OP: pl.String(),
        TOPIC: pl.String(),
        PARTITION: pl.Int32(),
        OFFSET: pl.Int64(),
        TRANSACTION: pl.Int64(),
        UNCHANGED: pl.List(pl.String()),
        VALID_FROM: INSTANT,
        VALID_TO: INSTANT,
        CURRENT: pl.Boolean(),
        END_OP: pl.String(),
        END_TOPIC: pl.String(),
        END_OFFSET: pl.Int64(),
    }
)
"""The types of afflux's own columns."""
ALWAYS = (SHARD, LSN, SOURCE_TS, SYNCED_AT)
"""Those that every table has."""

_PREFIX = "afflux."
_KEY = b"afflux.key"
"""Marks the columns of a key in a table's schema, with their order."""


class Names:
    """How afflux's own columns are called in tables.

    Args:
        meta: as the topology says.
    """

    def __init__(self, meta: MetaColumns) -> None:
        self._outer: dict[str, str] = {_PREFIX + role: name for role, name in meta.model_dump().items()}
        self._inner = {name: inner for inner, name in self._outer.items()}

    def outer(self, name: str) -> str:
        """Give a column's name in the table."""
        return self._outer.get(name, name)

    def inner(self, name: str) -> str:
        """Give a column's name within afflux."""
        return self._inner.get(name, name)

    def check(self, changes: TableChanges) -> None:
        """See that no column of the source has the name of one of afflux's.

        Raises:
            TableError: one has.
        """
        ours = {self.outer(name) for name in kept(changes.keeping)}
        clash = sorted({column.name for column in changes.columns} & ours)
        if clash:
            raise TableError(
                f"table {changes.table}: the source has a column {clash[0]!r}, which is a name of afflux's own",
                table=str(changes.table),
                hint="give afflux's another name (`sinks[].meta`), or leave the source's out with the connector's column.exclude.list",
            )


def kept(keeping: Keeping) -> tuple[str, ...]:
    """Give afflux's own columns of a table that keeps its rows so."""
    marks = (DELETED, DELETED_AT) if keeping.soft else ()
    return (*ALWAYS, *marks, *(LINEAGE if keeping.traced else ()), *_OF_MODE[keeping.mode])


_OF_MODE: Mapping[Mode, tuple[str, ...]] = {
    Mode.UPSERT: (),
    Mode.APPEND: (UNCHANGED,),
    Mode.HISTORY: (VALID_FROM, VALID_TO, CURRENT, END_OP, END_TOPIC, END_OFFSET),
}
PLACE = (TOPIC, PARTITION, OFFSET)
"""By which event a row came: what tells the rows of a history apart."""


def target_key(changes: TableChanges) -> tuple[str, ...]:
    """Give the names of the target's key: the source's, behind the shard's where that is part of it.

    Versions of rows are told apart by the events that made them; changes by nothing.
    """
    match changes.keeping.mode:
        case Mode.APPEND:
            return ()
        case Mode.HISTORY:
            return PLACE
    return (SHARD, *changes.key) if changes.with_shard else changes.key


def column_type(column: TargetColumn, key: Iterable[str]) -> pl.DataType:
    """Give the type of a column that is made; a list is no key, so that an array in one is text."""
    found = exact_type(column.type)
    return pl.String() if isinstance(found, pl.List) and column.name in key else found


def schema(types: Mapping[str, pl.DataType], key: Sequence[str], names: Names) -> pa.Schema:
    """Give the Arrow schema of a table: only the key is not null, and says so.

    Args:
        types: the columns, by their names within afflux, like the key.
        key: those that tell rows apart.
        names: how they are called in the table.
    """
    plain = pl.DataFrame(schema=dict(types)).to_arrow(compat_level=pl.CompatLevel.oldest()).schema
    fields = []
    for field in plain:
        named = field.with_name(names.outer(field.name))
        marked = (
            named.with_nullable(nullable=False).with_metadata({_KEY: str(key.index(field.name))})
            if field.name in key
            else named
        )
        fields.append(marked)
    return pa.schema(fields)


def read_schema(found: pa.Schema, names: Names) -> tuple[dict[str, pl.DataType], tuple[str, ...]]:
    """Read a table's columns, by their names within afflux, and its key."""
    types = {names.inner(name): of for name, of in pl.DataFrame(found.empty_table()).schema.items()}
    order = {names.inner(f.name): int(f.metadata[_KEY]) for f in found if _KEY in (f.metadata or {})}
    return types, tuple(sorted(order, key=lambda name: order[name]))

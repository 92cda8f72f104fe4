"""Events as they are decoded: frames of rows, and truncates at their places among them."""

from dataclasses import dataclass, field
from typing import Any, Protocol

import polars as pl

from afflux.sinks.batch import Keeping, TableName
from afflux.transforms.masks import Masks
from afflux.types.columns import Column

BORN = "afflux.born"
"""Frame column: whether the event says all of a row, whatever was before (boolean)."""
DEPARTS = "afflux.departs"
"""Frame column: whether a deleted row lives on under another key (boolean)."""

INCREMENTAL = "afflux.incremental"
"""Frame column, where there are any: whether a row was read by an incremental snapshot (boolean)."""


class Message(Protocol):
    """What is read of a Kafka message."""

    def topic(self) -> str: ...  # noqa: D102
    def partition(self) -> int: ...  # noqa: D102
    def offset(self) -> int: ...  # noqa: D102
    def key(self) -> bytes | None: ...  # noqa: D102
    def value(self) -> bytes | None: ...  # noqa: D102
    def headers(self) -> list[tuple[str, Any]] | None: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class TruncateEvent:
    """A TRUNCATE of one shard's table, at its place in the order of arrival."""

    shard: str
    lsn: int
    sequence: int
    topic: str = ""
    source_ts: int = 0
    partition: int = 0
    offset: int = 0
    transaction: int | None = None


@dataclass(frozen=True, slots=True)
class Decoded:
    """Events of one target table with the same columns.

    Attributes:
        table: where they go.
        columns: the source's columns, as the schema gives them.
        key: the names of the key's columns; empty without a key.
        rows: a row an event (two where it changes a declared key): `SEQUENCE`, `BORN`, `DEPARTS`, the meta
            columns, the source's columns, `unchanged(column)` where values are unchanged and unknown, and
            those of `LINEAGE` where the table keeps them; and `INCREMENTAL`, until `overtaken.py` has seen to it.
        truncates: the truncates among the events.
        with_shard: whether the shard is part of the target's key.
        keeping: how the table keeps its rows.
        shared: whether their topic holds the events of several shards.
        masks: the columns that are masked already, and how.
    """

    table: TableName
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    rows: pl.DataFrame
    truncates: tuple[TruncateEvent, ...] = ()
    with_shard: bool = False
    keeping: Keeping = field(default_factory=Keeping)
    masks: Masks = field(default_factory=dict)
    shared: bool = False

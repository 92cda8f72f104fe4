"""A target in memory: the contract of a sink in its shortest form, for tests and as an example.

Several sinks may share one `Memory`, as several workers share one warehouse.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from afflux.errors import Fenced
from afflux.sinks.base import (
    DELETED,
    LSN,
    SHARD,
    SOURCE_TS,
    Batch,
    Partition,
    Sink,
    TableChanges,
    TableName,
    unchanged,
)

Row = dict[str, Any]


@dataclass
class Memory:
    """What a warehouse holds: rows by key, and where its sinks stand."""

    tables: dict[TableName, dict[tuple[Any, ...], Row]] = field(default_factory=dict)
    offsets: dict[Partition, int] = field(default_factory=dict)
    epochs: dict[Partition, int] = field(default_factory=dict)


class MemorySink(Sink):
    """Applies batches to a `Memory`."""

    def __init__(self, memory: Memory, name: str = "memory") -> None:
        self.name = name
        self._memory = memory
        self._epochs: dict[Partition, int] = {}

    def open(self) -> None:
        """See `Sink.open`."""

    def close(self) -> None:
        """See `Sink.close`."""

    def claim(self, partitions: Iterable[Partition]) -> dict[Partition, int]:
        """See `Sink.claim`."""
        offsets = {}
        for partition in partitions:
            self._epochs[partition] = self._memory.epochs[partition] = self._memory.epochs.get(partition, 0) + 1
            offsets[partition] = self._memory.offsets.setdefault(partition, 0)
        return offsets

    def apply(self, batch: Batch) -> None:
        """See `Sink.apply`."""
        memory = self._memory
        if any(memory.epochs.get(p) != self._epochs.get(p) for p in batch.spans):
            raise Fenced("another worker has claimed a partition of this batch")
        if all(memory.offsets[p] == span.end for p, span in batch.spans.items()):
            return
        if any(memory.offsets[p] != span.start for p, span in batch.spans.items()):
            raise Fenced("a position was changed by somebody else")
        for changes in batch.tables:
            _write(memory.tables.setdefault(changes.table, {}), changes)
        memory.offsets.update({p: span.end for p, span in batch.spans.items()})


def _write(rows: dict[tuple[Any, ...], Row], changes: TableChanges) -> None:
    for truncate in changes.truncates:
        old = [k for k, row in rows.items() if row["_shard"] == truncate.shard and row["_lsn"] < truncate.lsn]
        for key in old:
            del rows[key]
    # Deleted rows first; of two shards' living rows the one of the later commit, then of the later name, last.
    ordered = changes.rows.sort(~pl.col(DELETED), SOURCE_TS, SHARD)
    for event in ordered.iter_rows(named=True):
        key = tuple(event[name] for name in changes.key)
        before = rows.get(key)
        if event[DELETED]:
            if before is not None and before["_shard"] == event[SHARD]:
                del rows[key]
            continue
        kept = before or {}
        row = {c.name: kept.get(c.name) if event.get(unchanged(c.name)) else event[c.name] for c in changes.columns}
        meta = {"_shard": event[SHARD], "_lsn": event[LSN], "_source_ts": event[SOURCE_TS]}
        rows[key] = {**kept, **row, **meta}

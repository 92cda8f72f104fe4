"""The warehouses that the sinks' contract is tried on, and batches for them."""

import itertools
from pathlib import Path
from typing import Any, Protocol

import polars as pl
import psycopg
from psycopg.rows import dict_row

from afflux.sinks.base import Sink
from afflux.sinks.batch import (
    DELETED,
    LSN,
    MOVED_AT,
    SEQUENCE,
    SHARD,
    SOURCE_TS,
    Batch,
    Partition,
    Span,
    TableChanges,
    TableName,
    TargetColumn,
    Truncate,
    unchanged,
)
from afflux.sinks.delta.sink import DeltaSink
from afflux.sinks.delta.state import DeltaState
from afflux.sinks.delta.store import Store
from afflux.sinks.delta.tables import place
from afflux.sinks.memory import Memory, MemorySink
from afflux.sinks.memory_state import MemoryState
from afflux.sinks.sql.dialects.reading import opened
from afflux.sinks.sql.dialects.sink import DatabaseSink
from afflux.sinks.sql.dialects.state import DatabaseState
from afflux.sinks.sql.postgresql import PostgresSink
from afflux.sinks.sql.state import SqlState
from afflux.sinks.state import SinkState
from afflux.topology.sinks import DeltaSink as DeltaConfig
from afflux.topology.sinks import MetaColumns
from afflux.types.postgres import pg_type

numbers = itertools.count()
ZERO = Partition("shard0.public.t", 0)
ONE = Partition("shard1.public.t", 0)
META = {SHARD: pl.String, LSN: pl.Int64, SOURCE_TS: pl.Int64, DELETED: pl.Boolean}
ID, NOTE = TargetColumn("id", pg_type("INT4")), TargetColumn("note", pg_type("TEXT"))


class Target(Protocol):
    """A warehouse, with as many workers as a test wants."""

    schema: str

    def sink(self) -> Sink: ...
    def state(self) -> SinkState: ...
    def rows(self, table: TableName) -> list[dict[str, Any]]: ...


class MemoryTarget:
    def __init__(self) -> None:
        self.schema = "public"
        self._memory = Memory()

    def sink(self) -> Sink:
        return MemorySink(self._memory)

    def state(self) -> SinkState:
        return MemoryState(self._memory)

    def rows(self, table: TableName) -> list[dict[str, Any]]:
        rows = self._memory.rows(table)
        return [rows[key] for key in sorted(rows)]


class PostgresTarget:
    def __init__(self, url: str) -> None:
        self.schema = f"contract_{next(numbers)}"
        self._url = url
        self._sinks: list[Sink | SinkState] = []

    def sink(self) -> Sink:
        sink = PostgresSink(name="warehouse", url=self._url, topology=self.schema, group="g")
        sink.open()
        self._sinks.append(sink)
        return sink

    def state(self) -> SinkState:
        state = SqlState(name="warehouse", url=self._url, topology=self.schema, group="g")
        self._sinks.append(state)
        return state

    def rows(self, table: TableName) -> list[dict[str, Any]]:
        with psycopg.connect(self._url, row_factory=dict_row) as connection:
            return connection.execute(f"SELECT * FROM {table} ORDER BY 1").fetchall()  # type: ignore[arg-type]

    def close(self) -> None:
        for sink in self._sinks:
            sink.close()


class DeltaTarget:
    def __init__(self, folder: Path) -> None:
        self.schema = f"contract_{next(numbers)}"
        self.store = Store(str(folder))
        self.config = DeltaConfig(name="lake", type="delta", path=self.store.path)

    def sink(self) -> Sink:
        sink = DeltaSink(config=self.config, store=self.store, topology=self.schema, group="g")
        sink.open()
        return sink

    def state(self) -> SinkState:
        return DeltaState(config=self.config, store=self.store, topology=self.schema, group="g")

    def rows(self, table: TableName) -> list[dict[str, Any]]:
        found = self.store.open(place(table))
        assert found is not None, f"there is no table {table}"
        frame = self.store.scan(found).collect()
        return frame.sort(frame.columns[0]).to_dicts()


class DatabaseTarget:
    """A database that SQLAlchemy knows, by its address."""

    def __init__(self, url: str) -> None:
        self.schema = f"contract_{next(numbers)}"
        self.url = url
        self._options = {"name": "warehouse", "topology": self.schema, "group": "g", "names": MetaColumns()}

    def sink(self) -> Sink:
        sink = DatabaseSink(url=self.url, **self._options)  # type: ignore[arg-type]  # as they are
        sink.open()
        return sink

    def state(self) -> SinkState:
        return DatabaseState(url=self.url, **self._options)  # type: ignore[arg-type]  # likewise

    def rows(self, table: TableName) -> list[dict[str, Any]]:
        outer = {f"afflux.{role}": name for role, name in MetaColumns().model_dump().items()}
        with opened(self.url, table) as found:
            assert found is not None, f"there is no table {table}"
            frame = pl.concat([pl.DataFrame(schema=found.types), *found.blocks()])
            return frame.rename(lambda name: outer.get(name, name)).sort(frame.columns[0]).to_dicts()


def changes(
    target: Target,
    rows: list[tuple[Any, ...]],
    columns: tuple[TargetColumn, ...] = (ID, NOTE),
    *,
    masked: dict[str, list[bool]] | None = None,
    truncates: tuple[Truncate, ...] = (),
) -> TableChanges:
    """Rows are (shard, lsn, deleted, *values); the source's commit time is the LSN in seconds."""
    schema = {**META, **{c.name: c.type.dtype for c in columns}}
    data = [(shard, lsn, lsn * 1_000_000, deleted, *values) for shard, lsn, deleted, *values in rows]
    frame = (
        pl.DataFrame(data, schema=schema, orient="row")
        .with_columns(pl.lit(None, pl.Int64).alias(MOVED_AT))
        .with_row_index(SEQUENCE)
    )
    for name, mask in (masked or {}).items():
        frame = frame.with_columns(pl.Series(unchanged(name), mask))
    return TableChanges(TableName(target.schema, "t"), columns, ("id",), frame, truncates)


def batch(start: int, *tables: TableChanges, partition: Partition = ZERO, end: int | None = None) -> Batch:
    return Batch({partition: Span(start, start + 1 if end is None else end)}, tables)


def content(target: Target, *names: str) -> list[tuple[Any, ...]]:
    rows = target.rows(TableName(target.schema, "t"))
    return [tuple(row[name] for name in names or ("id", "note", "_shard")) for row in rows]

"""A PostgreSQL warehouse: each batch is staged by COPY, then applied by a few statements, in one transaction."""

import io
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import NoReturn, Protocol

import polars as pl
import psycopg
import structlog
from psycopg import errors as pg

from afflux import faults
from afflux.errors import RefusedError, TableError
from afflux.sinks.base import Sink
from afflux.sinks.batch import (
    DELETED,
    LINEAGE,
    LSN,
    MOVED_AT,
    SEQUENCE,
    SHARD,
    SOURCE_TS,
    Batch,
    Emptied,
    EventKey,
    LetterId,
    Mark,
    Mode,
    Partition,
    TableChanges,
    TableName,
    unchanged,
)
from afflux.sinks.sql import layout, refusals, statements
from afflux.sinks.sql.append import Append
from afflux.sinks.sql.contests import Contests
from afflux.sinks.sql.dead_letters import DeadLetters
from afflux.sinks.sql.emptied import Truncated
from afflux.sinks.sql.history import History
from afflux.sinks.sql.moves import Moves
from afflux.sinks.sql.positions import Positions
from afflux.sinks.sql.resyncs import Resyncs
from afflux.sinks.sql.session import connect, errors, first_line
from afflux.sinks.sql.stage import Stage
from afflux.sinks.sql.tables import Tables
from afflux.sinks.sql.truncations import Truncations
from afflux.sinks.sql.upsert import Contested, Upsert
from afflux.sinks.sql.watermarks import Watermarks
from afflux.topology.sinks import MetaColumns
from afflux.types.dates import timestamp_text

log = structlog.get_logger()

_LOCKS = 0x0AFF
"""The class of the advisory locks of target tables."""

_SLICE = 5_000
"""Rows that are sent at a time, so that PostgreSQL reads them while the next are written."""


class Writer(Protocol):
    """Writes staged changes into tables of one mode."""

    def write(
        self,
        connection: psycopg.Connection,
        changes: TableChanges,
        stage: Stage,
        departed: Stage | None,
        *,
        alone: bool,
    ) -> None:
        """Write what is staged, in the batch's transaction, with the table's lock held alone or with others."""
        ...


class PostgresSink(Sink):
    """Applies batches to PostgreSQL tables.

    Args:
        name: the sink's name in the topology, for messages.
        url: a libpq URL, secrets resolved.
        topology: the topology's name.
        group: the consumer group.
        names: what the columns of afflux's own are called.
    """

    def __init__(self, *, name: str, url: str, topology: str, group: str, names: MetaColumns | None = None) -> None:
        self.name = name
        self._url = url
        self._positions = Positions(topology, group)
        self._dead_letters = DeadLetters(self._positions.scope)
        self._moves = Moves(topology)
        self._resyncs = Resyncs(self._positions.scope)
        self._truncated = Truncated(self._positions.scope)
        self._watermarks = Watermarks(self._positions.scope)
        self._tables = Tables(self._positions.scope, names or MetaColumns())
        self._writers: dict[Mode, Writer] = {
            Mode.UPSERT: Upsert(Contests(topology), self._moves, Truncations(self._positions.scope), self._tables),
            Mode.APPEND: Append(),
            Mode.HISTORY: History(self._moves),
        }
        self._stages: dict[tuple[object, ...], Stage] = {}
        self._connection: psycopg.Connection | None = None

    def open(self) -> None:
        """See `Sink.open`."""
        with self._errors("open"):
            connection = self._connected()
            layout.prepare(connection)
            self._moves.forget_old(connection)

    def claim(
        self, partitions: Iterable[Partition], topic_ids: Mapping[str, str] | None = None
    ) -> dict[Partition, int]:
        """See `Sink.claim`."""
        with self._errors("claim partitions"):
            return self._positions.claim(self._connected(), partitions, topic_ids or {})

    def recreated(self, topic_ids: Mapping[str, str]) -> frozenset[str]:
        """See `Sink.recreated`."""
        with self._errors("read the ids of topics"):
            return self._positions.recreated(self._connected(), topic_ids)

    def rewound(self) -> frozenset[Partition]:
        """See `Sink.rewound`."""
        with self._errors("read which positions were changed"):
            return self._positions.rewound(self._connected())

    def apply(self, batch: Batch) -> None:
        """See `Sink.apply`."""
        with self._errors("apply a batch"):
            connection = self._connected()
            there = [changes for changes in batch.tables if self._tables.ensure(connection, changes)]
            alone = {changes.table for changes in there if changes.truncates or _twice(changes)}
            while True:
                try:
                    self._try(connection, batch, there, alone)
                except Contested as contested:
                    alone.add(contested.table)
                except pg.CardinalityViolation:
                    # A row that was waiting has met another shard's row of this batch under its key.
                    if alone >= {changes.table for changes in there}:
                        raise
                    alone |= {changes.table for changes in there}
                except refusals.REFUSALS as error:
                    self._refuse(connection, error, there)
                else:
                    return

    def open_dead_letters(self) -> dict[LetterId, EventKey]:
        """See `Sink.open_dead_letters`."""
        with self._errors("read dead letters"):
            return self._dead_letters.open(self._connected())

    def emptied(self) -> dict[Emptied, int]:
        """See `Sink.emptied`."""
        with self._errors("read truncates"):
            return self._truncated.read(self._connected())

    def stop_table(self, topic: str, reason: str) -> None:
        """See `Sink.stop_table`."""
        with self._errors("remember a stopped table"):
            values = {**self._positions.scope, "topic": topic, "reason": reason}
            self._connected().execute(statements.STOP_TABLE, values)

    def stopped_tables(self) -> dict[str, str]:
        """See `Sink.stopped_tables`."""
        with self._errors("read which tables are stopped"):
            return dict(self._connected().execute(statements.STOPPED_TABLES, self._positions.scope).fetchall())

    def pass_marks(self, marks: Collection[Mark], shards: Collection[str]) -> list[Mark]:
        """See `Sink.pass_marks`."""
        with self._errors("move watermarks"):
            return self._watermarks.pass_marks(self._connected(), marks, shards)

    def close(self) -> None:
        """See `Sink.close`."""
        if self._connection is not None:
            self._connection.close()
        self._connection = None

    def _try(
        self,
        connection: psycopg.Connection,
        batch: Batch,
        tables: Sequence[TableChanges],
        alone: Collection[TableName],
    ) -> None:
        """Apply everything in one transaction.

        Lanes of different shards write one table side by side; what concerns several shards' rows is done
        with the table's lock held alone.

        Raises:
            Contested: a table has to be locked alone; nothing was written.
        """
        wanted = [
            (changes, self._stage(connection, changes), self._departed(connection, changes)) for changes in tables
        ]
        with connection.transaction() as transaction:
            for changes, stage, departed in wanted:
                _copy(connection, changes.rows, stage)
                if changes.departed is not None and departed is not None:
                    _copy(connection, changes.departed, departed)
            faults.passing("staged")
            for changes in sorted(tables, key=lambda changes: changes.table):
                _lock(connection, changes.table, alone=changes.table in alone)
            if batch.spans and not self._positions.move(connection, batch.spans):
                raise psycopg.Rollback(transaction)
            self._dead_letters.write(connection, batch)
            self._resyncs.close(connection, batch.resynced)
            self._truncated.remember(connection, batch.emptied)
            for changes, stage, departed in wanted:
                writer = self._writers[changes.keeping.mode]
                writer.write(connection, changes, stage, departed, alone=changes.table in alone)
            faults.passing("written")
        faults.passing("committed")

    def _refuse(self, connection: psycopg.Connection, error: psycopg.Error, tables: Sequence[TableChanges]) -> NoReturn:
        """Find the rows that the target refuses, by trying them without keeping any.

        Raises:
            RefusedError: with the rows' events.
        """
        reasons: dict[int, str] = {}
        for changes in tables:
            reasons |= self._refused(connection, changes)
        raise RefusedError(reasons or {self._refused_at_last(connection, error, tables): first_line(error)}) from error

    def _refused(self, connection: psycopg.Connection, changes: TableChanges) -> dict[int, str]:
        """Find the rows of a table that the target refuses by themselves."""
        stage = self._stage(connection, changes)
        try:
            with connection.transaction(force_rollback=True):
                _lock(connection, changes.table, alone=True)
                return refusals.find(connection, changes.rows, stage, lambda rows: _copy(connection, rows, stage))
        except (*refusals.REFUSALS, pg.InsufficientPrivilege, pg.UndefinedObject):
            return {}  # a server that lets us run no block, or a refusal of another kind

    def _refused_at_last(
        self, connection: psycopg.Connection, error: psycopg.Error, tables: Sequence[TableChanges]
    ) -> int:
        """Find an event that is refused only when all is done as in earnest, by applying halves of the rows."""
        suspects = pl.concat([changes.rows.select(SEQUENCE) for changes in tables])[SEQUENCE].unique().sort().to_list()
        while len(suspects) > 1:
            half = suspects[: len(suspects) // 2]
            suspects = half if self._refuses(connection, tables, half) else suspects[len(half) :]
        if not suspects or not self._refuses(connection, tables, suspects):
            raise error
        return int(suspects[0])

    def _refuses(self, connection: psycopg.Connection, tables: Sequence[TableChanges], events: Sequence[int]) -> bool:
        """Tell whether the target refuses these events' rows; nothing is kept."""
        wanted = pl.col(SEQUENCE).is_in(events)
        some = [replace(changes, rows=changes.rows.filter(wanted), truncates=(), departed=None) for changes in tables]
        alone = {changes.table for changes in tables}
        try:
            with connection.transaction(force_rollback=True):
                self._try(connection, Batch({}), some, alone)
        except refusals.REFUSALS:
            return True
        except TableError:
            return False
        return False

    def _stage(self, connection: psycopg.Connection, changes: TableChanges, suffix: str = "") -> Stage:
        """Find the session's staging table for these columns, or make it."""
        rows = changes.departed if suffix and changes.departed is not None else changes.rows
        masked = tuple(c.name for c in changes.columns if unchanged(c.name) in rows.columns)
        wanted = (changes.table, changes.columns, changes.key, masked, self._tables.meta(changes), changes.with_shard)
        stage = self._stages.get((*wanted, suffix))
        if stage is None:
            stage = Stage(f"stage_{len(self._stages)}{suffix}", *wanted)
            connection.execute(stage.create())
            self._stages[*wanted, suffix] = stage
        return stage

    def _departed(self, connection: psycopg.Connection, changes: TableChanges) -> Stage | None:
        return None if changes.departed is None else self._stage(connection, changes, "_departed")

    def _connected(self) -> psycopg.Connection:
        if self._connection is None or self._connection.closed:
            self._connection = connect(self._url)
            self._stages.clear()
            self._tables.forget()
        return self._connection

    def _errors(self, doing: str) -> AbstractContextManager[None]:
        return errors(self.name, doing, self.close)


def _twice(changes: TableChanges) -> bool:
    """Tell whether rows of several shards have one key."""
    apart = changes.with_shard or changes.keeping.mode is not Mode.UPSERT
    shards = 1 if apart else changes.rows[SHARD].n_unique()
    return shards > 1 and changes.rows.select(changes.key).n_unique() < changes.rows.height


def _lock(connection: psycopg.Connection, table: TableName, *, alone: bool) -> None:
    kind = "" if alone else "_shared"
    connection.execute(f"SELECT pg_advisory_xact_lock{kind}({_LOCKS}, hashtext(%s))", [str(table)])


def _copy(connection: psycopg.Connection, rows: pl.DataFrame, stage: Stage) -> None:
    if rows.height:
        with connection.cursor().copy(stage.copy()) as copy:
            for part in rows.iter_slices(_SLICE):
                copy.write(_csv(part, stage))


def _csv(rows: pl.DataFrame, stage: Stage) -> bytes:
    """Write rows in the staging table's order of columns; NULL is nothing, an empty text is quoted."""
    series = [rows[SHARD], rows[LSN], timestamp_text(rows[SOURCE_TS]) + "+00", rows[DELETED], rows[MOVED_AT]]
    series.append(rows[SEQUENCE])
    series += [rows[name] for name in LINEAGE if stage.meta.keeping.traced]
    for column in stage.columns:
        values = rows[column.name]
        series.append("\\x" + values.bin.encode("hex") if values.dtype == pl.Binary else values)
    series += [rows[unchanged(name)] for name in stage.masked]
    out = io.BytesIO()
    frame = pl.DataFrame([values.alias(str(number)) for number, values in enumerate(series)])
    frame.write_csv(out, include_header=False, quote_style="necessary")
    return out.getvalue()

"""A database that SQLAlchemy knows: rows, positions and all other state move in one transaction."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import TypeVar

import sqlalchemy as sa
import structlog

from afflux import faults
from afflux.errors import TableError
from afflux.sinks.batch import Batch, Partition, TableName
from afflux.sinks.memory import MemorySink
from afflux.sinks.reference.batch import Plan, plan
from afflux.sinks.reference.columns import SYNCED_AT, Names
from afflux.sinks.reference.effects import effect
from afflux.sinks.reference.sink import ReferenceSink
from afflux.sinks.sql.dialects.database import Database, first_line
from afflux.sinks.sql.dialects.ledger import Ledger
from afflux.sinks.sql.dialects.tables import AsideMissing, Tables, Within
from afflux.topology.sinks import MetaColumns

log = structlog.get_logger()

Result = TypeVar("Result")


class DatabaseSink(ReferenceSink):
    """Applies batches to a database.

    What is true of the state is said by the reference, a target in memory, whose state the ledger keeps; so is what
    happens to the few rows whose fate columns alone do not tell. All others are written as they came.

    Args:
        name: the sink's name.
        url: of SQLAlchemy's form, secrets resolved.
        topology: the topology's name.
        group: the consumer group.
        names: what the columns of afflux's own are called.
    """

    def __init__(self, *, name: str, url: str, topology: str, group: str, names: MetaColumns) -> None:
        self._database = Database(url, name)
        self._ledger = Ledger(self._database, topology, group)
        super().__init__(name, self._ledger.memory)
        self._tables = Tables(self._database, Names(names), (topology, group))

    def open(self) -> None:
        """See `Sink.open`."""
        self._ledger.open(make=True)

    def claim(
        self, partitions: Iterable[Partition], topic_ids: Mapping[str, str] | None = None
    ) -> dict[Partition, int]:
        """See `Sink.claim`."""
        wanted = list(partitions)
        offsets = self._change("claim partitions", lambda sink: sink.claim(wanted, topic_ids))
        faults.passing("claiming")
        return offsets

    def rewound(self) -> frozenset[Partition]:
        """See `Sink.rewound`."""
        return self._read("read which positions were changed", lambda sink: sink.rewound())

    def apply(self, batch: Batch) -> None:
        """See `Sink.apply`."""
        with self._database.errors("make tables"):
            for changes in batch.tables:
                self._tables.ensure(changes)
        while True:
            try:
                self._ledger.change("apply a batch", lambda connection: self._apply(connection, batch))
            except AsideMissing as missing:
                self._tables.make_aside(missing.changes)
            else:
                faults.passing("committed")
                return

    def close(self) -> None:
        """See `Sink.close`."""
        self._tables.forget()
        self._database.close()

    def _apply(self, connection: sa.Connection, batch: Batch) -> None:
        """Apply a batch, in its transaction."""
        offsets = self._ledger.memory.offsets
        if batch.spans and all(offsets.get(p) == span.end for p, span in batch.spans.items()):
            self._reference.apply(Batch(batch.spans))
            log.info("batch was durable already", partitions=len(batch.spans))
            return
        tables = self._tables.all(connection)
        plans: list[Plan] = []
        for changes in batch.tables:
            with self._blaming(changes.table):
                planned = plan(changes, tables, self._ledger.memory)
            if planned is not None:
                plans.append(planned)
        settled = [planned.load(self._ledger.memory) for planned in plans]
        self._reference.apply(replace(batch, tables=tuple(changes for changes in settled if changes is not None)))
        faults.passing("staged")
        for planned in plans:
            with self._blaming(planned.changes.table):
                self._write(tables, planned)
        faults.passing("written")

    def _write(self, tables: Within, planned: Plan) -> None:
        """Write what a batch does to one table, and to that of its rows set aside."""
        target = tables.ensure(planned.changes)
        assert target is not None  # noqa: S101 - there is a plan for it
        written, change = planned.effects(self._ledger.memory)
        target.write(written)
        if change is not None and (change.rows.height or change.gone.height):
            aside = tables.aside(planned.changes, target, make=True)
            assert aside is not None  # noqa: S101 - it is there, or AsideMissing was raised
            names = [name for name in aside.types if name != SYNCED_AT]
            aside.write(effect(names, aside.key, aside.types, change.rows, change.gone))

    @contextmanager
    def _blaming(self, table: TableName) -> Iterator[None]:
        """Say which table's rows the database refuses, by a constraint or a trigger of somebody's: others go on."""
        try:
            yield
        except sa.exc.DBAPIError as error:
            if not self._database.dialect.is_refusal(error) or self._database.dialect.is_busy(error):
                raise
            raise TableError(
                f"table {table}: the database refuses rows of it: {first_line(error)}",
                table=str(table),
                hint="take away what refuses them, then `afflux tables resume`",
            ) from error

    def _read(self, doing: str, step: Callable[[MemorySink], Result]) -> Result:
        self._ledger.look(doing)
        return step(self._reference)

    def _change(self, doing: str, step: Callable[[MemorySink], Result]) -> Result:
        return self._ledger.change(doing, lambda _: step(self._reference))

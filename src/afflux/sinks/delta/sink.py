"""A Delta lake: a batch is decided by one commit of the ledger, and then written into its tables, a commit each."""

from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import replace

import structlog

from afflux import faults
from afflux.errors import SinkError
from afflux.sinks.batch import Batch, Partition
from afflux.sinks.delta import store as stores
from afflux.sinks.delta.keeper import Keeper
from afflux.sinks.delta.ledger import ASIDE, TABLES, Ledger
from afflux.sinks.delta.pledges import Pledges
from afflux.sinks.delta.store import Store
from afflux.sinks.delta.tables import Tables, place
from afflux.sinks.memory import MemorySink
from afflux.sinks.reference.batch import Plan, plan
from afflux.sinks.reference.codec import Record
from afflux.sinks.reference.columns import SYNCED_AT
from afflux.sinks.reference.effects import Effect, effect
from afflux.sinks.reference.sink import ReferenceSink, Result
from afflux.topology.sinks import DeltaSink as Config

log = structlog.get_logger()


class DeltaSink(ReferenceSink):
    """Applies batches to Delta tables.

    What is true of the state is said by the reference, a target in memory, whose state the ledger keeps: the ledger
    reads it, the reference changes it, and the ledger commits the difference, unless somebody else was first.

    Args:
        config: the sink's part of the topology.
        store: the lake.
        topology: the topology's name.
        group: the consumer group.
    """

    def __init__(self, *, config: Config, store: Store, topology: str, group: str) -> None:
        self._ledger = Ledger(store, topology, group)
        super().__init__(config.name, self._ledger.memory)
        self._tables = Tables(store, self._ledger.place, config)
        self._pledges = Pledges(store, self._ledger, self._tables.at)
        self._keeper = Keeper(store, config.upkeep)

    def open(self) -> None:
        """See `Sink.open`."""
        with self._errors("open"):
            self._ledger.open(make=True)
            self._pledges.sweep()

    def claim(
        self, partitions: Iterable[Partition], topic_ids: Mapping[str, str] | None = None
    ) -> dict[Partition, int]:
        """See `Sink.claim`."""
        with self._errors("claim partitions"):
            wanted = list(partitions)
            offsets = self._ledger.change(lambda _: self._reference.claim(wanted, topic_ids))
            faults.passing("claiming")
            self._pledges.redeem_of(wanted)
            return offsets

    def rewound(self) -> frozenset[Partition]:
        """See `Sink.rewound`."""
        with self._errors("read which positions were changed"):
            self._ledger.refresh()
            found = self._reference.rewound()
            self._pledges.redeem_overdue()
            return found

    def apply(self, batch: Batch) -> None:
        """See `Sink.apply`."""
        with self._errors("apply a batch"):
            for _ in self._ledger.attempts():
                self._ledger.refresh()
                if self._is_durable(batch) or self._decide(batch):
                    return
            raise SinkError(f"sink {self.name!r}: the state is changed by others all the time", transient=True)

    def close(self) -> None:
        """See `Sink.close`."""
        self._tables.forget()

    # --- a batch ----------------------------------------------------------------------------------

    def _is_durable(self, batch: Batch) -> bool:
        """Tell whether a batch was decided by an earlier attempt, and see that its tables have it."""
        offsets = self._ledger.memory.offsets
        if not batch.spans or any(offsets.get(p) != span.end for p, span in batch.spans.items()):
            return False
        self._reference.apply(Batch(batch.spans))
        self._pledges.redeem_of(batch.spans.keys())
        log.info("batch was durable already", partitions=len(batch.spans))
        return True

    def _decide(self, batch: Batch) -> bool:
        """Decide a batch and write it; False where somebody else has changed the state meanwhile."""
        self._pledges.await_others([place(changes.table) for changes in batch.tables])
        looked = [plan(changes, self._tables, self._ledger.memory) for changes in batch.tables]
        plans = [planned for planned in looked if planned is not None]
        settled = [planned.load(self._ledger.memory) for planned in plans]
        self._reference.apply(replace(batch, tables=tuple(changes for changes in settled if changes is not None)))
        faults.passing("staged")
        owed = [each for planned in plans for each in self._owed(planned)]
        pledge = self._pledges.make(owed, batch.spans.keys())
        modes = {place(planned.changes.table): str(planned.changes.keeping.mode) for planned in plans}
        known = self._ledger.others(TABLES)
        made = [Record(TABLES, where, modes.get(where, ASIDE)) for where, _ in owed if where not in known]
        if not self._ledger.commit([*self._pledges.records(pledge), *made]):
            self._pledges.drop(pledge)
            return False
        self._pledges.committed()
        faults.passing("written")
        counts = self._pledges.redeem(pledge) if pledge is not None else {}
        faults.passing("committed")
        for where, found in counts.items():
            target = self._tables.at(where)
            self._keeper.after(target, found, self._tables.order_of(target))
        return True

    def _owed(self, planned: Plan) -> list[tuple[str, Effect]]:
        """Give what is owed to a table, and to that of its rows set aside."""
        table = planned.changes.table
        written, change = planned.effects(self._ledger.memory)
        owed = [(place(table), written)]
        if change is not None and (change.rows.height or change.gone.height):
            aside = self._tables.aside(planned.changes, planned.found, make=True)
            assert aside is not None  # noqa: S101 - it is made
            names = [name for name in aside.types if name != SYNCED_AT]
            owed.append(
                (self._tables.aside_place(table), effect(names, aside.key, aside.types, change.rows, change.gone))
            )
        return owed

    def _read(self, doing: str, step: Callable[[MemorySink], Result]) -> Result:
        with self._errors(doing):
            self._ledger.refresh()
            return step(self._reference)

    def _change(self, doing: str, step: Callable[[MemorySink], Result]) -> Result:
        with self._errors(doing):
            return self._ledger.change(lambda _: step(self._reference))

    def _errors(self, doing: str) -> AbstractContextManager[None]:
        return stores.errors(self.name, doing)

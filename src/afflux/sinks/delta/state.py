"""The operator's side of a lake's state: the reference's own, on the state that the ledger keeps."""

from collections.abc import Callable, Collection, Mapping

from afflux.errors import NoStateError, SinkError
from afflux.sinks.batch import Mode, Partition, TableName
from afflux.sinks.delta.ledger import ASIDE, TABLES, Ledger
from afflux.sinks.delta.pledges import Cut, Pledges
from afflux.sinks.delta.store import Store, errors
from afflux.sinks.delta.tables import Tables
from afflux.sinks.memory_state import MemoryState
from afflux.sinks.reference.settle import Kind
from afflux.sinks.reference.state import ReferenceState, Result, load_contested
from afflux.topology.sinks import DeltaSink as Config


class DeltaState(ReferenceState):
    """The state that a sink of a topology keeps in a lake.

    Args:
        config: the sink's part of the topology.
        store: the lake.
        topology: the topology's name.
        group: the consumer group.
    """

    def __init__(self, *, config: Config, store: Store, topology: str, group: str) -> None:
        self._name = config.name
        self._ledger = Ledger(store, topology, group)
        super().__init__(self._ledger)
        self._tables = Tables(store, self._ledger.place, config)
        self._pledges = Pledges(store, self._ledger, self._tables.at)
        self._is_open = False

    def rewind(
        self, to: Mapping[Partition, int], topic_ids: Mapping[str, str], by: str, shards: Collection[str] = ()
    ) -> None:
        """See `SinkState.rewind`."""
        with errors(self._name, "rewind"):
            self._open()
            for _ in self._ledger.attempts():
                self._ledger.refresh()
                former = {p: self._ledger.memory.topic_ids.get(p, "") for p in to}
                places = [p for p, mode in self._ledger.others(TABLES).items() if mode in {Mode.APPEND, Mode.HISTORY}]
                self._pledges.await_others(places)
                self._reference.rewind(to, topic_ids, by, shards)
                cuts = [
                    Cut(partition, offset, f"{partition.topic}@{former[partition]}" if other else "")
                    for partition, offset in to.items()
                    for other in [former[partition] not in {"", topic_ids.get(partition.topic, former[partition])}]
                ]
                pledge = self._pledges.cut(places, cuts)
                if self._ledger.commit(self._pledges.records(pledge)):
                    self._pledges.committed()
                    if pledge is not None:
                        self._pledges.redeem(pledge)
                    return
            raise SinkError(f"sink {self._name!r}: the state is changed by others all the time", transient=True)

    def close(self) -> None:
        """See `SinkState.close`."""
        self._is_open = False

    def _load_contested(self) -> None:
        """Put the versions of contested rows into the state's memory, keys as texts."""
        for place, mode in self._ledger.others(TABLES).items():
            if mode != ASIDE:
                continue
            aside, shown = self._tables.at(place), self._tables.at(place.removeprefix(f"{self._ledger.place}/aside/"))
            hidden = aside.set_aside(Kind.CONTESTED)
            load_contested(self._ledger.memory, TableName(*shown.name.split(".", 1)), hidden, shown)

    def _read(self, doing: str, step: Callable[[MemoryState], Result]) -> Result:
        with errors(self._name, doing):
            self._open()
            self._ledger.refresh()
            return step(self._reference)

    def _change(self, doing: str, step: Callable[[MemoryState], Result]) -> Result:
        with errors(self._name, doing):
            self._open()
            return self._ledger.change(lambda _: step(self._reference))

    def _open(self) -> None:
        if not self._is_open and not self._ledger.open(make=False):
            raise NoStateError(
                f"sink {self._name!r} has no state yet: nothing was ever applied to this target",
                hint="`afflux run` makes it when it starts",
            )
        self._is_open = True

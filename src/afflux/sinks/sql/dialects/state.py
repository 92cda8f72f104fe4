"""The operator's side of a database's state: the reference's own, on the state that the ledger keeps."""

from collections.abc import Callable, Collection, Mapping
from typing import TypeVar

import sqlalchemy as sa

from afflux.errors import NoStateError
from afflux.sinks.batch import Partition
from afflux.sinks.memory_state import MemoryState
from afflux.sinks.reference.columns import Names
from afflux.sinks.reference.settle import Kind
from afflux.sinks.reference.state import ReferenceState, load_contested
from afflux.sinks.sql.dialects.database import Database
from afflux.sinks.sql.dialects.ledger import Ledger
from afflux.sinks.sql.dialects.tables import Tables
from afflux.topology.sinks import MetaColumns

Result = TypeVar("Result")


class DatabaseState(ReferenceState):
    """The state that a sink of a topology keeps in a database; the arguments are those of `DatabaseSink`."""

    def __init__(self, *, name: str, url: str, topology: str, group: str, names: MetaColumns) -> None:
        self._name = name
        self._database = Database(url, name)
        self._ledger = Ledger(self._database, topology, group)
        super().__init__(self._ledger)
        self._tables = Tables(self._database, Names(names), (topology, group))
        self._is_open = False
        self._connection: sa.Connection | None = None
        """The transaction that `_load_contested` is called in."""

    def rewind(
        self, to: Mapping[Partition, int], topic_ids: Mapping[str, str], by: str, shards: Collection[str] = ()
    ) -> None:
        """See `SinkState.rewind`."""

        def rewind(connection: sa.Connection) -> None:
            former = {p: self._ledger.memory.topic_ids.get(p, "") for p in to}
            self._reference.rewind(to, topic_ids, by, shards)
            self._tables.all(connection)
            for target in self._tables.logs(connection):
                for partition, offset in to.items():
                    was = former[partition]
                    if was and was != topic_ids.get(partition.topic, was):
                        target.rename(partition.topic, partition.number, f"{partition.topic}@{was}")
                    target.cut_back(partition.topic, partition.number, offset)

        self._open()
        self._ledger.change("rewind", rewind)

    def close(self) -> None:
        """See `SinkState.close`."""
        self._is_open = False
        self._database.close()

    def _load_contested(self) -> None:
        assert self._connection is not None  # noqa: S101 - it is called within a change
        self._tables.all(self._connection)
        for aside, shown in self._tables.asides(self._connection):
            load_contested(self._ledger.memory, shown.of, aside.set_aside(Kind.CONTESTED), shown)

    def _read(self, doing: str, step: Callable[[MemoryState], Result]) -> Result:
        self._open()
        self._ledger.look(doing)
        return step(self._reference)

    def _change(self, doing: str, step: Callable[[MemoryState], Result]) -> Result:
        def changed(connection: sa.Connection) -> Result:
            self._connection = connection
            try:
                return step(self._reference)
            finally:
                self._connection = None

        self._open()
        return self._ledger.change(doing, changed)

    def _open(self) -> None:
        if not self._is_open and not self._ledger.open(make=False):
            raise NoStateError(
                f"sink {self._name!r} has no state yet: nothing was ever applied to this target",
                hint="`afflux run` makes it when it starts",
            )
        self._is_open = True

"""A sink's own state, and what each batch has decided: a log of records, which is a Delta table of its own.

A commit to it is the one moment at which a batch is decided: positions, dead letters, and what is to be written
into which tables (`pledges.py`). Every commit says which number it has, as an application transaction of the Delta
log, so that of two workers that decide on one state the second one is refused by the log itself, reads again, and
finds that it has been replaced, or decides anew.

The state of the table is the last record of each kind and key. Now and then it is written anew without the others.
"""

import random
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from typing import TypeVar

import pyarrow as pa
import pyarrow.parquet as pq
import structlog
from deltalake import CommitProperties, DeltaTable, Transaction, write_deltalake
from deltalake.exceptions import CommitFailedError, DeltaError

from afflux.errors import SinkError
from afflux.sinks.delta.store import Store, folder
from afflux.sinks.memory import Memory
from afflux.sinks.reference.codec import Record
from afflux.sinks.reference.records import Entries, Records, layout

log = structlog.get_logger()

Result = TypeVar("Result")

TABLES = "tables"
"""The kind of records whose keys are the places of the tables that were ever written; their values say the mode."""
ASIDE = "aside"
"""Instead of a mode: a table of rows set aside."""

_SCHEMA = pa.schema(
    [
        pa.field("number", pa.int64(), nullable=False),
        pa.field("at", pa.timestamp("us", "UTC"), nullable=False),
        pa.field("kind", pa.string(), nullable=False),
        pa.field("key", pa.string(), nullable=False),
        pa.field("value", pa.string()),
    ]
)
_PROPERTIES = {
    "delta.checkpointInterval": "100",
    "delta.logRetentionDuration": "interval 1 hours",
    "delta.deletedFileRetentionDuration": "interval 1 hours",
}
_MOST_FILES = 200
"""Commits after which the log is written anew."""
_ATTEMPTS = 60
_PAUSE_SECONDS = 0.05


class Ledger:
    """The state of one consumer group of one topology, as a `Memory` that is kept in a lake.

    Args:
        store: the lake.
        topology: the topology's name; several topologies may share a lake.
        group: the consumer group.
    """

    def __init__(self, store: Store, topology: str, group: str) -> None:
        self._store = store
        self.place = f"_afflux/{folder(topology)}/{folder(group)}"
        self.lane = f"afflux/{topology}/{group}"
        """The name of the application transactions that carry numbers of this ledger's commits."""
        self._records = Records()
        self.memory = self._records.memory
        """The state, without rows. Changed freely, and then committed or taken back."""
        self.number = 0
        """Of the last commit."""
        self._table: DeltaTable | None = None
        self._files: set[str] = set()

    def open(self, *, make: bool) -> bool:
        """Read the state.

        Args:
            make: bring it into being where there is none.

        Returns:
            Whether there is one.

        Raises:
            SinkError: it has another version's layout.
        """
        place = f"{self.place}/ledger"
        self._table = self._store.open(place)
        if self._table is None and make:
            self._table = self._store.create(place, _SCHEMA, _PROPERTIES)
        self._files = set()
        if self._table is None:
            return False
        self.refresh()
        if not self._records.begun and make:
            self.commit([layout()])
            self.refresh()
        return True

    def refresh(self) -> None:
        """Learn what others have committed, and take back what was changed and not committed."""
        table = self._table = self._store.renewed(self._opened())
        files = _files(table)
        if self._files - files:
            self._records.forget()
            self._files = set()
        new = sorted(files - self._files)
        parts = [self._store.read(f"{self.place}/ledger/{path}") for path in new]
        if None in parts:
            raise SinkError("the state was written anew at this moment", transient=True)
        if parts:
            self._read(pa.concat_tables(pq.read_table(pa.BufferReader(part)) for part in parts if part is not None))
        self._files = files
        self._records.take_back()

    def commit(self, further: Iterable[Record] = ()) -> bool:
        """Commit the changed state, with further records.

        Returns:
            Whether it is committed; False where somebody else was first, and `refresh` is due.
        """
        at = datetime.now(UTC)
        records = [*self._records.changed(), *further]
        if not records:
            return True
        table, number = self._opened(), self.number + 1
        anew = len(self._files) >= _MOST_FILES
        rows = {(r.kind, r.key): (r.value, at) for r in records}
        if anew:
            rows = {place: row for place, row in {**self._records.entries(), **rows}.items() if row[0] is not None}
        try:
            write_deltalake(
                table,
                _arrow(number, rows),
                mode="overwrite" if anew else "append",
                commit_properties=CommitProperties(app_transactions=[Transaction(self.lane, number)]),
            )
        except CommitFailedError:
            return False
        self._files = _files(table)
        self.number = number
        self._records.committed(records, at)
        if anew:
            self._clear(table)
        return True

    def change(self, step: Callable[[Memory], Result]) -> Result:
        """Change the state, whoever else does so at the same time.

        Args:
            step: changes it; called again on the newer state where somebody else was first.
        """
        for _ in self.attempts():
            self.refresh()
            result = step(self.memory)
            if self.commit():
                return result
        raise SinkError("the state is changed by others all the time", transient=True)

    def attempts(self) -> Iterator[int]:
        """Count attempts to commit, with a pause between them."""
        for attempt in range(_ATTEMPTS):
            if attempt:
                time.sleep(random.uniform(0, _PAUSE_SECONDS * min(attempt, 10)))  # noqa: S311 - jitter
            yield attempt

    def others(self, kind: str) -> dict[str, str]:
        """Give the entries of a kind that is no part of a `Memory`, by key."""
        return self._records.others(kind)

    def time_of(self, kind: str, key: object) -> datetime:
        """Tell when an entry of the state last changed."""
        return self._records.time_of(kind, key)

    # --- records ----------------------------------------------------------------------------------

    def _read(self, table: pa.Table) -> None:
        columns = (table.sort_by("number")[name].to_pylist() for name in _SCHEMA.names)
        for number, at, kind, key, value in zip(*columns, strict=True):
            self.number = max(self.number, number)
            self._records.put(Record(kind, key, value), at)

    def _clear(self, table: DeltaTable) -> None:
        """Remove what no reader of the state needs any more."""
        try:
            table.vacuum(retention_hours=1, enforce_retention_duration=False, dry_run=False)
        except (DeltaError, OSError) as error:
            log.warning("state not cleared", reason=str(error))

    def _opened(self) -> DeltaTable:
        if self._table is None:
            raise SinkError(
                "the lake has no state yet: nothing was ever applied to it", hint="`afflux run` makes it when it starts"
            )
        return self._table


def _files(table: DeltaTable) -> set[str]:
    return set(pa.table(table.get_add_actions())["path"].to_pylist())


def _arrow(number: int, rows: Entries) -> pa.Table:
    return pa.Table.from_arrays(
        [
            pa.array([number] * len(rows), pa.int64()),
            pa.array([at for _, at in rows.values()], pa.timestamp("us", "UTC")),
            pa.array([kind for kind, _ in rows], pa.string()),
            pa.array([key for _, key in rows], pa.string()),
            pa.array([value for value, _ in rows.values()], pa.string()),
        ],
        schema=_SCHEMA,
    )

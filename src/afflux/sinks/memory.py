"""A target in memory: the contract of a sink in its shortest form, for tests and as an example.

Several sinks may share one `Memory`, as several workers share one warehouse.
"""

import threading
from collections.abc import Collection, Iterable, Mapping
from copy import copy
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from afflux.errors import Fenced, TableError
from afflux.sinks.base import (
    DELETED,
    LSN,
    MOVED_AT,
    SHARD,
    SOURCE_TS,
    Batch,
    DeadLetter,
    EventKey,
    LetterId,
    Mark,
    Partition,
    Sink,
    TableChanges,
    TableName,
    Truncate,
    unchanged,
)
from afflux.sinks.letters import close, concerns
from afflux.sinks.state import REWOUND, LetterState, Watermark

Row = dict[str, Any]
Versions = dict[tuple[Any, ...], dict[str, Row]]
"""By key, each shard's version of the row."""


@dataclass(frozen=True, slots=True)
class KeptLetter:
    """A dead letter, and what has become of it."""

    letter: DeadLetter
    state: LetterState
    first_seen: datetime
    last_seen: datetime


@dataclass
class Memory:
    """What a warehouse holds: rows by key and shard, and where its sinks stand."""

    tables: dict[TableName, Versions] = field(default_factory=dict)
    moves: dict[tuple[TableName, str, int], Row] = field(default_factory=dict)
    waiting: dict[tuple[TableName, str, int], Row] = field(default_factory=dict)
    """Events that came from another key before its delete did."""
    offsets: dict[Partition, int] = field(default_factory=dict)
    epochs: dict[Partition, int] = field(default_factory=dict)
    owners: dict[Partition, str] = field(default_factory=dict)
    topic_ids: dict[Partition, str] = field(default_factory=dict)
    letters: dict[LetterId, KeptLetter] = field(default_factory=dict)
    stopped: dict[str, str] = field(default_factory=dict)
    watermarks: dict[str, Watermark] = field(default_factory=dict)
    lock: threading.RLock = field(default_factory=threading.RLock)
    """Held for the length of a transaction."""

    truncations: list[tuple[TableName, Truncate]] = field(default_factory=list)
    """Truncates that older rows may still come after."""
    with_shard: set[TableName] = field(default_factory=set)

    def rows(self, table: TableName) -> dict[tuple[Any, ...], Row]:
        """Give a table as a reader sees it: of two shards' rows with one key, the one that changed last."""
        if table in self.with_shard:
            return {(*key, s): row for key, versions in self.tables[table].items() for s, row in versions.items()}
        shown = {}
        for key, versions in self.tables.get(table, {}).items():
            if versions:
                shown[key] = max(versions.values(), key=lambda row: (row["_source_ts"], row["_shard"]))
        return shown

    @property
    def dead(self) -> dict[LetterId, DeadLetter]:
        """The open dead letters."""
        return {at: kept.letter for at, kept in self.letters.items() if kept.state is LetterState.OPEN}

    def set_state(self, letters: Iterable[LetterId], state: LetterState) -> None:
        """Say what has become of dead letters."""
        now = datetime.now(UTC)
        self.letters.update({at: replace(self.letters[at], state=state, last_seen=now) for at in letters})

    def copied(self) -> dict[str, Any]:
        """Copy what a transaction may change, to go back to when it fails."""
        copies = {name: copy(value) for name, value in vars(self).items() if name != "lock"}
        tables = {table: {key: dict(row) for key, row in rows.items()} for table, rows in self.tables.items()}
        return {**copies, "tables": tables}


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

    def claim(
        self, partitions: Iterable[Partition], topic_ids: Mapping[str, str] | None = None
    ) -> dict[Partition, int]:
        """See `Sink.claim`."""
        memory, offsets = self._memory, {}
        with memory.lock:
            for partition in partitions:
                self._epochs[partition] = memory.epochs[partition] = memory.epochs.get(partition, 0) + 1
                memory.owners[partition] = self.name
                if (topic_ids or {}).get(partition.topic):
                    memory.topic_ids.setdefault(partition, (topic_ids or {})[partition.topic])
                offsets[partition] = memory.offsets.setdefault(partition, 0)
        return offsets

    def recreated(self, topic_ids: Mapping[str, str]) -> frozenset[str]:
        """See `Sink.recreated`."""
        known = self._memory.topic_ids.items()
        return frozenset(p.topic for p, of in known if topic_ids.get(p.topic) and topic_ids[p.topic] != of)

    def rewound(self) -> frozenset[Partition]:
        """See `Sink.rewound`."""
        return frozenset(partition for partition, owner in self._memory.owners.items() if owner.startswith(REWOUND))

    def open_dead_letters(self) -> dict[LetterId, EventKey]:
        """See `Sink.open_dead_letters`."""
        return {at: key for at, letter in self._memory.dead.items() if (key := letter.event_key) is not None}

    def stop_table(self, topic: str, reason: str) -> None:
        """See `Sink.stop_table`."""
        self._memory.stopped[topic] = reason

    def stopped_tables(self) -> dict[str, str]:
        """See `Sink.stopped_tables`."""
        return dict(self._memory.stopped)

    def pass_marks(self, marks: Collection[Mark], shards: Collection[str]) -> list[Mark]:
        """See `Sink.pass_marks`."""
        memory, now = self._memory, datetime.now(UTC)
        with memory.lock:
            none_yet = {shard: Watermark(shard, None, None, now) for shard in shards}
            memory.watermarks = {shard: memory.watermarks.get(shard, new) for shard, new in none_yet.items()}
            passed = [mark for mark in marks if all(_reached(memory, mark, p, end) for p, end in mark.ends.items())]
            for mark in passed:
                known = memory.watermarks.get(mark.shard)
                topics = {partition.topic for partition in mark.ends}
                dead = sum(letter.partition.topic in topics for letter in memory.dead)
                stopped = tuple(sorted(topics & memory.stopped.keys()))
                if known and (known.time is None or known.time <= mark.time):
                    memory.watermarks[mark.shard] = Watermark(mark.shard, mark.time, mark.lsn, now, stopped, dead)
            return passed

    def apply(self, batch: Batch) -> None:
        """See `Sink.apply`."""
        memory = self._memory
        with memory.lock:
            before = memory.copied()
            try:
                self._apply(batch)
            except BaseException:
                vars(memory).update(before)
                raise

    def _apply(self, batch: Batch) -> None:
        memory = self._memory
        if any(memory.epochs.get(p) != self._epochs.get(p) for p in batch.spans):
            raise Fenced("another worker has claimed a partition of this batch")
        if batch.spans and all(memory.offsets[p] == span.end for p, span in batch.spans.items()):
            return
        if any(memory.offsets[p] != span.start for p, span in batch.spans.items()):
            raise Fenced("a position was changed by somebody else")
        still_open = {at: letter.event_key for at, letter in memory.dead.items()}
        closed = close(batch, {at: key for at, key in still_open.items() if concerns(batch, at, key)})
        for changes in batch.tables:
            _write(memory, changes)
        memory.set_state(closed.superseded, LetterState.SUPERSEDED)
        memory.set_state(closed.applied, LetterState.REPLAYED)
        for letter in batch.dead:
            _keep(memory, letter)
        memory.offsets.update({p: span.end for p, span in batch.spans.items()})
        memory.truncations = [(name, t) for name, t in memory.truncations if _may_come(memory, t)]


def _reached(memory: Memory, mark: Mark, partition: Partition, end: int) -> bool:
    """Tell whether the target stands at the end that a mark has in a partition, or does not read it on."""
    known = memory.topic_ids.get(partition)
    same = known is None or mark.topic_ids.get(partition.topic, known) == known
    return partition.topic in memory.stopped or (same and memory.offsets.get(partition, 0) >= end)


def _may_come(memory: Memory, truncate: Truncate) -> bool:
    """Tell whether rows older than a truncate may still come, by a partition or from the dead letters."""
    dead = any(letter.partition == p and letter.offset < end for p, end in truncate.until for letter in memory.dead)
    return dead or any(memory.offsets.get(p, 0) < end for p, end in truncate.until)


def _keep(memory: Memory, letter: DeadLetter) -> None:
    now = datetime.now(UTC)
    first = memory.letters[letter.id].first_seen if letter.id in memory.letters else now
    state = LetterState.SUPERSEDED if letter.superseded else LetterState.OPEN
    memory.letters[letter.id] = KeptLetter(letter, state, first, now)


def _write(memory: Memory, changes: TableChanges) -> None:
    memory.tables.setdefault(changes.table, {})
    if changes.with_shard:
        memory.with_shard.add(changes.table)
    for truncate in changes.truncates:
        _truncate(memory, changes, truncate)
    if changes.departed is not None:
        for event in changes.departed.iter_rows(named=True):
            memory.moves[changes.table, event[SHARD], event[LSN]] = _row(
                changes, event, _before(memory, changes, event)
            )
    # What is unchanged is taken from the rows as they were before any of the batch is applied.
    found = [(event, _before(memory, changes, event)) for event in changes.rows.iter_rows(named=True)]
    for event, before in found:
        if not any(name == changes.table and _is_older(event, t) for name, t in memory.truncations):
            _apply(memory, changes, event, before)
    for at in memory.waiting.keys() & memory.moves.keys():
        if at[0] == changes.table:
            waited = memory.waiting.pop(at)
            _apply(memory, changes, waited, _before(memory, changes, waited))


def _apply(memory: Memory, changes: TableChanges, event: Row, before: Row) -> None:
    for at, waited in list(memory.waiting.items()):
        if at[:2] == (changes.table, event[SHARD]) and _key(changes, waited) == _key(changes, event):
            del memory.waiting[at]
            event = _merged(changes, waited, event)
            before = _before(memory, changes, event)
    versions = memory.tables[changes.table].setdefault(_key(changes, event), {})
    incomplete = any(event.get(unchanged(c.name)) and c.name not in before for c in changes.columns)
    if event[DELETED]:
        versions.pop(event[SHARD], None)
    elif changes.several and incomplete and event[MOVED_AT] is not None:
        memory.waiting[changes.table, event[SHARD], event[MOVED_AT]] = event
    else:
        versions[event[SHARD]] = _row(changes, event, before)
        memory.moves.pop((changes.table, event[SHARD], event[MOVED_AT]), None)


def _merged(changes: TableChanges, waited: Row, later: Row) -> Row:
    """Give a waiting event what a later one says; one that leaves nothing out takes its place."""
    left_out = [c.name for c in changes.columns if later.get(unchanged(c.name))]
    if later[DELETED] or not left_out:
        return later
    kept = {name: waited[name] for name in left_out}
    masks = {unchanged(name): waited.get(unchanged(name), False) for name in left_out}
    return {**later, **kept, **masks, MOVED_AT: waited[MOVED_AT]}


def _truncate(memory: Memory, changes: TableChanges, truncate: Truncate) -> None:
    if truncate.until:
        memory.truncations.append((changes.table, truncate))
    for versions in memory.tables[changes.table].values():
        if truncate.shard in versions and versions[truncate.shard]["_lsn"] < truncate.lsn:
            del versions[truncate.shard]
    for at in list(memory.waiting):
        if at[:2] == (changes.table, truncate.shard) and at[2] < truncate.lsn:
            del memory.waiting[at]


def _is_older(event: Row, truncate: Truncate) -> bool:
    return bool(event[SHARD] == truncate.shard and event[LSN] < truncate.lsn)


def _key(changes: TableChanges, event: Row) -> tuple[Any, ...]:
    return tuple(event[name] for name in changes.key)


def _before(memory: Memory, changes: TableChanges, event: Row) -> Row:
    """Find the row whose values an event left out: its own, or that of its former key."""
    if event[MOVED_AT] is not None:
        return memory.moves.get((changes.table, event[SHARD], event[MOVED_AT]), {})
    return memory.tables[changes.table].get(_key(changes, event), {}).get(event[SHARD], {})


def _row(changes: TableChanges, event: Row, before: Row) -> Row:
    row = {}
    for column in changes.columns:
        left_out = event.get(unchanged(column.name))
        if left_out and column.name not in before and not event[DELETED]:
            reason = f"table {changes.table}: a row came without {column.name!r}, and was never here"
            raise TableError(reason, table=str(changes.table))
        row[column.name] = before.get(column.name) if left_out else event[column.name]
    return {**before, **row, "_shard": event[SHARD], "_lsn": event[LSN], "_source_ts": event[SOURCE_TS]}

"""What a target in memory holds."""

import threading
from collections.abc import Iterable
from copy import copy
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from afflux.sinks.batch import DeadLetter, Emptied, LetterId, Partition, TableName, Truncate
from afflux.sinks.collisions import Contest
from afflux.sinks.resyncs import Resync
from afflux.sinks.shards import SeenShard
from afflux.sinks.state import LetterState, Watermark

Row = dict[str, Any]
Versions = dict[tuple[Any, ...], dict[str, Row]]
"""By key, each shard's version of the row."""
Place = tuple[str, int, int]
"""Where an event was read: topic, partition, offset."""
Move = tuple[TableName, str, int]
"""A change of key: the table, the shard, its LSN."""


@dataclass(frozen=True, slots=True)
class KeptLetter:
    """A dead letter, and what has become of it."""

    letter: DeadLetter
    state: LetterState
    first_seen: datetime
    last_seen: datetime
    told: bool = False


@dataclass(slots=True)
class Departed:
    """A row as it was when its key changed.

    Attributes:
        row: its values, as far as they are known.
        origin: the change of key that brought the row there, whose departed row knows the others.
    """

    row: Row
    origin: Move | None = None


@dataclass
class Memory:
    """What a warehouse holds: rows by key and shard, and where its sinks stand."""

    tables: dict[TableName, Versions] = field(default_factory=dict)
    logs: dict[TableName, dict[Place, Row]] = field(default_factory=dict)
    """Changes, or versions of rows, by the events that they came by."""
    moves: dict[Move, Departed] = field(default_factory=dict)
    waiting: dict[Move, Row] = field(default_factory=dict)
    """Events that came from another key before its delete did."""
    offsets: dict[Partition, int] = field(default_factory=dict)
    epochs: dict[Partition, int] = field(default_factory=dict)
    owners: dict[Partition, str] = field(default_factory=dict)
    topic_ids: dict[Partition, str] = field(default_factory=dict)
    letters: dict[LetterId, KeptLetter] = field(default_factory=dict)
    stopped: dict[str, str] = field(default_factory=dict)
    watermarks: dict[str, Watermark] = field(default_factory=dict)
    contests: dict[tuple[str, str], Contest] = field(default_factory=dict)
    """By table and key, as they were last looked at."""
    emptied: dict[Emptied, int] = field(default_factory=dict)
    """The commit times of the newest truncates, in microseconds since 1970."""
    shards: dict[str, SeenShard] = field(default_factory=dict)
    """By name, those that were ever read from."""
    resyncs: dict[str, Resync] = field(default_factory=dict)
    """By topic, the newest one."""
    lock: threading.RLock = field(default_factory=threading.RLock)
    """Held for the length of a transaction."""

    truncations: list[tuple[TableName, Truncate]] = field(default_factory=list)
    """Truncates that older rows may still come after."""
    with_shard: set[TableName] = field(default_factory=set)

    def rows(self, table: TableName) -> dict[tuple[Any, ...], Row]:
        """Give a table as a reader sees it: of two shards' rows with one key, the one that changed last."""
        if table in self.logs:
            return dict(sorted(self.logs[table].items()))
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
        logs = {table: {place: dict(row) for place, row in rows.items()} for table, rows in self.logs.items()}
        moves = {move: copy(departed) for move, departed in self.moves.items()}
        return {**copies, "tables": tables, "logs": logs, "moves": moves}

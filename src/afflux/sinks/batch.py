"""What the stream hands to a target: batches of changes, the columns of their frames, and the marks of time."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

import polars as pl

from afflux.types.postgres import PgType

SHARD = "afflux.shard"
"""Frame column: the shard's name (text)."""
LSN = "afflux.lsn"
"""Frame column: the position in the shard's WAL (integer)."""
SOURCE_TS = "afflux.source_ts"
"""Frame column: the source's commit time (microseconds since 1970, integer)."""
DELETED = "afflux.deleted"
"""Frame column: whether the row is gone (boolean)."""
META = (SHARD, LSN, SOURCE_TS, DELETED)
SEQUENCE = "afflux.sequence"
"""Frame column: the order of arrival of an event, or of the last that made a row (integer); within a partition Kafka's."""
MOVED_AT = "afflux.moved_at"
"""Frame column: the LSN of the change of key that brought a row here (integer, or null)."""
OP = "afflux.op"
"""Frame column: what an event is (text): `c`, `r`, `u`, `d` or `t`."""
TOPIC = "afflux.topic"
"""Frame column: the topic that an event came by (text)."""
PARTITION = "afflux.partition"
"""Frame column: the partition of that topic (integer)."""
OFFSET = "afflux.offset"
"""Frame column: the event's offset there (integer)."""
TRANSACTION = "afflux.transaction"
"""Frame column: the source's transaction id (integer, or null)."""
LINEAGE = (OP, TOPIC, PARTITION, OFFSET, TRANSACTION)


def unchanged(column: str) -> str:
    """Name the frame column that says where a value is unchanged and not known (boolean)."""
    return f"afflux.unchanged.{column}"


class Partition(NamedTuple):
    """One partition of a topic."""

    topic: str
    number: int


class LetterId(NamedTuple):
    """Where an event was read; a dead letter is known by it. Written `topic:partition:offset`."""

    partition: Partition
    offset: int

    def __str__(self) -> str:
        return f"{self.partition.topic}:{self.partition.number}:{self.offset}"

    def is_before(self, other: "LetterId") -> bool:
        """Tell whether the event came before another one of its key.

        The events of a key are in one partition; they are in several only where a topic has been given more
        partitions, and then those of the others are the older ones.
        """
        return self.partition != other.partition or self.offset < other.offset


class Span(NamedTuple):
    """The offsets that a batch takes a partition through: from `start` up to, not including, `end`."""

    start: int
    end: int


class TableName(NamedTuple):
    """A table of the target."""

    schema: str
    name: str

    def __str__(self) -> str:
        return f"{self.schema}.{self.name}"


class Mode(StrEnum):
    """What a target table holds."""

    UPSERT = "upsert"
    """Each row as it is now."""
    APPEND = "append"
    """Each change as a row of its own."""
    HISTORY = "history"
    """Each version of a row, with the times between which it was the one."""


@dataclass(frozen=True, slots=True)
class Keeping:
    """How a table keeps what happens to its rows; the same for all of its changes.

    Attributes:
        mode: what it holds.
        soft: of `Mode.UPSERT`: a deleted row stays and is marked, until it is inserted again.
        lineage: whether rows say by which event they came; those of the other modes always do.
        shared: whether other topologies may write the table, too.
    """

    mode: Mode = Mode.UPSERT
    soft: bool = False
    lineage: bool = False
    shared: bool = False

    @property
    def traced(self) -> bool:
        """Whether rows hold the columns of `LINEAGE`."""
        return self.lineage or self.mode is not Mode.UPSERT


@dataclass(frozen=True, slots=True)
class TargetColumn:
    """A column that a target table has to have."""

    name: str
    type: PgType


@dataclass(frozen=True, slots=True)
class Truncate:
    """All rows of a shard older than `lsn` are gone.

    Attributes:
        shard: whose rows.
        lsn: the truncate's own position.
        topic: the topic that it came by.
        until: the ends of that topic's partitions when the truncate was read, where there are several:
            until the target stands at all of them, rows older than the truncate may still come.
        source_ts: the source's commit time, in microseconds since 1970.
        partition: the number of the partition of `topic` that it came by.
        offset: its offset there.
        transaction: the source's transaction id.
    """

    shard: str
    lsn: int
    topic: str = ""
    until: tuple[tuple[Partition, int], ...] = ()
    source_ts: int = 0
    partition: int = 0
    offset: int = 0
    transaction: int | None = None


@dataclass(frozen=True, slots=True)
class TableChanges:
    """What a batch does to one target table.

    Of a table in `Mode.UPSERT`, the net effect; of one in the other modes, every event in its order.

    A row's key may be equal to that of a row in the target though its bytes differ (numeric 1.5 and 1.50):
    the target's own equality decides. An event under other bytes that is not newer, by its LSN, than the
    target's row says nothing of that row.

    Attributes:
        table: where.
        columns: the source's columns, the key's among them.
        key: the names of the key's columns, in the key's order; without any in `Mode.APPEND` alone.
        rows: the columns of `META`, `SEQUENCE`, `MOVED_AT`, the source's columns, those of `LINEAGE` where
            `keeping.traced`, and for each column with an unknown unchanged value one named by `unchanged`.
            Upsert: at most one row a shard and key. Of a deleted row only the key's columns hold values;
            where deletes are soft, it holds what the batch knows of the row as it last was, and the target's
            own row holds what is unchanged and unknown (where there is none, nothing is known to mark).
            Append: a row an event, with what that event says and no more, truncates among them.
            History: a row an event, truncates among them, with the values that the batch knows; those that
            are unknown are of the version before, or where `MOVED_AT` says so of the departed row.
            A truncate (`OP` is `t`) has no key and no values; it is `DELETED`.
        truncates: applied before the rows. In history they are those of `rows`, again; in append none.
        departed: rows as they were when their key changed, for other halves of the changes to take
            unchanged values from; the columns of `rows`, with `LSN` the change's. A value that is
            unknown here too is that of the target's row of this shard and key, before this batch.
        with_shard: whether the shard is part of the target's key, so that equal keys of shards are rows apart.
        several: whether a topic of the table has several partitions, so that the halves of a key change may
            come in any order.
        keeping: how the table keeps its rows. A sink that can't keep them so refuses with a TableError.
    """

    table: TableName
    columns: tuple[TargetColumn, ...]
    key: tuple[str, ...]
    rows: pl.DataFrame
    truncates: tuple[Truncate, ...] = ()
    departed: pl.DataFrame | None = None
    with_shard: bool = False
    several: bool = False
    keeping: Keeping = Keeping()


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """An event that could not be applied.

    Attributes:
        partition: where it was read.
        offset: its offset there.
        key: the key's bytes, if it has one.
        value: the event's bytes.
        headers: its headers.
        kind: what is wrong, in a word or two; `HELD` for one that needs an earlier one's values.
        reason: the error's text.
        superseded: whether a later event of the key has made it irrelevant already.
    """

    partition: Partition
    offset: int
    key: bytes | None
    value: bytes
    headers: tuple[tuple[str, bytes | None], ...]
    kind: str
    reason: str
    superseded: bool = False

    @property
    def id(self) -> LetterId:
        """What it is known by."""
        return LetterId(self.partition, self.offset)

    @property
    def event_key(self) -> "EventKey | None":
        """Its key, None where it has none that could be one."""
        return event_key(self.partition.topic, self.key)


HELD = "held"
"""The kind of a dead letter that is in order itself, and waits for an earlier one of its key."""

WIRE_HEADER = 5
"""Bytes before the body of a message: a zero, and the schema's id (the Confluent wire format)."""


class EventKey(NamedTuple):
    """The key of events: a topic, and a key's bytes behind the schema's id.

    A key's new schema, such as that of an integer which has become a bigint, changes the id alone.
    """

    topic: str
    key: bytes


def event_key(topic: str, key: bytes | None) -> EventKey | None:
    """Give an event's key; None where it has none, or bytes that no key has."""
    return EventKey(topic, key[WIRE_HEADER:]) if key is not None and len(key) > WIRE_HEADER else None


class Emptied(NamedTuple):
    """A target table's rows of one shard, that a truncate has removed.

    Attributes:
        table: the target table, `schema.table`.
        shard: whose rows.
    """

    table: str
    shard: str


@dataclass(frozen=True, slots=True)
class Batch:
    """The events between two positions, folded; applied whole or not at all.

    Attributes:
        spans: how positions move.
        tables: the net effect a target table.
        dead: the events that are left out of it.
        superseded: keys of which the batch says all of the row, and where the event is that does: open dead
            letters before it no longer matter.
        truncated: partitions with a truncate, and its offset: open dead letters before it no longer matter.
        awaited: keys of which the batch leaves events out, for they wait behind an open dead letter, and
            where the first of them is: that letter has to be open still.
        replayed: dead letters that are tried again, and have to be open still; the batch applies those which
            are not in `dead`.
        resynced: topics whose resynchronisation ends with the batch, and its id (`sinks.resyncs`): it has to be
            read and passed.
        emptied: the commit times of its truncates, in microseconds since 1970; the newest of each is remembered.
        events: how many events were folded into it.
    """

    spans: Mapping[Partition, Span]
    tables: tuple[TableChanges, ...] = ()
    dead: tuple[DeadLetter, ...] = ()
    superseded: Mapping[EventKey, LetterId] = field(default_factory=dict)
    truncated: Mapping[Partition, int] = field(default_factory=dict)
    awaited: Mapping[EventKey, LetterId] = field(default_factory=dict)
    replayed: frozenset[LetterId] = frozenset()
    resynced: Mapping[str, str] = field(default_factory=dict)
    emptied: Mapping[Emptied, int] = field(default_factory=dict)
    events: int = 0

    def supersedes(self, letter: LetterId, key: EventKey | None) -> bool:
        """Tell whether the batch makes an earlier dead letter irrelevant."""
        said = self.superseded.get(key) if key is not None else None
        return self.truncated.get(letter.partition, -1) > letter.offset or (said is not None and letter.is_before(said))


@dataclass(frozen=True, slots=True)
class Mark:
    """A moment of a shard, and what has to be in the target for all that was committed before it to be there.

    Attributes:
        shard: whose.
        time_us: the moment, in the shard's own clock (microseconds since 1970).
        lsn: where it is in the shard's WAL.
        ends: the ends of all of the shard's partitions, asked for when the mark had been read: whatever was
            committed before it is below them.
        topic_ids: the broker's ids of their topics, where it has any.
    """

    shard: str
    time_us: int
    lsn: int
    ends: Mapping[Partition, int]
    topic_ids: Mapping[str, str] = field(default_factory=dict)

    @property
    def time(self) -> datetime:
        """The moment, as the target keeps it."""
        return datetime.fromtimestamp(0, UTC) + timedelta(microseconds=self.time_us)

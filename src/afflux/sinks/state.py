"""What a person may see and change of a sink's own state, beside the daemons that work with it.

Every change here is one transaction, and safe while daemons run: they see it within a few seconds.
"""

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from afflux.sinks.batch import DeadLetter, LetterId, Partition
from afflux.sinks.collisions import Collision
from afflux.sinks.resyncs import Resync
from afflux.sinks.shards import GoneShard

REWOUND = "rewound by "
"""What the owner of a position begins with that a person has changed, and that nobody has claimed since."""


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a sink stands in a partition.

    Attributes:
        partition: which.
        next_offset: the first offset that is not in the target yet.
        topic_id: the broker's id of the topic; empty where it is not known.
        epoch: how often the partition has been taken over.
        owner: who did last, `host:pid`, or `REWOUND` and a person.
        updated: when the row last changed.
    """

    partition: Partition
    next_offset: int
    topic_id: str
    epoch: int
    owner: str
    updated: datetime


@dataclass(frozen=True, slots=True)
class Stop:
    """A topic that is not read on.

    Attributes:
        topic: which.
        reason: why.
        since: when it was stopped.
    """

    topic: str
    reason: str
    since: datetime


@dataclass(frozen=True, slots=True)
class Watermark:
    """Up to when a shard's changes are in the target.

    Attributes:
        shard: whose.
        time: all that the shard had committed before is there, by the shard's own clock; None: not known yet.
        lsn: where that is in the shard's WAL.
        updated: when the target last learnt.
        left_out: the topics that it does not speak of, for they were stopped then, or could not be read anew.
        dead_letters: how many of the shard's were open then, which it does not speak of either.
    """

    shard: str
    time: datetime | None
    lsn: int | None
    updated: datetime
    left_out: tuple[str, ...] = ()
    dead_letters: int = 0


class LetterState(StrEnum):
    """What has become of a dead letter."""

    OPEN = "open"
    SUPERSEDED = "superseded"
    REPLAYED = "replayed"
    DISCARDED = "discarded"


@dataclass(frozen=True, slots=True)
class LetterHead:
    """A dead letter without its bytes.

    Attributes:
        id: where it was read.
        key: its key's bytes, if it has one.
        kind: what is wrong, in a word or two.
        reason: the error's text.
        state: what has become of it.
        first_seen: when it was first written.
        last_seen: when it was last tried, or its state changed.
        size: how many bytes the event has.
    """

    id: LetterId
    key: bytes | None
    kind: str
    reason: str
    state: LetterState
    first_seen: datetime
    last_seen: datetime
    size: int


@dataclass(frozen=True, slots=True)
class LetterFilter:
    """Which dead letters are meant; what is None does not matter.

    Attributes:
        states: in one of these states.
        topics: of one of these topics.
        kind: of this kind.
        since: first seen at this time or later.
        until: first seen before this time.
    """

    states: Collection[LetterState] | None = (LetterState.OPEN,)
    topics: Collection[str] | None = None
    kind: str | None = None
    since: datetime | None = None
    until: datetime | None = None


class SinkState(ABC):
    """The state that one sink of a topology keeps in its target. Used by one thread.

    Every method raises SinkError when the target does not answer, and NoStateError when it has no state yet.
    """

    @abstractmethod
    def positions(self) -> list[Standing]:
        """Give where the sink stands, in order of topic and partition."""

    @abstractmethod
    def watermarks(self) -> list[Watermark]:
        """Give how far each shard of the topology is in the target, in order."""

    @abstractmethod
    def rewind(
        self, to: Mapping[Partition, int], topic_ids: Mapping[str, str], by: str, shards: Collection[str] = ()
    ) -> None:
        """Change positions, and take the partitions from whoever works on them.

        Open dead letters from the new positions on are superseded, for their events are read again; where the
        topic is another one now, so are all of its dead letters.

        What events from there on have brought into tables that keep changes or versions goes first, and versions
        that they have ended are current again. Where the topic is another one now, what came by the former one
        stays, and its topic is called `<topic>@<former id>`, for the offsets of the new one begin again.

        Args:
            to: the next offset of each partition.
            topic_ids: the broker's ids of the topics.
            by: who does it.
            shards: whose they are: these have no watermark until their rows have come forward again.
        """

    @abstractmethod
    def stops(self) -> list[Stop]:
        """Give the topics that are not read on, in order."""

    @abstractmethod
    def stop(self, topics: Collection[str], reason: str) -> None:
        """Let topics be read no further; those that are stopped already keep their reason."""

    @abstractmethod
    def resume(self, topics: Collection[str]) -> None:
        """Let stopped topics be read on."""

    @abstractmethod
    def letters(self, wanted: LetterFilter) -> list[LetterHead]:
        """Give dead letters, in order of topic, partition and offset."""

    @abstractmethod
    def whole(self, letters: Collection[LetterId]) -> dict[LetterId, DeadLetter]:
        """Give dead letters with their bytes, as far as they are there."""

    @abstractmethod
    def discard(self, letters: Collection[LetterId]) -> frozenset[LetterId]:
        """Give dead letters up; returns those that were open, and are not now."""

    def untold_letters(self, most: int) -> list[DeadLetter]:  # noqa: ARG002 - for those who can
        """Give dead letters that have not been told elsewhere, the oldest first.

        Args:
            most: so many at most.
        """
        return []

    def tell_letters(self, letters: Collection[LetterId]) -> None:  # noqa: B027 - likewise
        """Remember that dead letters have been told elsewhere."""

    def forget_letters(self, before: datetime) -> int:  # noqa: ARG002 - likewise
        """Forget dead letters that are settled, and have been since a time; returns how many."""
        return 0

    @abstractmethod
    def ask_resyncs(self, resyncs: Collection[Resync]) -> None:
        """Remember that tables of shards are read anew; each takes the place of its topic's earlier one."""

    @abstractmethod
    def resyncs(self) -> list[Resync]:
        """Give the newest resynchronisation of each topic, in order of topics."""

    @abstractmethod
    def resync_read(self, resync: Resync, ends: Mapping[Partition, int]) -> None:
        """Remember that a table has been read, and the ends of its topic's partitions then; once, if it is still asked for.

        A batch with `resynced` ends it, when the sink stands there.
        """

    @abstractmethod
    def resync_failed(self, resync: Resync, reason: str) -> None:
        """Remember that a table could not be read, if it is still asked for."""

    def judge_contests(self, window: timedelta, shards: Collection[str]) -> list[Collision]:  # noqa: ARG002 - for those who can
        """Find target keys that two shards hold for longer than a row takes to move.

        Args:
            window: a contest is a collision when the watermarks of its shards are so far past its start.
            shards: those there are; one that is not among them has nothing more to say.

        Returns:
            The collisions that were none until now: each is told once, to one of those who ask. None, of a target
            that can't tell its contests.
        """
        return []

    def collisions(self) -> list[Collision]:
        """Give the collisions that are open, in order of table and key."""
        return []

    @abstractmethod
    def note_shards(self, shards: Mapping[str, str]) -> list[GoneShard]:
        """Remember which shards there are now.

        Args:
            shards: the prefixes of their topics, by name.

        Returns:
            Those that were there once and are not any more, in order.
        """

    @abstractmethod
    def decide_shard(self, shard: str, decision: str, unseen: timedelta) -> bool:
        """Decide what becomes of the rows of a shard that is no more.

        Args:
            shard: its name.
            decision: `keep` or `delete`.
            unseen: how long no worker may have had it in its topology.

        Returns:
            Whether it is decided by this; False where it was already, or some worker has it yet.
        """

    @abstractmethod
    def close_shard(self, shard: str, topics: Collection[str]) -> None:
        """Remember that what was decided of a shard is done, and forget all that is kept of topics: positions, stops, resyncs."""

    @abstractmethod
    def close(self) -> None:
        """Let go of the target."""

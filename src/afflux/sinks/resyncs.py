"""Tables of shards that are read anew: what was asked for, and how far it has come. The same for every sink.

The rows that a shard has come as events that say all of them, with LSNs from the resynchronisation's own on. When
all of them are in the target, what is left there with an older LSN is at the shard no more, and goes.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class ResyncState(StrEnum):
    """How far a resynchronisation has come."""

    ASKED = "asked"
    """The connector has been asked to read the table, or made anew so that it does."""
    READ = "read"
    """It has read the table; its events are on their way."""
    DONE = "done"
    """The target has them all, and what was older is gone."""
    FAILED = "failed"
    """The connector could not read the table."""


@dataclass(frozen=True, slots=True)
class Resync:
    """One table of one shard that is read anew.

    Attributes:
        topic: the topic of that table and shard.
        shard: whose rows.
        source: the table at the source, `schema.table`.
        lsn: all rows that come have this LSN or a higher one; 0 where no row may have gone unseen.
        id: its own; by a signal, the signal's.
        by_signal: whether Debezium names the id in what it tells; else it is the connector's next copy of all
            that it was asked for.
        heard: the offset in the topic of notifications from which on it is told of.
        starts: the ends of the topic's partitions, by number, when it was asked for: what comes is behind them.
        by: who asked.
        state: how far it has come.
        reason: why it has failed, or what else there is to say.
        ends: the ends of the topic's partitions when the table had been read: what comes is before them.
        asked: when.
        closed: when it was done or had failed.
        passed: whether the sink stands at `ends`.
    """

    topic: str
    shard: str
    source: str
    lsn: int
    id: str
    by_signal: bool
    heard: int
    starts: Mapping[int, int]
    by: str
    state: ResyncState = ResyncState.ASKED
    reason: str = ""
    ends: Mapping[int, int] = field(default_factory=dict)
    asked: datetime | None = None
    closed: datetime | None = None
    passed: bool = False

    @property
    def open(self) -> bool:
        """Whether it goes on."""
        return self.state in {ResyncState.ASKED, ResyncState.READ}

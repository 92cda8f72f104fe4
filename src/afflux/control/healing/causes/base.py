"""What a cause of failure is, and what it is recognised by (pure)."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from afflux.clients.catalog import Server, Slot
from afflux.clients.connect import Connector
from afflux.control.seen.status import ShardStatus, Verdict
from afflux.control.seen.world import Problem
from afflux.topology.names import ShardNames


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What is known of one shard's stream. Times are in seconds, by a clock that only goes forward.

    Args:
        status: what the stream is doing.
        names: what the shard's things are called.
        role: that Debezium logs in as.
        connector: as Connect knows it; None where there is none.
        server: the shard's PostgreSQL; None while it can't be asked.
        slot: the shard's slot; None where there is none, or while the server can't be asked.
        away: why the shard can't be asked.
        problems: what keeps the shard from being set up as the topology says.
        drift: what differs from the topology and will be mended, in words.
        held: what differs from the topology and waits for a person, in words.
        ever_read: whether a connector has ever sent anything of this shard.
        since: how long the stream has been doing what it does.
        silent: since when no heartbeat has arrived, in seconds from now.
        patience: how long no heartbeat may arrive; infinite where there are none.
        mute: since when no heartbeat has come through the slot, though it was written in the shard.
        taken: whether somebody else confirms the slot, or reads it instead of the process that heartbeats came by.
        behind: why the slot can't bring all changes since the connector last read, though it is there.
        gap: why changes are known to be missing, though the stream flows.
        republished: whether the publication is another one than the connector began with.
        worker_gone: whether the worker that runs the task, and that was seen to answer, does not answer any more.
        unreadable: what the server said when it was asked to decode from the slot; empty: it can, or was not asked.
    """

    status: ShardStatus
    names: ShardNames
    role: str = ""
    connector: Connector | None = None
    server: Server | None = None
    slot: Slot | None = None
    away: Problem | None = None
    problems: tuple[Problem, ...] = ()
    drift: tuple[str, ...] = ()
    held: tuple[str, ...] = ()
    ever_read: bool = False
    since: float = 0.0
    silent: float = 0.0
    patience: float = 30.0
    mute: float = 0.0
    taken: bool = False
    behind: str = ""
    gap: str = ""
    republished: bool = False
    worker_gone: bool = False
    unreadable: str = ""

    @property
    def trace(self) -> str:
        """The whole stack trace of what failed; empty when nothing did."""
        if self.connector is None:
            return ""
        tasks = (task.trace for task in self.connector.tasks if task.state == "FAILED")
        return (self.connector.trace if self.connector.state == "FAILED" else "") or next(tasks, "")

    @property
    def failed(self) -> bool:
        """Whether Connect has given up."""
        return self.status.verdict is Verdict.FAILED

    @property
    def late(self) -> bool:
        """Whether the slot is read, and heartbeats have been missing for longer than they may."""
        return self.status.verdict is Verdict.STREAMING and self.silent >= self.patience

    def says(self, *patterns: str) -> str:
        """Give the first thing that the trace, or the shard's refusal, says and one of some expressions finds."""
        texts = (self.trace, self.away.message if self.away else "")
        found = (re.search(pattern, text) for text in texts if text for pattern in patterns)
        return next((" ".join(match[0].split())[:300] for match in found if match), "")


class Remedy(StrEnum):
    """What is done about a cause."""

    WAIT = "wait"
    """Nothing: it comes right by itself."""
    RESTART = "restart"
    """What failed is restarted, with growing pauses."""
    MEND = "mend"
    """What differs from the topology is put right; then what failed is restarted."""
    RESYNCHRONISE = "resynchronise"
    """The slot is made anew and all rows are read anew: where it is allowed, else a person is asked."""
    ASK = "ask"
    """A person has to do something first."""


@dataclass(frozen=True)
class Pace:
    """How often something is tried.

    Args:
        first: seconds before the second try; each further pause is twice as long.
        most: the longest pause, in seconds.
        tries: how many before a person is asked to look; it is tried on, at the longest pause.
        after: seconds before the first try, in which it may come right by itself.
    """

    first: float = 5.0
    most: float = 300.0
    tries: int = 6
    after: float = 0.0


SOON = Pace()
SLOWLY = Pace(first=60.0, most=900.0, tries=3)


def never(_evidence: Evidence) -> bool:
    """Nothing that can be seen tells that such a cause is gone."""
    return False


@dataclass(frozen=True, kw_only=True)
class Cause:
    """A cause of failure: one row of the table.

    Args:
        name: in a few words; metrics, log and audit carry it.
        means: what has happened, for people.
        seen_by: what it is recognised by, for people.
        fits: gives what was seen in one line when the evidence says that it is this cause, else nothing.
        remedy: what is done about it.
        hint: what a person can do; may hold {shard}, {connector}, {slot}, {publication}, {role} and {reader}.
        mended: tells that the cause is gone while its failure is still shown, so that a restart helps.
        pace: how often it is tried.
        begun: whether a person's word is there already, so that it is gone on with.
    """

    name: str
    means: str
    seen_by: str
    fits: Callable[[Evidence], str]
    remedy: Remedy
    hint: str
    mended: Callable[[Evidence], bool] = never
    pace: Pace = SOON
    begun: bool = False


@dataclass(frozen=True)
class Finding:
    """What is wrong with one shard's stream.

    Attributes:
        cause: the row of the table.
        remedy: what is to be done as things are now; the cause's own, or a restart once that is mended.
        detail: what was seen, in one line.
        hint: what a person can do.
    """

    cause: Cause
    remedy: Remedy
    detail: str
    hint: str

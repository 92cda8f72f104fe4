"""Whether a shard's changes really flow: what Connect says, and what the shard's own slot says (pure).

Connect's RUNNING is not health: it was seen while the slot was held by another reader, while the server was down,
and while the publication was broken for good. Only the slot tells that somebody reads.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from afflux.clients.catalog import Publication, Slot
from afflux.clients.connect import Connector, first_reason
from afflux.control.seen.standing import in_first_copy, lost
from afflux.control.seen.world import Problem


class Verdict(StrEnum):
    """What a shard's stream is doing."""

    STREAMING = "streaming"
    SNAPSHOT = "snapshot"
    """Its first copy is being made; changes meanwhile wait in the slot."""
    STARTING = "starting"
    PAUSED = "paused"
    """Somebody paused or stopped it; the slot keeps its changes."""
    STUCK = "stuck"
    """Connect says RUNNING, but nobody reads the slot, or nobody can."""
    FAILED = "failed"
    LOST = "lost"
    """The slot is gone, or the WAL that it stood on."""
    MISSING = "missing"
    """There is no connector."""
    UNREACHABLE = "unreachable"
    """The shard, or Connect, does not answer."""


GOOD = frozenset({Verdict.STREAMING, Verdict.SNAPSHOT, Verdict.PAUSED})
"""Verdicts that need nobody's attention."""


@dataclass(frozen=True)
class ShardStatus:
    """One shard's stream."""

    shard: str
    verdict: Verdict
    detail: str = ""
    """Why, in one line, where the verdict needs it."""
    hint: str = ""
    connector: str = ""
    connector_state: str = ""
    task_state: str = ""
    worker: str = ""
    slot: str = ""
    slot_active: bool = False
    reader: int | None = None
    """The server's process that sends from the slot."""
    lag_bytes: int | None = None
    """WAL written since what the connector confirmed."""
    retained_bytes: int | None = None
    """WAL that the shard keeps because of the slot."""
    publication: str = ""
    tables: tuple[str, ...] = ()
    """What the publication publishes, as `schema.table`."""
    copying: tuple[str, ...] = ()
    """Tables that came later and whose rows are being copied, as `schema.table`, with how far that is."""

    @property
    def good(self) -> bool:
        """Whether it needs nobody's attention."""
        return self.verdict in GOOD


_Answer = tuple[Verdict, str, str]
"""Verdict, detail, hint."""


@dataclass(frozen=True)
class Seen:
    """What was seen of one shard's stream."""

    connector: Connector | Problem | None
    slot: Slot | None = None
    publication: Publication | None = None
    problem: Problem | None = None
    """Why the shard could not be asked."""
    offsets: tuple[Mapping[str, Any], ...] = ()
    """Where the connector stands; asked for only while its slot is not read."""


def judge(shard: str, names: tuple[str, str, str], seen: Seen) -> ShardStatus:
    """Say what a shard's stream is doing.

    Args:
        shard: its name.
        names: of its connector, slot and publication.
        seen: as observed.
    """
    verdict, detail, hint = _verdict(shard, seen)
    connector = seen.connector if isinstance(seen.connector, Connector) else None
    task = connector.tasks[0] if connector and connector.tasks else None
    return ShardStatus(
        shard=shard,
        verdict=verdict,
        detail=detail,
        hint=hint,
        connector=names[0],
        connector_state=connector.state if connector else "",
        task_state=task.state if task else "",
        worker=(task.worker if task else "") or (connector.worker if connector else ""),
        slot=names[1],
        slot_active=bool(seen.slot and seen.slot.active),
        reader=seen.slot.pid if seen.slot else None,
        lag_bytes=seen.slot.lag_bytes if seen.slot else None,
        retained_bytes=seen.slot.retained_bytes if seen.slot else None,
        publication=names[2],
        tables=tuple(sorted(f"{s}.{t}" for s, t in seen.publication.tables)) if seen.publication else (),
    )


def _verdict(shard: str, seen: Seen) -> _Answer:
    connector = seen.connector
    if isinstance(connector, Problem):
        return Verdict.UNREACHABLE, connector.message, connector.hint
    if connector and (failure := failed(connector)):
        return Verdict.FAILED, failure, "Mend the cause; `connectors apply` restarts what failed."
    if seen.problem:
        return Verdict.UNREACHABLE, seen.problem.message, seen.problem.hint
    if connector is None:
        return Verdict.MISSING, "there is no connector", "`connectors apply` makes it."
    if gap := lost(seen.slot, seen.publication, seen.offsets):
        return Verdict.LOST, gap, _anew(shard)
    return _flow(shard, connector, seen)


def _anew(shard: str) -> str:
    return f"`connectors resync {shard}` reads all rows anew, and has the sinks remove what was deleted meanwhile."


def _flow(shard: str, connector: Connector, seen: Seen) -> _Answer:
    if connector.state == "STOPPED" and seen.slot is None:
        return Verdict.STARTING, "it was made and never started", "`connectors apply` starts it."
    if connector.state in {"PAUSED", "STOPPED"}:
        return Verdict.PAUSED, f"it is {connector.state.lower()}", ""
    if seen.slot and seen.slot.active:
        return Verdict.STREAMING, "", ""
    if seen.slot is None or not connector.tasks or connector.tasks[0].state != "RUNNING":
        return Verdict.STARTING, "", ""
    if all(in_first_copy(offset) for offset in seen.offsets):
        return Verdict.SNAPSHOT, "the first copy is being made", ""
    hint = (
        "Perhaps the shard was restarted a moment ago; its worker's log says why. Where that says that a publication"
        f" does not exist, it was dropped while changes were made, and the way on is: {_anew(shard)}"
    )
    return Verdict.STUCK, "Connect says RUNNING, but nobody reads the slot", hint


def failed(connector: Connector) -> str:
    """Return why a connector or a task of it failed, in one line; empty when none did."""
    if connector.state == "FAILED":
        return first_reason(connector.trace) or "it failed"
    return next((task.reason or "its task failed" for task in connector.tasks if task.state == "FAILED"), "")

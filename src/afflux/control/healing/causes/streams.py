"""Streams of which no more is known than that they do not flow."""

from afflux.control.healing.causes.base import Cause, Evidence, Pace, Remedy
from afflux.control.seen.status import Verdict

STUCK_SECONDS = 60.0
"""Debezium itself tries again every ten seconds."""
STARTING_SECONDS = 300.0
"""A shard with very many tables takes long to begin."""


def _silent(evidence: Evidence) -> str:
    return f"the slot is read, and no heartbeat has arrived for {evidence.silent:.0f} s" if evidence.late else ""


def _mute(evidence: Evidence) -> str:
    late = evidence.status.verdict is Verdict.STREAMING and evidence.mute >= 4 * evidence.patience
    return f"heartbeats arrive, and none has come through the slot for {evidence.mute:.0f} s" if late else ""


def _stuck(evidence: Evidence) -> str:
    verdict = evidence.status.verdict
    if verdict is Verdict.STUCK and evidence.since >= STUCK_SECONDS:
        return evidence.unreadable or f"Connect says RUNNING, and nobody has read the slot for {evidence.since:.0f} s"
    if verdict is Verdict.STARTING and evidence.since >= STARTING_SECONDS:
        return f"it has been starting for {evidence.since:.0f} s"
    return ""


def _failed(evidence: Evidence) -> str:
    return evidence.status.detail if evidence.failed else ""


FAILED = Cause(
    name="failed",
    means="The task failed for a reason that is not in this table: mostly one that passes.",
    seen_by="Connect says FAILED.",
    fits=_failed,
    remedy=Remedy.RESTART,
    hint="The worker's log says more.",
)
STUCK = Cause(
    name="stuck",
    means="Connect says RUNNING, and nobody reads the slot.",
    seen_by="The slot is not active for a minute, though the server answers.",
    fits=_stuck,
    remedy=Remedy.RESTART,
    hint="The log of {worker} says why.",
    pace=Pace(first=60.0, most=600.0, tries=4),
)
SILENT = Cause(
    name="silent",
    means="The slot is read, and nothing arrives in Kafka: it does not take the records, or a large transaction is on"
    " its way.",
    seen_by="The slot is active, and no heartbeat arrives.",
    fits=_silent,
    remedy=Remedy.RESTART,
    hint="The log of {worker} says why. Connect gives up by itself when the broker refuses for too long.",
    pace=Pace(first=300.0, most=1800.0, tries=3, after=300.0),
)
MUTE = Cause(
    name="heartbeats do not come through",
    means="The connector can't write its heartbeat on the shard, or is far behind: an idle shard's slot does not move,"
    " and watermarks stand still.",
    seen_by="Heartbeats arrive, and none of the shard's own messages.",
    fits=_mute,
    remedy=Remedy.WAIT,
    hint="May the role {role} execute pg_logical_emit_message(boolean, text, text) there? The log of {worker} says why.",
)

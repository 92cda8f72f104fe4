"""All causes of failure: the one table, most telling first; and how a shard is judged by it (pure)."""

from afflux.control.healing.causes import (
    configs,
    logins,
    publications,
    records,
    registry,
    servers,
    slots,
    streams,
    tables,
    workers,
)
from afflux.control.healing.causes.base import Cause, Evidence, Finding, Remedy

CAUSES: tuple[Cause, ...] = (
    # What the servers show now says more than what a task said when it failed.
    slots.CUT_OFF,
    slots.INVALIDATED,
    slots.GONE,
    servers.WAL_LEVEL,
    logins.CREDENTIALS,
    servers.NO_ROOM,
    logins.RIGHTS,
    servers.AWAY,
    workers.DELETED,
    workers.GONE,
    publications.WAS_GONE,
    publications.REPLACED,
    publications.MISSING,
    slots.IN_USE,
    # What the task said; the most special first.
    registry.RULE,
    registry.DELETED,
    records.TOO_LARGE,
    records.VALUE,
    records.HALF_A_COPY,
    workers.MEMORY,
    workers.TOPIC,
    configs.CHANGED,
    slots.MOVED,
    registry.AWAY,
    configs.WRONG,
    workers.BROKER,
    # What is left.
    tables.TABLE,
    tables.SHARD,
    tables.HELD,
    streams.FAILED,
    streams.STUCK,
    streams.SILENT,
    streams.MUTE,
)


def diagnose(evidence: Evidence) -> Finding | None:
    """Say what is wrong with a shard's stream, or None where nothing is."""
    for cause in CAUSES:
        if detail := cause.fits(evidence):
            return Finding(cause, _remedy(cause, evidence), detail, _hint(cause, evidence))
    return None


def _remedy(cause: Cause, evidence: Evidence) -> Remedy:
    if evidence.failed and cause.mended(evidence):
        return Remedy.RESTART
    # What differs from the topology may be all that a person would mend.
    return Remedy.MEND if cause.remedy is Remedy.ASK and evidence.failed and evidence.drift else cause.remedy


def _hint(cause: Cause, evidence: Evidence) -> str:
    slot, names, status = evidence.slot, evidence.names, evidence.status
    return cause.hint.format(
        shard=status.shard,
        connector=names.connector,
        slot=names.slot,
        publication=names.publication,
        role=evidence.role,
        worker=f"worker {status.worker}" if status.worker else "the Connect worker",
        reader=slot.pid if slot and slot.pid else "<pid>",
        remark=next((problem.hint for problem in evidence.problems if problem.hint), "`connectors plan` tells more."),
    )

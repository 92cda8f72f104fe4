"""The publication: gone, or gone for a while."""

from afflux.control.healing.causes.base import Cause, Evidence, Remedy

SKIPPING = 180000
"""From PostgreSQL 18 on, changes that are made while a publication is missing are left out in silence (observed);
before, the slot can't be read any more."""

_MISSING = r"Publication autocreation is disabled, please create one"


def _missing(evidence: Evidence) -> str:
    if evidence.server is None or evidence.connector is None:
        return ""
    there = bool(evidence.status.tables)
    if there:
        return "the publication was missing" if evidence.says(_MISSING) else ""
    return f"publication {evidence.names.publication} is missing, or publishes nothing"


def _skipped(evidence: Evidence) -> str:
    skips = evidence.server is not None and evidence.server.version >= SKIPPING
    if not (skips and evidence.republished):
        return ""
    return f"publication {evidence.names.publication} is not the one that the connector began with"


def _broken(evidence: Evidence) -> str:
    said = evidence.unreadable
    return said if "publication" in said and "does not exist" in said else ""


WAS_GONE = Cause(
    name="publication was gone",
    means="The publication was dropped and made again, and changes were made in between: PostgreSQL can't decode"
    " these, ever. Connect shows RUNNING.",
    seen_by="Nobody reads the slot, and the server refuses to decode from it: the publication does not exist.",
    fits=_broken,
    remedy=Remedy.RESYNCHRONISE,
    hint="`connectors resync {shard}` makes the slot anew, reads all rows, and has the sinks remove those that were"
    " deleted meanwhile.",
)
MISSING = Cause(
    name="publication missing",
    means="There is no publication for the connector to read.",
    seen_by="`pg_publication`, or the task's trace says that it may not make one.",
    fits=_missing,
    remedy=Remedy.MEND,
    hint="`connectors apply` makes it, where the role may.",
    mended=lambda evidence: bool(evidence.status.tables),
)
REPLACED = Cause(
    name="publication replaced",
    means="The publication was dropped and made again while its slot stayed: from PostgreSQL 18 on, what was changed in"
    " between is left out, and nothing tells so.",
    seen_by="The publication has another id than when the connector began; the control topic remembers it.",
    fits=_skipped,
    remedy=Remedy.RESYNCHRONISE,
    hint="`connectors resync {shard}` reads all rows anew, and has the sinks remove those that were deleted meanwhile.",
)

"""The slot: gone, out of date, unreadable, or in somebody else's hands."""

from afflux.control.done.stopping import STOP_SECONDS
from afflux.control.healing.causes.base import Cause, Evidence, Pace, Remedy
from afflux.control.seen.neighbours import RESYNC, UNFINISHED
from afflux.control.seen.status import Verdict

_BEHIND = r"trying to read change stream starting at [\s\S]*? no longer available on the server"
_LATER = "the slot begins after the position that the connector has reached"
_ANEW = (
    "`connectors resync {shard}` makes the slot anew, reads all rows, and has the sinks remove those that were"
    " deleted meanwhile"
)


def _gone(evidence: Evidence) -> str:
    if evidence.server is None or evidence.slot is not None:
        return ""
    if evidence.connector is None:
        lost = evidence.ever_read
    elif UNFINISHED in evidence.connector.config:
        return ""  # it is made anew, and what it has read goes before it starts
    else:
        lost = evidence.status.verdict is Verdict.LOST or bool(evidence.says(_BEHIND))
    return f"slot {evidence.names.slot} is gone, and with it the changes since it was last read" if lost else ""


def _invalidated(evidence: Evidence) -> str:
    slot = evidence.slot
    if slot is None or not (slot.wal_status == "lost" or slot.invalidated):
        return ""
    why = slot.invalidated or "max_slot_wal_keep_size"
    return f"the server has invalidated slot {slot.name} ({why}): the WAL that it stood on is gone"


def _moved(evidence: Evidence) -> str:
    if evidence.slot is None or evidence.drift:
        return ""
    return evidence.behind or evidence.gap or (_LATER if evidence.says(_BEHIND) else "")


def _begun(evidence: Evidence) -> str:
    config = evidence.connector.config if evidence.connector else {}
    return "its resynchronisation was begun and cut off" if config.get(UNFINISHED) == RESYNC else ""


def _taken(evidence: Evidence) -> str:
    slot = evidence.slot
    if slot is None or not (evidence.late and evidence.taken):
        return ""
    return f"{_reader(evidence)} reads slot {slot.name}, and nothing of it arrives"


def _reader(evidence: Evidence) -> str:
    slot = evidence.slot
    if slot is None or slot.pid is None:
        return "another process"
    return f"process {slot.pid} ({slot.holder}{f' from {slot.client}' if slot.client else ''})"


INVALIDATED = Cause(
    name="slot invalidated",
    means="The server has removed WAL that the slot stood on, or given the slot up for another reason.",
    seen_by="`pg_replication_slots`: `wal_status` is `lost`, or there is an invalidation reason."
    " Debezium waits for such a slot for half an hour, and Connect shows RUNNING without a task.",
    fits=_invalidated,
    remedy=Remedy.RESYNCHRONISE,
    hint=f"{_ANEW}. Before that, see to it that it does not happen again: max_slot_wal_keep_size.",
)
GONE = Cause(
    name="slot gone",
    means="Somebody has dropped the slot of a shard that was read before.",
    seen_by="There is no slot, and the connector has a position, or, where there is no connector, its heartbeats are in"
    " Kafka.",
    fits=_gone,
    remedy=Remedy.RESYNCHRONISE,
    hint=f"{_ANEW}.",
)
MOVED = Cause(
    name="slot moved on",
    means="Somebody else has read from the slot, or made it anew under its name: what it passed over is missing here."
    " A connector that runs goes on behind the gap as if nothing had been.",
    seen_by="The slot is confirmed further than the connector's stored position, or the task's trace says that its"
    " position is no longer available. The control topic remembers it.",
    fits=_moved,
    remedy=Remedy.RESYNCHRONISE,
    hint=f"{_ANEW}.",
)
IN_USE = Cause(
    name="slot in use",
    means="Another reader holds the slot, so the connector waits. Connect shows RUNNING.",
    seen_by="The slot is active, no heartbeat of the connector arrives, and the slot is confirmed nevertheless, or"
    " the process that reads it is not the one by which heartbeats came.",
    fits=_taken,
    remedy=Remedy.WAIT,
    hint="Find out who that is, and stop it: what it confirms is missing here, which afflux sees and remembers. Where its"
    " connection is dead, `select pg_terminate_backend({reader});` on the shard frees the slot. Then the connector goes"
    " on by itself.",
)
CUT_OFF = Cause(
    name="resynchronisation cut off",
    means="Whoever resynchronised the shard did not get to the end; nothing of it flows.",
    seen_by="The mark in the connector's config.",
    fits=_begun,
    remedy=Remedy.RESYNCHRONISE,
    hint="`connectors resync {shard}` ends it.",
    pace=Pace(after=STOP_SECONDS + 15),  # the one who has begun may be at it yet, and waits for a task to stop
    begun=True,
)

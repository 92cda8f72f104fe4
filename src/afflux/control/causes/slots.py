"""The slot: gone, out of date, unreadable, or in somebody else's hands."""

from afflux.control.causes.base import Cause, Evidence, Remedy
from afflux.control.status import Verdict

_BEHIND = r"trying to read change stream starting at [\s\S]*? no longer available on the server"
_ANEW = (
    "`connectors resync {shard}` makes the slot anew, reads all rows, and has the sinks remove those that were"
    " deleted meanwhile"
)


def _gone(evidence: Evidence) -> str:
    if evidence.server is None or evidence.slot is not None:
        return ""
    was = evidence.status.verdict is Verdict.LOST or evidence.ever_read
    return f"slot {evidence.names.slot} is gone, and with it the changes since it was last read" if was else ""


def _invalidated(evidence: Evidence) -> str:
    slot = evidence.slot
    if slot is None or not (slot.wal_status == "lost" or slot.invalidated):
        return ""
    why = slot.invalidated or "max_slot_wal_keep_size"
    return f"the server has invalidated slot {slot.name} ({why}): the WAL that it stood on is gone"


def _replaced(evidence: Evidence) -> str:
    behind = evidence.slot is not None and not evidence.drift and evidence.says(_BEHIND)
    return f"slot {evidence.names.slot} begins after the position that the connector has reached" if behind else ""


def _taken(evidence: Evidence) -> str:
    slot = evidence.slot
    if slot is None or not slot.active or not evidence.taken or evidence.silent < evidence.patience:
        return ""
    if evidence.status.verdict is not Verdict.STREAMING:
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
    seen_by="There is no slot, and the connector has offsets, or its heartbeats are in Kafka.",
    fits=_gone,
    remedy=Remedy.RESYNCHRONISE,
    hint=f"{_ANEW}.",
)
REPLACED = Cause(
    name="slot replaced",
    means="Somebody has dropped the slot and made another one of its name: the changes in between are in neither.",
    seen_by="The task's trace says that its position is no longer available, and there is a slot.",
    fits=_replaced,
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
    hint="Find out who that is, and stop it: what it reads may be missing here. Where its connection is dead,"
    " `select pg_terminate_backend({reader});` on the shard frees the slot. The connector goes on by itself.",
)

"""The shard's server: away, or not set up for logical decoding."""

from afflux.control.healing.causes.base import Cause, Evidence, Remedy

_NO_ROOM = (
    r"all replication slots are in use",
    r"number of requested standby connections exceeds max_wal_senders[^\n]*",
    r"sorry, too many clients already",
    r"remaining connection slots are reserved[^\n]*",
)


def _wal_level(evidence: Evidence) -> str:
    if evidence.server is not None and evidence.server.wal_level != "logical":
        return f"wal_level is {evidence.server.wal_level}"
    return evidence.says(r"logical decoding requires [\"]?wal_level[\"]? >= [\"]?logical[\"]?")


def _has_room(evidence: Evidence) -> bool:
    server = evidence.server
    room = server is not None and server.used_slots < server.max_slots and server.used_senders < server.max_senders
    return room or (server is not None and evidence.slot is not None)


def _no_room(evidence: Evidence) -> str:
    if said := evidence.says(*_NO_ROOM):
        return said
    server = evidence.server
    if server is None or _has_room(evidence):
        return ""
    return (
        f"{server.used_slots} of {server.max_slots} slots and {server.used_senders} of {server.max_senders} WAL senders"
        " are in use"
    )


def _away(evidence: Evidence) -> str:
    return evidence.away.message if evidence.away else ""


WAL_LEVEL = Cause(
    name="wal_level",
    means="The server writes no WAL that changes can be read from.",
    seen_by="The server's setting, or the text of the refusal in the task's trace.",
    fits=_wal_level,
    remedy=Remedy.ASK,
    hint="`ALTER SYSTEM SET wal_level = logical;` on the shard, then restart its server. The task is restarted"
    " when that is done.",
    mended=lambda evidence: evidence.server is not None and evidence.server.wal_level == "logical",
)
NO_ROOM = Cause(
    name="no room on the server",
    means="All of the server's slots, WAL senders or connections are taken.",
    seen_by="What the server tells of them, or the text of the refusal in the task's trace or when afflux logs in itself.",
    fits=_no_room,
    remedy=Remedy.ASK,
    hint="Drop slots that nobody reads (see pg_replication_slots), or raise max_replication_slots, max_wal_senders"
    " or max_connections and restart the server. The task is restarted when there is room.",
    mended=_has_room,
)
AWAY = Cause(
    name="database away",
    means="The shard's server does not answer. Connect shows RUNNING.",
    seen_by="afflux can't reach it either.",
    fits=_away,
    remedy=Remedy.WAIT,
    hint="Is the server up, and is it reachable from here and from Connect's workers? The connector goes on by itself.",
)

"""Whether a table of a shard has been read anew, by what its connector tells. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass

from afflux.clients.notifications import Notice
from afflux.sinks.resyncs import Resync

_READ = frozenset({"SUCCEEDED", "EMPTY"})


@dataclass(frozen=True, slots=True)
class Scan:
    """What became of the reading of a table.

    Attributes:
        failure: why it could not be read; empty when it was.
    """

    failure: str = ""


def scan_of(resync: Resync, connector: str, notices: Iterable[Notice]) -> Scan | None:
    """Find what became of a table that is to be read anew.

    What an incremental snapshot reads has been sent when its scan of the table is told. A first copy or a blocking
    one holds its last row back until it is told completed (Debezium marks that row as the last), and one that is
    told to have started anew counts from there.

    Args:
        resync: what was asked for.
        connector: its shard's topic prefix.
        notices: what was told, in order, from `resync.heard` on.

    Returns:
        None where that is not known yet.
    """
    told = [n for n in notices if n.offset >= resync.heard and n.connector == connector]
    if resync.by_signal:
        return _of_signal(resync, [n for n in told if n.incremental and n.id == resync.id])
    return _of_copy(resync, [n for n in told if not n.incremental])


def _of_signal(resync: Resync, told: Iterable[Notice]) -> Scan | None:
    for notice in told:
        if notice.kind == "TABLE_SCAN_COMPLETED" and notice.table == resync.source:
            return (
                Scan() if notice.status in _READ else Scan(f"the incremental snapshot of it ended with {notice.status}")
            )
        if notice.kind in {"COMPLETED", "ABORTED"}:
            return Scan(f"the incremental snapshot was {notice.kind.lower()} without it")
    return None


def _of_copy(resync: Resync, told: Iterable[Notice]) -> Scan | None:
    started, scanned = False, ""
    for notice in told:
        if notice.kind == "STARTED":
            started, scanned = True, ""
        elif notice.kind == "TABLE_SCAN_COMPLETED" and notice.table == resync.source:
            scanned = notice.status
        elif notice.kind == "COMPLETED" and started and scanned:
            return Scan() if scanned in _READ else Scan(f"the snapshot of it ended with {scanned}")
    return None

"""How a part is now."""

from dataclasses import dataclass
from datetime import UTC, datetime

import psutil

from afflux.stack.parts.base import NotReady, Part


@dataclass(frozen=True)
class PartStatus:
    """One part as it is now."""

    part: str
    state: str
    """`ready`: it answered a request; `silent`: its process lives but gave no answer; `stopped`: no process."""
    port: int
    pid: int | None = None
    resident_mib: int | None = None
    """Resident memory of the process and its children in MiB."""
    since: datetime | None = None
    """When the process was started (UTC)."""


def look(part: Part) -> PartStatus:
    """Ask the part a request and its process how it is."""
    process = part.process.find()
    if process is None:
        return PartStatus(part.name, "stopped", part.port)
    try:
        part.answer()
        state = "ready"
    except NotReady:
        state = "silent"
    try:
        family = [process, *process.children(recursive=True)]
        resident = sum(_resident(member) for member in family) >> 20
        since = datetime.fromtimestamp(process.create_time(), UTC)
    except psutil.NoSuchProcess:  # it ended while it was looked at
        return PartStatus(part.name, "stopped", part.port)
    return PartStatus(part.name, state, part.port, process.pid, resident, since)


def _resident(process: psutil.Process) -> int:
    """Return a process's resident memory in bytes; of shared pages its share, where the system tells (Linux).

    One that has just ended has none: a server's child may come and go for each of its sessions.
    """
    try:
        full = process.memory_full_info()
        return int(getattr(full, "pss", full.rss))
    except psutil.AccessDenied:
        return int(process.memory_info().rss)
    except psutil.NoSuchProcess:
        return 0

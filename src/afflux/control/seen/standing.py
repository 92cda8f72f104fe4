"""Whether a connector can go on from where it stands, or has lost its place (pure)."""

from collections.abc import Mapping, Sequence
from typing import Any

from afflux.clients.catalog import Publication, Slot


def lost(slot: Slot | None, publication: Publication | None, offsets: Sequence[Mapping[str, Any]]) -> str:
    """Say why a shard's changes can't be read on without a gap; empty where they can.

    Args:
        slot: the shard's; None for none.
        publication: the shard's; None for none.
        offsets: where its connector stands, as Connect stores it; empty where there is no connector, where it has
            read nothing, and where the slot is being read.
    """
    if slot is None:
        return "the slot is gone, and with it the changes since the connector last read" if offsets else ""
    if slot.wal_status == "lost":
        return "the server has removed the WAL that the slot stood on, so changes are missing"
    if publication is None:
        # Observed: PostgreSQL reads the slot by the catalog of each change's own time, so a publication that is made
        # again does not help while changes from the time without it are in the slot.
        return "the publication is gone while its slot stayed, so the slot can't be read on"
    place = _place(offsets)
    if place is not None and slot.flushed is not None and place < slot.flushed:
        return "the slot stands further than the connector has read: somebody else read it or made it anew"
    return ""


def in_first_copy(offset: Mapping[str, Any]) -> bool:
    """Tell whether a connector that stands there has not finished its first copy."""
    return bool(offset.get("snapshot")) and offset["snapshot"] != "BLOCKING" and not offset.get("snapshot_completed")


def _place(offsets: Sequence[Mapping[str, Any]]) -> int | None:
    """The last LSN that the connector has stored; None where it has stored none, or only makes its first copy."""
    if any(in_first_copy(offset) for offset in offsets):
        return None
    return max((int(offset["lsn"]) for offset in offsets if "lsn" in offset), default=None)

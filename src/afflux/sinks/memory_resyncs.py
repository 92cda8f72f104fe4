"""Tables of shards that are read anew, in memory."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import UTC, datetime

from afflux.errors import Overtaken
from afflux.sinks.batch import Partition
from afflux.sinks.resyncs import Resync, ResyncState

Kept = dict[str, Resync]
"""By topic, the newest one."""


def ask(kept: Kept, resyncs: Collection[Resync]) -> None:
    """See `SinkState.ask_resyncs`."""
    kept.update({resync.topic: replace(resync, asked=datetime.now(UTC)) for resync in resyncs})


def listed(kept: Kept, offsets: Mapping[Partition, int]) -> list[Resync]:
    """See `SinkState.resyncs`."""
    return [replace(kept[topic], passed=_passed(kept[topic], offsets)) for topic in sorted(kept)]


def read(kept: Kept, resync: Resync, ends: Mapping[Partition, int]) -> None:
    """See `SinkState.resync_read`."""
    if (asked := _asked(kept, resync)) is not None:
        kept[resync.topic] = replace(
            asked, state=ResyncState.READ, ends={partition.number: end for partition, end in ends.items()}
        )


def fail(kept: Kept, resync: Resync, reason: str) -> None:
    """See `SinkState.resync_failed`."""
    if (asked := _asked(kept, resync)) is not None:
        kept[resync.topic] = replace(asked, state=ResyncState.FAILED, reason=reason, closed=datetime.now(UTC))


def close(kept: Kept, offsets: Mapping[Partition, int], resynced: Mapping[str, str]) -> None:
    """Say that resynchronisations are done, in the transaction that removes what is gone.

    Raises:
        Overtaken: one of them has not come so far, or is another one now.
    """
    for topic, number in resynced.items():
        found = kept.get(topic)
        if found is None or found.id != number or found.state != ResyncState.READ or not _passed(found, offsets):
            raise Overtaken("a resynchronisation is not what it was, or not all of its rows are in the target")
        kept[topic] = replace(found, state=ResyncState.DONE, closed=datetime.now(UTC))


def _asked(kept: Kept, resync: Resync) -> Resync | None:
    found = kept.get(resync.topic)
    return found if found is not None and found.id == resync.id and found.state is ResyncState.ASKED else None


def _passed(resync: Resync, offsets: Mapping[Partition, int]) -> bool:
    return resync.state is not ResyncState.ASKED and all(
        offsets.get(Partition(resync.topic, number), 0) >= end for number, end in resync.ends.items()
    )

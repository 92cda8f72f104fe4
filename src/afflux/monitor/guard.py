"""When a slot has to go so that its shard lives (pure).

PostgreSQL itself lets a slot go that reaches `max_slot_wal_keep_size`: the shard is in no danger from it. The danger is
a disk that fills before that, and only the topology knows how large it is (`source.guard.disk`).
"""

from dataclasses import dataclass

from afflux.monitor.slots import ShardReading
from afflux.monitor.units import duration, size
from afflux.monitor.watch import Readings
from afflux.topology.guard import Guard


@dataclass(frozen=True, slots=True)
class LastResort:
    """A slot that is to be dropped; its shard has to be read anew then.

    Attributes:
        shard: whose.
        slot: the slot's name.
        reason: why, in a sentence.
        retained: bytes of WAL that the shard is freed of; None while not known.
    """

    shard: str
    slot: str
    reason: str
    retained: int | None


def decide(guard: Guard, readings: Readings) -> list[LastResort]:
    """Say which slots are to be dropped now; none, unless the topology allows it for their shards.

    Args:
        guard: the topology's `source.guard`.
        readings: of a look.
    """
    return [found for reading in readings.shards.values() if (found := _decide(guard, reading)) is not None]


def _decide(guard: Guard, reading: ShardReading) -> LastResort | None:
    step, wal = guard.last_resort, reading.wal
    if step is None or not step.covers(reading.shard) or wal is None or wal.slot is None:
        return None
    disk = next((room for room in reading.rooms if room.limit == "disk"), None)
    if disk is None or reading.draining or not wal.retained:
        return None
    likely = disk.forecast.likely if disk.forecast else None
    if disk.used >= step.share:
        reason = f"{disk.used:.0%} of the {guard.disk} for WAL are in use"
    elif likely is not None and likely <= step.seconds:
        reason = f"the {guard.disk} for WAL are likely to be full in {duration(likely)}"
    else:
        return None
    reason += f"; the slot holds {size(wal.retained)} of it"
    return LastResort(reading.shard, reading.slot, reason, wal.retained)

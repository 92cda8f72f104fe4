"""Each shard's slot and WAL, again and again: how much room is left, and when it will be used up."""

import math
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from afflux.clients.servers import login
from afflux.clients.wal import Gauge, Holder, SlotState, Wal
from afflux.errors import AffluxError, SourceError
from afflux.monitor.forecast import Forecast, History, Point, forecast, growth
from afflux.topology.guard import Guard
from afflux.topology.model import Shard, Topology
from afflux.topology.names import shard_names

WORKERS: Final = 24
"""Shards that are asked at once."""
LOOK_SECONDS: Final = 8.0
"""For all shards together; one that has not answered by then is told to be away."""
HELD_BACK_SECONDS: Final = 60.0
"""Transactions younger than this hold nothing back that matters."""


@dataclass(frozen=True, slots=True)
class Room:
    """What is left of one limit.

    Attributes:
        limit: what sets it: `slot` (`max_slot_wal_keep_size`), `disk` (`source.guard.disk`) or `idle`
            (`idle_replication_slot_timeout`).
        left: bytes that may still be written, or seconds that a slot may still be idle.
        used: the share in use.
        forecast: when it will be used up; None while that is not known.
    """

    limit: str
    left: float
    used: float
    forecast: Forecast | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardReading:
    """One shard's slot and WAL at one moment.

    Attributes:
        shard: its name.
        slot: its slot's.
        wal: what the server says; None when it did not answer.
        problem: why it did not.
        hint: what to do about that.
        rooms: what is left of each limit that there is, the soonest to end first.
        growth: bytes a second by which retained WAL grows; negative while it shrinks; None while not known.
        idle_since: since when nobody reads the slot, as far as is known; None while somebody does.
        holders: the transactions that hold the slot back, the oldest first, with times as far as are known.
    """

    shard: str
    slot: str
    wal: Wal | None = None
    problem: str = ""
    hint: str = ""
    rooms: tuple[Room, ...] = ()
    growth: float | None = None
    idle_since: datetime | None = None
    holders: tuple[Holder, ...] = ()

    @property
    def room(self) -> Room | None:
        """The limit that ends first."""
        return self.rooms[0] if self.rooms else None

    @property
    def state(self) -> str:
        """`away`, `missing`, or the slot's `wal_status`: `reserved`, `extended`, `unreserved`, `lost`."""
        if self.wal is None:
            return "away"
        return self.wal.slot.wal_status or "lost" if self.wal.slot else "missing"

    @property
    def draining(self) -> bool:
        """Whether the WAL's use shrinks."""
        return self.growth is not None and self.growth < 0


class _Shard:
    """What is remembered of a shard from one look to the next."""

    def __init__(self, gauge: Gauge) -> None:
        self.gauge = gauge
        self.asked: Future[Wal] | None = None
        self.history = History()
        self.idle_since: datetime | None = None
        self.seen: dict[tuple[str, str], datetime] = {}

    def note(self, wal: Wal) -> None:
        """Remember a reading."""
        slot = wal.slot
        if slot is not None and slot.restart_lsn is not None:
            self.history.add(Point(wal.at.timestamp(), wal.lsn, min(slot.restart_lsn, wal.lsn)))
        else:
            self.history = History()
        idle = slot is not None and not slot.active
        self.idle_since = (slot and slot.inactive_since) or self.idle_since or wal.at if idle else None
        self.seen = {(h.kind, h.name): self.seen.get((h.kind, h.name), wal.at) for h in wal.holders}


class Slots:
    """Watches the slots of a topology's shards, over one connection each."""

    def __init__(self) -> None:
        self._shards: dict[str, _Shard] = {}
        self._pool = ThreadPoolExecutor(WORKERS, thread_name_prefix="slots")

    def look(self, topology: Topology) -> dict[str, ShardReading]:
        """Ask every shard once, side by side; never raises for one that is away.

        Args:
            topology: as it is now; shards may come and go from one look to the next.

        Returns:
            By the shard's name.
        """
        readings = {shard.name: self._begin(topology, shard) for shard in topology.shards}
        for name in self._shards.keys() - readings.keys():
            self._forget(name)
        asked = {name: self._shards[name].asked for name, problem in readings.items() if problem is None}
        wait([future for future in asked.values() if future is not None], timeout=LOOK_SECONDS)
        return {
            name: readings[name] or self._reading(topology, self._shards[name], name)
            for name in (shard.name for shard in topology.shards)
        }

    def close(self) -> None:
        """Let go of all shards; what waits for one is broken off."""
        for known in self._shards.values():
            if known.asked is not None and not known.asked.done():
                known.gauge.abort()
        self._pool.shutdown(cancel_futures=True)
        for known in self._shards.values():
            known.gauge.close()
        self._shards.clear()

    def _begin(self, topology: Topology, shard: Shard) -> ShardReading | None:
        """Send a shard its question; give the reading at once where that can't be done."""
        slot = shard_names(topology, shard).slot
        try:
            at = login(topology, shard)
        except AffluxError as error:
            return ShardReading(shard=shard.name, slot=slot, problem=error.message, hint=error.hint)
        known = self._shards.get(shard.name)
        if known is None or (known.gauge.login, known.gauge.slot) != (at, slot):
            self._forget(shard.name)
            known = self._shards[shard.name] = _Shard(Gauge(at, slot))
        if known.asked is None or known.asked.done():
            known.asked = self._pool.submit(known.gauge.read)
        return None

    def _reading(self, topology: Topology, known: _Shard, name: str) -> ShardReading:
        of = ShardReading(shard=name, slot=known.gauge.slot)
        if known.asked is None or not known.asked.done():
            known.gauge.abort()
            hint = "Is the server overloaded, or the network cut?"
            return replace(of, problem=f"no answer within {LOOK_SECONDS:.0f} s", hint=hint)
        try:
            wal = known.asked.result()
        except SourceError as error:
            return replace(of, problem=error.message.removeprefix(f"{known.gauge.login.where}: "), hint=error.hint)
        known.note(wal)
        of = replace(of, wal=wal, idle_since=known.idle_since)
        return assess(of, known.history.points, known.seen, topology.source.guard)

    def _forget(self, name: str) -> None:
        known = self._shards.pop(name, None)
        if known is not None:
            known.gauge.abort()
            # Its thread may still be in it; the one that closes a connection must be the one that uses it.
            self._pool.submit(known.gauge.close)


def assess(
    reading: ShardReading, points: Sequence[Point], seen: Mapping[tuple[str, str], datetime], guard: Guard
) -> ShardReading:
    """Say how much room is left of each limit, when it ends, and who holds the slot back.

    Args:
        reading: with what the server says.
        points: the WAL's past: where it was written, and where the slot stood.
        seen: when each open transaction, by its kind and name, was first seen.
        guard: the topology's.
    """
    wal = reading.wal
    if wal is None or wal.slot is None:
        return reading
    held = not wal.slot.active
    rooms = [
        Room(limit, left, min(1.0, max(0.0, 1 - left / whole)), forecast(points, left, held=held))
        for limit, left, whole in limits(wal, guard)
    ]
    if held and wal.idle_limit is not None and reading.idle_since is not None and wal.slot.wal_status != "lost":
        left = max(0.0, wal.idle_limit - (wal.at - reading.idle_since).total_seconds())
        rooms.append(Room("idle", left, 1 - left / wal.idle_limit, Forecast(1.0, left, left, left)))
    return replace(
        reading,
        rooms=tuple(sorted(rooms, key=_ends)),
        growth=growth(points, held=held),
        holders=_holders(wal, seen),
    )


def limits(wal: Wal, guard: Guard) -> list[tuple[str, int, int]]:
    """Give the limits of a shard's WAL.

    Returns:
        Of each its name, the bytes left, and the bytes of the whole.
    """
    found = []
    slot = wal.slot or SlotState(name="")
    if slot.wal_status == "lost":
        found.append(("slot", 0, wal.keep_limit or 1))
    elif slot.safe_wal_size is not None:
        found.append(("slot", slot.safe_wal_size, slot.safe_wal_size + (wal.retained or 0)))
    if guard.disk_bytes is not None:
        used = wal.files if wal.files is not None else wal.retained or 0
        found.append(("disk", guard.disk_bytes - used, guard.disk_bytes))
    return found


def _ends(room: Room) -> tuple[float, float]:
    return (room.forecast.likely if room.forecast else math.inf, -room.used)


def _holders(wal: Wal, seen: Mapping[tuple[str, str], datetime]) -> tuple[Holder, ...]:
    """Give the transactions that are old enough to matter; where their beginning is hidden, since they were seen."""
    dated = [replace(holder, since=holder.since or seen[holder.kind, holder.name]) for holder in wal.holders]
    least = timedelta(seconds=HELD_BACK_SECONDS)
    return tuple(holder for holder in dated if holder.since is not None and wal.at - holder.since >= least)

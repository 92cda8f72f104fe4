"""A shard as its server may tell of it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from afflux.clients.wal import SlotState, Wal
from afflux.monitor.forecast import Point
from afflux.monitor.slots import ShardReading, assess
from afflux.topology.guard import Guard

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
MB = 2**20


def slot(**given: Any) -> SlotState:
    return SlotState(
        **{"name": "s", "active": True, "wal_status": "reserved", "restart_lsn": 100 * MB, "confirmed_lsn": 110 * MB}
        | given
    )


def wal(of: SlotState | None = None, **given: Any) -> Wal:
    return Wal(
        **{"at": NOW, "version": 180004, "lsn": 120 * MB, "standby": False, "keep_limit": None, "idle_limit": None}
        | {"files": None, "slot": of or slot(), "ahead": 0.0}
        | given
    )


def reading(
    of: Wal, guard: Guard | None = None, rate: float = 0.0, released: float = 0.0, **given: Any
) -> ShardReading:
    """A reading whose past was even: bytes a second that were written, and released."""
    at, restart = NOW.timestamp(), of.slot.restart_lsn if of.slot and of.slot.restart_lsn else 0
    points = [Point(at - ago, of.lsn - rate * ago, restart - released * ago) for ago in range(600, -1, -10)]
    blank = ShardReading(shard="shard0", slot="s", wal=of, **given)
    return assess(blank, points, {(h.kind, h.name): NOW - timedelta(hours=1) for h in of.holders}, guard or Guard())


def idle(of: Wal) -> Wal:
    assert of.slot is not None
    return replace(of, slot=replace(of.slot, active=False))

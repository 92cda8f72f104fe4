"""All that a look says of slots and of topics, as plain data with its units in the names (pure)."""

import math
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from afflux.monitor.flows import FlowReading
from afflux.monitor.forecast import Forecast
from afflux.monitor.slots import Room, ShardReading
from afflux.monitor.topics import TopicReading
from afflux.monitor.watch import Readings
from afflux.sinks.batch import Partition

_COUNTERS = (
    *("spill_txns", "spill_count", "spill_bytes"),
    *("stream_txns", "stream_count", "stream_bytes", "total_txns", "total_bytes"),
)


def slot_data(reading: ShardReading) -> dict[str, Any]:
    """Give all of a shard's slot; None for what is not known, or not in the server's version."""
    wal = reading.wal
    slot = wal.slot if wal else None
    head: dict[str, Any] = {
        "shard": reading.shard,
        "slot": reading.slot,
        "state": reading.state,
        "problem": reading.problem or None,
        "hint": reading.hint or None,
        "server_version": f"{wal.version // 10000}.{wal.version % 10000}" if wal else None,
        "standby": wal.standby if wal else None,
        "wal_files_bytes": wal.files if wal else None,
        "rooms": [_room(room) for room in reading.rooms],
        "growth_bytes_per_second": reading.growth,
        "held_back_by": [
            {
                "kind": holder.kind,
                "name": holder.name,
                "user": holder.user,
                "database": holder.database,
                "application": holder.application,
                "state": holder.state,
                "since": _moment(holder.since),
            }
            for holder in reading.holders
        ],
    }
    if wal is None or slot is None:
        return head
    return head | {
        "active": slot.active,
        "active_pid": slot.active_pid,
        "idle_since": _moment(reading.idle_since),
        "wal_status": slot.wal_status,
        "invalidation_reason": slot.invalidation_reason,
        "safe_wal_size_bytes": slot.safe_wal_size,
        "retained_bytes": wal.retained,
        "unconfirmed_bytes": wal.unconfirmed,
        "restart_lsn": lsn_text(slot.restart_lsn),
        "confirmed_flush_lsn": lsn_text(slot.confirmed_lsn),
        "current_lsn": lsn_text(wal.lsn),
        "two_phase": slot.two_phase,
        "conflicting": slot.conflicting,
        "failover": slot.failover,
        "synced": slot.synced,
        "walsender": {
            "state": slot.sender_state,
            "sent_lsn": lsn_text(slot.sent_lsn),
            "write_lag_seconds": slot.write_lag,
            "flush_lag_seconds": slot.flush_lag,
            "replay_lag_seconds": slot.replay_lag,
        },
        "statistics": {name: getattr(slot, name) for name in _COUNTERS},
    }


def partition_data(readings: Readings) -> Iterator[dict[str, Any]]:
    """Give each partition of each topic, and how far each sink is behind in it."""
    for topic in readings.topics.topics.values() if readings.topics else ():
        for partition, span in sorted(topic.partitions.items()):
            yield {
                "shard": topic.shard,
                "topic": topic.topic,
                "partition": partition.number,
                "start": span.start,
                "end": span.end,
                "topic_offsets_per_second": topic.rate,
                "topic_bytes_per_second": None if None in {topic.rate, topic.record_bytes} else _bytes(topic),
                "record_bytes": topic.record_bytes,
                "skew": topic.skew,
                "retention_seconds": _finite(topic.retention.seconds),
                "retention_bytes": _finite(topic.retention.bytes),
                "sinks": {
                    flow.sink: _behind(flow, partition, topic)
                    for flow in readings.flows.values()
                    if flow.shard == topic.shard
                },
            }


def lsn_text(lsn: int | None) -> str | None:
    """Write a position in the WAL as PostgreSQL does: `16/B374D848`."""
    return None if lsn is None else f"{lsn >> 32:X}/{lsn & 0xFFFFFFFF:X}"


def _behind(flow: FlowReading, partition: Partition, topic: TopicReading) -> Mapping[str, Any]:
    lag = flow.lags.get(partition, 0)
    return {
        "lag_offsets": lag,
        "lag_bytes": None if topic.record_bytes is None else lag * topic.record_bytes,
        "headroom_seconds": _finite(flow.headrooms.get(partition, math.inf)),
        "stopped": flow.stopped.get(partition.topic),
    }


def _bytes(topic: TopicReading) -> float:
    return (topic.rate or 0.0) * (topic.record_bytes or 0.0)


def _room(room: Room) -> dict[str, Any]:
    unit = "seconds" if room.limit == "idle" else "bytes"
    return {"limit": room.limit, f"left_{unit}": room.left, "used": room.used, "ends_in_seconds": _told(room.forecast)}


def _told(told: Forecast | None) -> dict[str, float | None] | None:
    if told is None:
        return None
    return {"soonest": _finite(told.soonest), "likely": _finite(told.likely), "latest": _finite(told.latest)}


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _moment(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()

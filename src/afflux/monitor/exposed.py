"""What a look says, as metrics (pure)."""

from collections.abc import Iterator

from afflux.monitor.flows import FlowReading
from afflux.monitor.forecast import Forecast
from afflux.monitor.slots import ShardReading
from afflux.monitor.topics import TopicReading, TopicsReading
from afflux.monitor.watch import Readings
from afflux.telemetry import metrics as m
from afflux.telemetry.watched import Measure, Sample

STATES = ("reserved", "extended", "unreserved", "lost", "missing")
TASK_STATES = ("RUNNING", "FAILED", "PAUSED", "UNASSIGNED", "RESTARTING", "STOPPED")


def samples(readings: Readings) -> Iterator[Sample]:
    """Give a look's metrics; what is not known is left out."""
    for reading in readings.shards.values():
        yield from _shard(reading)
    if readings.topics is not None:
        yield from _topics(readings.topics, list(readings.shards))
    for flow in readings.flows.values():
        yield from _flow(flow)
    for part in readings.parts.values():
        yield m.PART_UP.of(not part.problem, part=part.part)
    for target in readings.targets.values():
        yield m.TARGET_UP.of(not target.problem, sink=target.part)
    if not readings.parts["connect"].problem:
        for state in sorted({*TASK_STATES, *readings.tasks}):
            yield m.TASKS.of(readings.tasks.get(state, 0), state=state)
        yield m.WORKERS.of(readings.workers)
    yield m.LOOKED.of(readings.at.timestamp())
    yield m.LOOK_SECONDS.of(readings.seconds)


def _shard(reading: ShardReading) -> Iterator[Sample]:
    shard, wal = reading.shard, reading.wal
    yield m.SHARD_UP.of(wal is not None, shard=shard)
    if wal is None:
        return
    for state in STATES:
        yield m.SLOT_STATE.of(state == reading.state, shard=shard, state=state)
    yield m.SHARD_CLOCK.of(wal.ahead, shard=shard)
    yield m.WAL_WRITTEN.of(wal.lsn, shard=shard)
    if wal.files is not None:
        yield m.WAL_FILES.of(wal.files, shard=shard)
    slot = wal.slot
    if slot is None:
        return
    idle = (wal.at - reading.idle_since).total_seconds() if reading.idle_since else 0.0
    known: list[tuple[Measure, float | None]] = [
        (m.SLOT_ACTIVE, slot.active),
        (m.SLOT_IDLE, max(0.0, idle)),
        (m.SLOT_FAILOVER, slot.failover),
        (m.WAL_RETAINED, wal.retained),
        (m.WAL_UNCONFIRMED, wal.unconfirmed),
        (m.WAL_GROWTH, reading.growth),
        *((measure, getattr(slot, column)) for column, measure in m.SLOT_BYTES.items()),
    ]
    yield from (measure.of(float(value), shard=shard) for measure, value in known if value is not None)
    for stage, lag in (("write", slot.write_lag), ("flush", slot.flush_lag), ("replay", slot.replay_lag)):
        if lag is not None:
            yield m.SENDER_LAG.of(lag, shard=shard, stage=stage)
    for kind in ("session", "prepared"):
        ages = [(wal.at - h.since).total_seconds() for h in reading.holders if h.kind == kind and h.since]
        yield m.TRANSACTION_AGE.of(max(ages, default=0.0), shard=shard, kind=kind)
    if reading.state != "lost":  # nothing runs out any more
        yield from _rooms(reading)


def _rooms(reading: ShardReading) -> Iterator[Sample]:
    for room in reading.rooms:
        if room.limit != "idle":
            yield m.WAL_ROOM.of(room.left, shard=reading.shard, limit=room.limit)
    if reading.room is not None:
        yield m.WAL_USED.of(reading.room.used, shard=reading.shard)
        for bound, seconds in _bounds(reading.room.forecast):
            yield m.WAL_LOSS.of(seconds, shard=reading.shard, bound=bound)


def _topics(read: TopicsReading, shards: list[str]) -> Iterator[Sample]:
    for shard, age in read.heartbeats.items():
        yield m.HEARTBEAT_AGE.of(age, shard=shard)
    of_shard: dict[str, list[TopicReading]] = {shard: [] for shard in shards}
    for topic in read.topics.values():
        of_shard.setdefault(topic.shard, []).append(topic)
    for shard, topics in of_shard.items():
        yield m.TOPIC_OFFSETS.of(sum(topic.offsets for topic in topics), shard=shard)
        yield m.TOPIC_RATE.of(sum((t.rate or 0.0) * (t.record_bytes or 0.0) for t in topics), shard=shard)
        yield m.TOPIC_SKEW.of(max((topic.skew for topic in topics), default=1.0), shard=shard)
    yield m.BROKERS.of(read.brokers)
    yield m.LEADERLESS.of(read.leaderless)
    yield m.THIN.of(read.thin)


def _flow(flow: FlowReading) -> Iterator[Sample]:
    place = {"sink": flow.sink, "shard": flow.shard}
    yield m.TARGET_LAG.of(flow.lag, **place)
    yield m.TARGET_LAG_BYTES.of(flow.lag_bytes, **place)
    yield m.TARGET_WORST.of(max(flow.lags.values(), default=0), **place)
    yield m.TARGET_HEADROOM.of(flow.headroom, **place)
    yield m.TARGET_DELETED.of(flow.deleted, **place)
    yield m.TARGET_STOPPED.of(len(flow.stopped), **place)
    if flow.watermark is not None:
        yield m.TARGET_DEAD_LETTERS.of(flow.watermark.dead_letters, **place)
    if flow.age is not None:
        yield m.TARGET_AGE.of(flow.age, **place)
    for bound, seconds in _bounds(flow.loss):
        yield m.TARGET_LOSS.of(seconds, bound=bound, **place)


def _bounds(told: Forecast | None) -> list[tuple[str, float]]:
    if told is None:
        return []
    return [("soonest", told.soonest), ("likely", told.likely), ("latest", told.latest)]

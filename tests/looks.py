"""What a look at a topology gives, without any server."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from afflux.clients.wal import SlotState, Wal
from afflux.control import ShardStatus, Verdict
from afflux.monitor.flows import FlowReading
from afflux.monitor.forecast import Forecast
from afflux.monitor.overview import Overview, overview
from afflux.monitor.slots import Room, ShardReading
from afflux.monitor.topics import Retention, TopicReading, TopicsReading
from afflux.monitor.watch import PartReading, Readings
from afflux.sinks.batch import Partition, Span
from afflux.sinks.state import Watermark
from afflux.topology.model import Topology
from declared import topology

AT = datetime(2026, 1, 31, 8, 0, tzinfo=UTC)
PARTS = ("kafka", "connect", "registry")


def declared(count: int = 3, **more: Any) -> Topology:
    shards = [{"name": f"shard{number}", "host": "h"} for number in range(count)]
    return topology(
        name="orders",
        source={"database": "app", "user": "cdc", "password": "${env:PASSWORD}", "shards": shards},
        **more,
    )


def wal(*, active: bool = True, status: str = "reserved", retained: int = 4096, ahead: float = 0.0) -> Wal:
    slot = SlotState(
        name="s", active=active, wal_status=status, restart_lsn=10_000_000 - retained, confirmed_lsn=10_000_000
    )
    return Wal(
        at=AT, version=160004, lsn=10_000_000, standby=False, keep_limit=None, idle_limit=None, files=None, ahead=ahead,
        slot=slot,
    )  # fmt: skip


def reading(name: str, of: Wal | None = None, *, room: Room | None = None, problem: str = "") -> ShardReading:
    return ShardReading(
        shard=name, slot=f"afflux_orders_{name}", wal=None if problem else of or wal(), problem=problem,
        hint="Is it running?" if problem else "", rooms=(room,) if room else (),
    )  # fmt: skip


def room(*, used: float, likely: float) -> Room:
    return Room("slot", 1e9, used, Forecast(1.0, likely / 2, likely, likely * 2))


def flow(
    name: str, *, sink: str = "warehouse", age: float | None = 2.0, lag: int = 0, dead: int = 0, stopped: str = ""
) -> FlowReading:
    mark = Watermark(name, None if age is None else AT - timedelta(seconds=age), 1, AT, (), dead)
    return FlowReading(
        sink=sink, shard=name, lags={Partition(f"{name}.public.t", 0): lag} if lag else {}, lag_bytes=lag * 100.0,
        watermark=mark, age=age, stopped={stopped: "by me"} if stopped else {},
    )  # fmt: skip


def streaming(names: Iterable[str]) -> dict[str, ShardStatus]:
    return {name: ShardStatus(name, Verdict.STREAMING) for name in names}


def readings(
    of: Topology,
    *,
    shards: Iterable[ShardReading] = (),
    flows: Iterable[FlowReading] = (),
    parts: Iterable[PartReading] = (),
    heartbeats: Mapping[str, float] | None = None,
    tasks: Mapping[str, int] | None = None,
    topics: Mapping[str, TopicReading] | None = None,
    at: datetime = AT,
) -> Readings:
    """Give a look at a topology that is well but for what is said."""
    names = [shard.name for shard in of.shards]
    known = {(sink.name, name): flow(name, sink=sink.name) for sink in of.sinks for name in names}
    beats = dict.fromkeys(names, 3.0) | dict(heartbeats or {})
    return Readings(
        at=at,
        seconds=1.0,
        shards={name: reading(name) for name in names} | {shard.shard: shard for shard in shards},
        topics=TopicsReading(topics or {}, beats, brokers=3, leaderless=0, thin=0),
        flows=known | {(flow.sink, flow.shard): flow for flow in flows},
        parts={name: PartReading(name) for name in PARTS} | {p.part: p for p in parts if p.part in PARTS},
        targets={sink.name: PartReading(sink.name) for sink in of.sinks}
        | {p.part: p for p in parts if p.part not in PARTS},
        tasks=tasks or {"RUNNING": len(names)},
        workers=1,
    )


def look(of: Topology, *, streams: Mapping[str, ShardStatus] | None = None, **seen: Any) -> Overview:
    """Give the overview of a topology that is well but for what is said; `seen` is that of `readings`."""
    names = [shard.name for shard in of.shards]
    return overview(of, readings(of, **seen), streaming(names) | dict(streams or {}))


def topic(shard: str, end: int) -> TopicReading:
    name = f"{shard}.public.t"
    return TopicReading(name, shard, {Partition(name, 0): Span(0, end)}, None, 100.0, 1.0, Retention())

"""All of a topology on one screen: what is looked at, and what it comes to. The data of `afflux status`."""

import math
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from types import MappingProxyType
from typing import Final

from afflux import control
from afflux.errors import AffluxError
from afflux.monitor.asking import Asking
from afflux.monitor.findings import Finding, Level, of_alerts, of_flow, of_shard, of_stream, ordered
from afflux.monitor.flows import FlowReading
from afflux.monitor.forecast import Forecast
from afflux.monitor.slots import ShardReading
from afflux.monitor.watch import ANSWER_SECONDS, PartReading, Readings, Watch
from afflux.topology.model import Topology

_LOOKS: Final = 5
"""As many looks as a forecast needs at least."""
_BETWEEN_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Foretold:
    """When room is used up, in seconds from now; None: not as things are."""

    soonest: float | None
    likely: float | None
    latest: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardView:
    """One shard.

    Attributes:
        shard: its name.
        level: how much somebody is needed.
        findings: what is to be said of it, the worst first.
        stream: what its changes do: `streaming`, `failed` and so on; `unknown` where Connect did not say.
        slot: the state of its slot: `reserved`, `extended`, `unreserved`, `lost`, `missing`, or `away`.
        slot_read: whether somebody reads it; None while that is not known.
        wal_retained_bytes: WAL that the server keeps because of the slot.
        wal_growth_bytes_per_second: by how much that grows; negative while it shrinks; None while not known.
        wal_used: the share of the room for WAL that is in use; None where nothing limits it.
        wal_full_in_seconds: when that room is used up; None while not known.
        lag_events: offsets in Kafka that the target has not, of the sink that has least.
        lag_bytes: about how many bytes that is.
        age_seconds: how old the target is, by the watermark and the shard's clock, of the oldest sink.
        watermark: all that the shard had committed before is in every target.
        dead_letters: how many are open, of all sinks.
        stopped_topics: the topics that are not read on.
        clock_ahead_seconds: by how much its clock is ahead of this machine's.
        heartbeat_age_seconds: since its newest heartbeat came through.
    """

    shard: str
    level: Level
    findings: tuple[Finding, ...]
    stream: str
    slot: str
    slot_read: bool | None
    wal_retained_bytes: int | None
    wal_growth_bytes_per_second: float | None
    wal_used: float | None
    wal_full_in_seconds: Foretold | None
    lag_events: int | None
    lag_bytes: float | None
    age_seconds: float | None
    watermark: datetime | None
    dead_letters: int | None
    stopped_topics: tuple[str, ...]
    clock_ahead_seconds: float | None
    heartbeat_age_seconds: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PartView:
    """A server that all shards share: `kafka`, `connect`, `registry`, or `target` and a sink's name."""

    part: str
    level: Level
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetView:
    """One target as a whole.

    Attributes:
        sink: its sink's name.
        watermark: all that any shard had committed before is there; None while some shard has none.
        age_seconds: how old it is, by the shard that is oldest there; likewise.
        shards_without: the shards that have no watermark yet.
    """

    sink: str
    watermark: datetime | None
    age_seconds: float | None
    shards_without: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """A topology at one moment.

    Attributes:
        topology: its name.
        at: when.
        level: the worst of all.
        verdict: what it comes to, in a sentence.
        next: what to do first; empty where there is nothing to do.
        shards: the shards, the worst first.
        parts: the servers that all shards share.
        targets: the targets, in the topology's order.
        looked: whether any server answered.
    """

    topology: str
    at: datetime
    level: Level
    verdict: str
    next: str
    shards: tuple[ShardView, ...]
    parts: tuple[PartView, ...]
    targets: tuple[TargetView, ...]
    looked: bool


class Lookout:
    """Looks at a topology again and again. Used by one thread."""

    def __init__(self) -> None:
        self._watch = Watch()

    def look(self, topology: Topology) -> Overview:
        """Look once; takes ten seconds at most, and raises for no server that is away.

        Args:
            topology: as it is now, its shards resolved.
        """
        streams = Asking("Kafka Connect", lambda: control.status(topology))
        begun = time.monotonic()
        streams.begin()
        readings = self._watch.look(topology)
        answer = streams.answer(begun + ANSWER_SECONDS - time.monotonic())
        told = () if isinstance(answer, AffluxError) else answer
        return overview(topology, readings, {status.shard: status for status in told})

    def look_well(self, topology: Topology) -> Overview:
        """Look until it can be said when the WAL of slots that nobody reads is full: some seconds more, where there are any."""
        found = self.look(topology)
        for _ in range(_LOOKS - 1):
            if all(shard.wal_used is None or shard.slot_read or shard.wal_full_in_seconds for shard in found.shards):
                break
            time.sleep(_BETWEEN_SECONDS)
            found = self.look(topology)
        return found

    def close(self) -> None:
        """Let go of all servers."""
        self._watch.close()


def overview(
    topology: Topology,
    readings: Readings,
    streams: Mapping[str, control.ShardStatus],
    cases: Mapping[str, Finding] = MappingProxyType({}),
) -> Overview:
    """Say what a look comes to; pure.

    Args:
        topology: the declared whole.
        readings: what was seen.
        streams: what the control plane says of the shards' streams, as far as it could be asked.
        cases: what a supervisor treats shards for whose streams look well.
    """
    alerts: dict[str, list[Finding]] = {}
    for place, finding in of_alerts(topology, readings):
        alerts.setdefault(place, []).append(finding)
    if readings.parts["connect"].problem:
        streams = {}  # that Connect is away is said once
    shards = [
        _shard(reading, readings, streams.get(name), alerts, cases.get(name))
        for name, reading in readings.shards.items()
    ]
    shards.sort(key=lambda s: (-s.level.rank, -(s.age_seconds or 0.0), -(s.lag_events or 0), s.shard))
    servers = [*readings.parts.values(), *(replace(t, part=f"target {t.part}") for t in readings.targets.values())]
    parts = tuple(_part(server, alerts.get(server.part, ())) for server in servers)
    targets = tuple(_target(sink.name, readings) for sink in topology.own_sinks)
    levels = [*(shard.level for shard in shards), *(part.level for part in parts)]
    level = max(levels, key=lambda level: level.rank, default=Level.WELL)
    verdict, advice = _verdict(topology.name, shards, parts, targets)
    return Overview(
        topology=topology.name,
        at=readings.at,
        level=level,
        verdict=verdict,
        next=advice,
        shards=tuple(shards),
        parts=parts,
        targets=targets,
        looked=any(s.slot != "away" for s in shards) or any(not server.problem for server in servers),
    )


def _shard(
    reading: ShardReading,
    readings: Readings,
    status: control.ShardStatus | None,
    alerts: Mapping[str, list[Finding]],
    case: Finding | None,
) -> ShardView:
    name, wal, room = reading.shard, reading.wal, reading.room
    flows = [flow for (_, shard), flow in readings.flows.items() if shard == name]
    found = [*of_stream(status if wal else None), *([case] if case else ()), *of_shard(reading)]
    if wal is not None:
        found += alerts.get(f"shard {name}", ())
    found += [finding for flow in flows for finding in of_flow(flow, status)]
    findings = ordered(found)
    slowest = max(flows, key=lambda flow: flow.lag, default=None)
    ages = [flow.age for flow in flows]
    return ShardView(
        shard=name,
        level=findings[0].level if findings else Level.WELL,
        findings=findings,
        stream=str(status.verdict) if status else "unknown",
        slot=reading.state,
        slot_read=wal.slot.active if wal and wal.slot else None,
        wal_retained_bytes=wal.retained if wal else None,
        wal_growth_bytes_per_second=reading.growth,
        wal_used=room.used if room else None,
        wal_full_in_seconds=_foretold(room.forecast if room else None),
        lag_events=slowest.lag if slowest else None,
        lag_bytes=max((flow.lag_bytes for flow in flows), default=None),
        age_seconds=max((age for age in ages if age is not None), default=None) if None not in ages else None,
        watermark=_least(flows),
        dead_letters=sum(flow.dead_letters for flow in flows) if flows else None,
        stopped_topics=tuple(sorted({topic for flow in flows for topic in flow.stopped})),
        clock_ahead_seconds=wal.ahead if wal else None,
        heartbeat_age_seconds=_finite(readings.topics.heartbeats.get(name)) if readings.topics else None,
    )


def _part(server: PartReading, alerts: Iterable[Finding]) -> PartView:
    findings = [Finding(Level.PAGE, server.problem, server.hint)] if server.problem else ordered(alerts)
    return PartView(part=server.part, level=findings[0].level if findings else Level.WELL, findings=tuple(findings))


def _target(sink: str, readings: Readings) -> TargetView:
    flows = {shard: flow for (of, shard), flow in readings.flows.items() if of == sink}
    without = tuple(shard for shard in readings.shards if shard not in flows or flows[shard].age is None)
    ages = [flow.age for flow in flows.values() if flow.age is not None]
    return TargetView(
        sink=sink,
        watermark=None if without else _least(flows.values()),
        age_seconds=None if without else max(ages, default=None),
        shards_without=without,
    )


def _verdict(
    name: str, shards: Iterable[ShardView], parts: Iterable[PartView], targets: Iterable[TargetView]
) -> tuple[str, str]:
    """Give the sentence, and what to do first."""
    shards = list(shards)
    worried = [shard for shard in shards if shard.level.worry]
    ill = sorted((part for part in parts if part.level.worry), key=lambda part: -part.level.rank)
    if ill and (not worried or ill[0].level.rank >= worried[0].level.rank):
        first, also = ill[0].findings[0], f"; {_count(len(worried), 'shard')} too" if worried else ""
        return f"{name}: {ill[0].part}: {first.what}{also}", first.next
    if worried:
        first = worried[0].findings[0]
        of = f"{len(worried)} of {_count(len(shards), 'shard')} need{'s' if len(worried) == 1 else ''} you"
        return f"{name}: {of}; {worried[0].shard}: {first.what}", first.next
    fresh = ", ".join(f"{t.sink} is {t.age_seconds:.0f} s old" for t in targets if t.age_seconds is not None)
    return f"{name}: all is well with {_count(len(shards), 'shard')}{'; ' if fresh else ''}{fresh}", ""


def _count(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"


def _least(flows: Iterable[FlowReading]) -> datetime | None:
    """Give the watermark up to which all of these are in; None where one has none."""
    times = [flow.watermark.time if flow.watermark else None for flow in flows]
    known = [time for time in times if time is not None]
    return min(known) if known and len(known) == len(times) else None


def _foretold(told: Forecast | None) -> Foretold | None:
    if told is None:
        return None
    return Foretold(soonest=_finite(told.soonest), likely=_finite(told.likely), latest=_finite(told.latest))


def _finite(value: float | None) -> float | None:
    return None if value is None or math.isinf(value) else value

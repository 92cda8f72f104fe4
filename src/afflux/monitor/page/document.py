"""All that the page shows at one moment, as data (pure)."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from afflux.control import ShardStatus
from afflux.control.done.audit import Record
from afflux.control.healing.causes.tables import HELD
from afflux.control.healing.rows import Row
from afflux.control.seen.status import GOOD
from afflux.monitor.alarms import Alert
from afflux.monitor.findings import Finding, Level
from afflux.monitor.overview import Overview, ShardView, TargetView, overview
from afflux.monitor.page.hour import Hour
from afflux.monitor.watch import Readings
from afflux.topology.model import Topology

DEEDS: Final = 30
"""How many of the newest deeds are shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What a supervisor has seen.

    Attributes:
        topology: the declared whole.
        readings: its last look.
        streams: what each shard's stream does, as far as that is known.
        rows: what each shard has, and what is done about it; none where another supervisor acts.
        alerts: those that are not over, pages first.
        leads: whether this is the supervisor that acts.
        waiting: what it waits for; empty when it works, or stands by.
    """

    topology: Topology
    readings: Readings
    streams: Mapping[str, ShardStatus] = field(default_factory=dict)
    rows: Sequence[Row] = ()
    alerts: Sequence[Alert] = ()
    leads: bool = True
    waiting: str = ""

    @property
    def overview(self) -> Overview:
        """What it comes to."""
        return overview(
            self.topology, self.readings, self.streams, {row.shard: found for row in self.rows if (found := _case(row))}
        )


def _case(row: Row) -> Finding | None:
    """Say what a shard has that its stream looks well with, such as a connector whose heartbeats do not arrive."""
    if not row.cause or row.stream not in GOOD:
        return None
    level = Level.PAGE if row.needs_person and row.cause != HELD.name else Level.WARNING
    return Finding(level, f"{row.cause}: {row.detail}" if row.detail else row.cause, row.hint)


def document(
    seen: Seen, found: Overview, hour: Hour, deeds: Iterable[Record], schemas: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Put the page together.

    Args:
        seen: what was seen.
        found: what that comes to.
        hour: what is remembered, this look among it.
        deeds: what was done, the oldest first.
        schemas: how tables differ, as `contracts.differences` tells it, or the `problem` of asking; None: not yet asked.

    Returns:
        What JSON can write, but for times and enumerations; no number of it is infinite.
    """
    rows = {row.shard: row for row in seen.rows}
    return {
        "topology": found.topology,
        "at": found.at,
        "level": found.level,
        "verdict": found.verdict,
        "next": found.next,
        "leads": seen.leads,
        "waiting": seen.waiting,
        "now": asdict(hour.last) if hour.last else None,
        "path": _path(seen, found, hour),
        "parts": [asdict(part) for part in found.parts if part.level.worry],
        "alerts": [_alert(alert) for alert in seen.alerts],
        "shards": [_shard(shard, hour, rows.get(shard.shard)) for shard in found.shards],
        "schemas": schemas,
        "deeds": [_deed(record) for record in list(deeds)[: -DEEDS - 1 : -1]],
    }


def _path(seen: Seen, found: Overview, hour: Hour) -> dict[str, Any]:
    """Give the picture: shards, their connectors, the topics, the targets."""
    topics = seen.readings.topics
    levels = sorted((shard.shard, shard.level) for shard in found.shards)
    return {
        "shards": {"levels": levels, "wal": hour.last.wal if hour.last else None},
        "connectors": {"streams": Counter(shard.stream for shard in found.shards), "workers": seen.readings.workers},
        "topics": topics
        and {
            "topics": len(topics.topics),
            "partitions": sum(len(topic.partitions) for topic in topics.topics.values()),
            "leaderless": topics.leaderless,
        },
        "targets": [_target(target, seen, found) for target in found.targets],
    }


def _target(target: TargetView, seen: Seen, found: Overview) -> dict[str, Any]:
    flows = [flow for (sink, _), flow in seen.readings.flows.items() if sink == target.sink]
    level = next((part.level for part in found.parts if part.part == f"target {target.sink}"), None)
    return asdict(target) | {
        "level": level,
        "lag": sum(flow.lag for flow in flows) if flows else None,
        "dead_letters": sum(flow.dead_letters for flow in flows) if flows else None,
    }


def _shard(shard: ShardView, hour: Hour, row: Row | None) -> dict[str, Any]:
    now = hour.now(shard.shard)
    doing = {"cause": row.cause, "doing": row.doing, "tries": row.tries} if row and row.cause else None
    return asdict(shard) | {"came": now.came if now else None, "doing": doing}


def _alert(alert: Alert) -> dict[str, Any]:
    shown = asdict(alert)
    shown["about"] = dict(alert.about)
    return shown


def _deed(record: Record) -> dict[str, Any]:
    deed = record.deed
    return {
        "at": record.began,
        "by": record.by,
        "action": deed.action,
        "object": deed.object,
        "shard": deed.shard,
        "cause": deed.cause,
        "why": deed.why,
        "result": record.result,
        "error": record.error,
    }

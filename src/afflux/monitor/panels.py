"""What the dashboard shows: panels of the metrics that there are (pure)."""

from dataclasses import dataclass
from typing import Final, Literal

from prometheus_client.metrics import MetricWrapperBase

from afflux.monitor.described import described
from afflux.telemetry import metrics as m
from afflux.telemetry.watched import Measure

_SHARD: Final = '{shard=~"$shard"}'
_FLOW: Final = '{shard=~"$shard", sink=~"$sink"}'
_LIKELY: Final = '{shard=~"$shard", bound="likely"}'
_SOONEST: Final = '{shard=~"$shard", bound="soonest"}'
_FLOW_LIKELY: Final = '{shard=~"$shard", sink=~"$sink", bound="likely"}'
_FLUSH: Final = '{shard=~"$shard", stage="flush"}'


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel.

    Attributes:
        title: what it shows.
        help: how to read it.
        expressions: (PromQL, legend) each.
        unit: Grafana's name of the unit.
        kind: a number, or a line over time.
        width: of 24.
        red_above: where a number becomes red; None: never.
        red_below: likewise.
    """

    title: str
    help: str
    expressions: tuple[tuple[str, str], ...]
    unit: str = "short"
    kind: Literal["stat", "timeseries"] = "timeseries"
    width: int = 8
    red_above: float | None = None
    red_below: float | None = None


def _of(metric: Measure | MetricWrapperBase, labels: str = "") -> str:
    return f"{described(metric).name}{labels}"


def _quantile(share: float, histogram: MetricWrapperBase) -> str:
    buckets = f"rate({described(histogram).name}_bucket{_SHARD}[$__rate_interval])"
    return f"histogram_quantile({share}, sum by (shard, le) ({buckets}))"


def rows() -> dict[str, tuple[Panel, ...]]:
    """Give the panels by the title of their row."""
    return {
        "At a glance": (
            Panel(
                "Age of the oldest target",
                "By the watermarks: all that was committed before is in the target.",
                ((f"max({_of(m.TARGET_AGE, _FLOW)})", ""),),
                "s",
                "stat",
                4,
                red_above=60,
            ),
            Panel(
                "First slot to be lost",
                "The likely time until a slot is lost, or a disk is full.",
                ((f"min({_of(m.WAL_LOSS, _LIKELY)})", ""),),
                "s",
                "stat",
                4,
                red_below=7200,
            ),
            Panel(
                "First event to be deleted",
                "The likely time until Kafka deletes an event that a sink has not applied.",
                ((f"min({_of(m.TARGET_LOSS, _FLOW_LIKELY)})", ""),),
                "s",
                "stat",
                4,
                red_below=14400,
            ),
            Panel(
                "Slots that nobody reads",
                "The shards keep all WAL since.",
                ((f"count({_of(m.SLOT_ACTIVE, _SHARD)} == 0) or vector(0)", ""),),
                kind="stat",
                width=4,
                red_above=1,
            ),
            Panel(
                "Dead letters",
                "Events that can't be applied and that nobody has dealt with.",
                ((f"sum({_of(m.TARGET_DEAD_LETTERS, _FLOW)})", ""),),
                kind="stat",
                width=4,
                red_above=1,
            ),
            Panel(
                "Servers away",
                "Shards, targets, Kafka, Connect and the registry that do not answer.",
                (
                    (
                        "+".join(
                            f"(count({_of(up)} == 0) or vector(0))" for up in (m.SHARD_UP, m.PART_UP, m.TARGET_UP)
                        ),
                        "",
                    ),
                ),
                kind="stat",
                width=4,
                red_above=1,
            ),
        ),
        "Shards": (
            Panel(
                "WAL kept for the slot",
                "What the shard can't remove yet.",
                ((_of(m.WAL_RETAINED, _SHARD), "{{shard}}"),),
                "bytes",
            ),
            Panel(
                "Room in use",
                "Of the limit that ends first: max_slot_wal_keep_size or source.guard.disk.",
                ((_of(m.WAL_USED, _SHARD), "{{shard}}"),),
                "percentunit",
            ),
            Panel(
                "Time until the slot is lost",
                "The forecast: its likely value, and the soonest of its range.",
                (
                    (_of(m.WAL_LOSS, _LIKELY), "{{shard}} likely"),
                    (_of(m.WAL_LOSS, _SOONEST), "{{shard}} soonest"),
                ),
                "s",
            ),
            Panel(
                "WAL written",
                "By the whole server.",
                ((f"rate({_of(m.WAL_WRITTEN, _SHARD)}[$__rate_interval])", "{{shard}}"),),
                "Bps",
            ),
            Panel(
                "Not confirmed",
                "WAL written since what the connector has confirmed.",
                ((_of(m.WAL_UNCONFIRMED, _SHARD), "{{shard}}"),),
                "bytes",
            ),
            Panel(
                "Idle slots and long transactions",
                "How long nobody has read a slot, and how old the oldest transaction is that holds it back.",
                (
                    (f"{_of(m.SLOT_IDLE, _SHARD)} > 0", "{{shard}} idle"),
                    (f"{_of(m.TRANSACTION_AGE, _SHARD)} > 0", "{{shard}} {{kind}}"),
                ),
                "s",
            ),
            Panel(
                "Spilled to disk",
                "Decoded bytes that did not fit into logical_decoding_work_mem.",
                ((f"rate({_of(m.SLOT_BYTES['spill_bytes'], _SHARD)}[$__rate_interval])", "{{shard}}"),),
                "Bps",
            ),
            Panel(
                "Walsender's lag",
                "From writing WAL until the connector confirmed it.",
                ((_of(m.SENDER_LAG, _FLUSH), "{{shard}}"),),
                "s",
            ),
            Panel(
                "Heartbeats",
                "Time since the newest came through to Kafka.",
                ((_of(m.HEARTBEAT_AGE, _SHARD), "{{shard}}"),),
                "s",
            ),
        ),
        "Kafka and Connect": (
            Panel(
                "Events in",
                "Offsets given in the shards' topics.",
                ((f"rate({_of(m.TOPIC_OFFSETS, _SHARD)}[$__rate_interval])", "{{shard}}"),),
                "ops",
            ),
            Panel("Bytes in", "By the size of a few records.", ((_of(m.TOPIC_RATE, _SHARD), "{{shard}}"),), "Bps"),
            Panel(
                "Skew",
                "The busiest partition's share in even shares; 1 is even.",
                ((_of(m.TOPIC_SKEW, _SHARD), "{{shard}}"),),
            ),
            Panel("Tasks", "By Connect's word, which is not health.", ((_of(m.TASKS), "{{state}}"),)),
            Panel(
                "Partitions unwell",
                "Without a leader, or with a copy away or behind.",
                ((_of(m.LEADERLESS), "without leader"), (_of(m.THIN), "under-replicated")),
            ),
            Panel("Brokers and workers", "", ((_of(m.BROKERS), "brokers"), (_of(m.WORKERS), "Connect workers"))),
        ),
        "Targets": (
            Panel(
                "Age",
                "By how much the watermark is behind now.",
                ((_of(m.TARGET_AGE, _FLOW), "{{sink}} {{shard}}"),),
                "s",
            ),
            Panel("Lag", "Offsets not applied.", ((_of(m.TARGET_LAG, _FLOW), "{{sink}} {{shard}}"),)),
            Panel(
                "Retention headroom",
                "Time until the oldest event that is not applied may be deleted.",
                ((_of(m.TARGET_HEADROOM, _FLOW), "{{sink}} {{shard}}"),),
                "s",
            ),
            Panel(
                "From commit to target",
                "Of the newest row of each shard and batch.",
                (
                    (_quantile(0.5, m.FRESHNESS_SECONDS), "{{shard}} p50"),
                    (_quantile(0.99, m.FRESHNESS_SECONDS), "{{shard}} p99"),
                ),
                "s",
            ),
            Panel(
                "Applied",
                "Events a second, of all workers.",
                ((f"sum(rate({_of(m.EVENTS)}[$__rate_interval]))", "events"),),
                "ops",
            ),
            Panel(
                "Dead letters and stopped topics",
                "What waits for a person.",
                (
                    (f"{_of(m.TARGET_DEAD_LETTERS, _FLOW)} > 0", "{{sink}} {{shard}} dead letters"),
                    (f"{_of(m.TARGET_STOPPED, _FLOW)} > 0", "{{sink}} {{shard}} stopped topics"),
                ),
            ),
        ),
    }

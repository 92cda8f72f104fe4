"""A shard's heartbeat does not come through."""

from collections.abc import Iterator

from afflux.monitor.alerts.kind import Condition, Kind, Policy, Rule
from afflux.telemetry import metrics as m
from afflux.topology.part import seconds


def _rules(policy: Policy) -> Iterator[Rule]:
    yield Rule(
        "warning",
        Condition(m.HEARTBEAT_AGE, ">", seconds(policy.monitor.alerts.heartbeat)),
        0.0,
        "shard {shard}: no heartbeat has come through for {value}",
        "seconds",
    )


KIND = Kind("AffluxHeartbeatLost", "Heartbeats, and with them changes, do not come from a shard to Kafka.", _rules)

"""Kafka is about to delete what a sink has not applied."""

from collections.abc import Iterator

from afflux.monitor.alerts.kind import Condition, Kind, Policy, Rule, Severity, patience
from afflux.telemetry import metrics as m
from afflux.topology.part import seconds


def _rules(policy: Policy) -> Iterator[Rule]:
    headroom = policy.monitor.alerts.retention
    steps: list[tuple[Severity, float]] = [("page", seconds(headroom.page)), ("warning", seconds(headroom.warn))]
    for severity, within in steps:
        yield Rule(
            severity,
            Condition(m.TARGET_LOSS, "<", within, where=(("bound", "likely"),)),
            patience(within),
            "sink {sink}, shard {shard}: Kafka is likely to delete events that are not applied in {value}",
            "seconds",
        )


KIND = Kind("AffluxRetentionRunningOut", "Kafka is about to delete events that a sink has not applied.", _rules)

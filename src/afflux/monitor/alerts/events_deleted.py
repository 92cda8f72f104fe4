"""Kafka has deleted what a sink had not applied."""

from collections.abc import Iterator

from afflux.monitor.alerts.kind import Condition, Kind, Policy, Rule
from afflux.telemetry import metrics as m


def _rules(_policy: Policy) -> Iterator[Rule]:
    yield Rule(
        "page",
        Condition(m.TARGET_DELETED, ">", 0),
        0.0,
        "sink {sink}, shard {shard}: Kafka has deleted {value} offsets before they were applied",
    )


KIND = Kind("AffluxEventsDeleted", "Kafka has deleted events that a sink had not applied.", _rules)

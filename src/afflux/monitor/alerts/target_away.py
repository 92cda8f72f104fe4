"""A target does not answer."""

from collections.abc import Iterator

from afflux.monitor.alerts.kind import Condition, Kind, Policy, Rule
from afflux.telemetry import metrics as m


def _rules(_policy: Policy) -> Iterator[Rule]:
    yield Rule("warning", Condition(m.TARGET_UP, "<", 1), 120.0, "sink {sink}: its target does not answer")


KIND = Kind("AffluxTargetAway", "A sink's target does not answer.", _rules)

"""The warehouse is older than it shall be."""

from collections.abc import Iterator

from afflux.monitor.alerts.kind import Condition, Kind, Policy, Rule
from afflux.telemetry import metrics as m


def _rules(policy: Policy) -> Iterator[Rule]:
    yield Rule(
        "warning",
        Condition(m.TARGET_AGE, ">", policy.monitor.freshness_seconds),
        policy.monitor.alerts.lasting_seconds,
        "sink {sink}, shard {shard}: the target is {value} old, more than it may be",
        "seconds",
    )


KIND = Kind("AffluxFreshnessMissed", "A target has been older than its objective for minutes.", _rules)

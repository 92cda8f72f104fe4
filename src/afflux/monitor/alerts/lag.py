"""A sink is far behind."""

from collections.abc import Iterator

from afflux.monitor.alerts.kind import Condition, Kind, Policy, Rule
from afflux.telemetry import metrics as m


def _rules(policy: Policy) -> Iterator[Rule]:
    alerts = policy.monitor.alerts
    yield Rule(
        "warning",
        Condition(m.TARGET_LAG, ">", alerts.lag),
        alerts.lasting_seconds,
        "sink {sink}, shard {shard}: {value} offsets are not applied",
    )


KIND = Kind("AffluxLag", "A sink has been far behind a shard for minutes.", _rules)

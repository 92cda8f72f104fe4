"""A shard does not answer."""

from collections.abc import Iterator

from afflux.monitor.alerts.kind import Condition, Kind, Policy, Rule
from afflux.telemetry import metrics as m


def _rules(_policy: Policy) -> Iterator[Rule]:
    yield Rule("warning", Condition(m.SHARD_UP, "<", 1), 120.0, "shard {shard} has not answered for two minutes")


KIND = Kind("AffluxShardAway", "A shard has not answered for two minutes.", _rules)

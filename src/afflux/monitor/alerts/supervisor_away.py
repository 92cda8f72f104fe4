"""Nobody watches."""

from collections.abc import Iterator

from afflux.monitor.alerts.kind import Kind, Policy, Rule, Silence
from afflux.telemetry import metrics as m


def _rules(_policy: Policy) -> Iterator[Rule]:
    yield Rule("page", Silence(m.LOOKED, 60), 60.0, "no supervisor has looked at the shards for two minutes")


KIND = Kind("AffluxSupervisorAway", "No supervisor looks at the shards, so that nothing here would be told.", _rules)

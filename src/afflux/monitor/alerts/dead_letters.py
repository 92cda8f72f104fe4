"""Dead letters become more."""

from collections.abc import Iterator

from afflux.monitor.alerts.kind import Condition, Kind, Policy, Rule
from afflux.telemetry import metrics as m

_SECONDS = 600.0


def _rules(_policy: Policy) -> Iterator[Rule]:
    yield Rule(
        "warning",
        Condition(m.TARGET_DEAD_LETTERS, ">", 0, growth=_SECONDS),
        0.0,
        "sink {sink}, shard {shard}: {value} more dead letters within ten minutes",
    )


KIND = Kind("AffluxDeadLettersGrowing", "Events can't be applied, and it becomes more of them.", _rules)

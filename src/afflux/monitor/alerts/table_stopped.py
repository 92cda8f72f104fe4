"""A topic is not read on."""

from collections.abc import Iterator

from afflux.monitor.alerts.kind import Condition, Kind, Policy, Rule
from afflux.telemetry import metrics as m


def _rules(_policy: Policy) -> Iterator[Rule]:
    yield Rule(
        "warning",
        Condition(m.TARGET_STOPPED, ">", 0),
        60.0,
        "sink {sink}, shard {shard}: {value} topics are not read on until a person resumes them",
    )


KIND = Kind("AffluxTableStopped", "A topic is not read on until a person resumes it.", _rules)

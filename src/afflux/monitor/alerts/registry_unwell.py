"""The schema registry is not well."""

from collections.abc import Iterator

from afflux.monitor.alerts.kind import Condition, Kind, Policy, Rule
from afflux.telemetry import metrics as m


def _rules(_policy: Policy) -> Iterator[Rule]:
    yield Rule(
        "warning",
        Condition(m.PART_UP, "<", 1, where=(("part", "registry"),)),
        120.0,
        "the schema registry does not answer",
    )


KIND = Kind("AffluxRegistryUnwell", "The schema registry does not answer.", _rules)

"""Kafka Connect is not well."""

from collections.abc import Iterator

from afflux.monitor.alerts.kind import Condition, Kind, Policy, Rule
from afflux.telemetry import metrics as m


def _rules(_policy: Policy) -> Iterator[Rule]:
    yield Rule(
        "warning",
        Condition(m.PART_UP, "<", 1, where=(("part", "connect"),)),
        120.0,
        "Kafka Connect does not answer",
        reason="away",
    )
    yield Rule(
        "warning",
        Condition(m.TASKS, ">", 0, where=(("state", "FAILED"),)),
        300.0,
        "{value} tasks of this topology's connectors have failed",
        reason="failed",
    )
    yield Rule(
        "warning",
        Condition(m.TASKS, ">", 0, where=(("state", "UNASSIGNED"),)),
        600.0,
        "{value} tasks of this topology's connectors have no worker",
        reason="unassigned",
    )


KIND = Kind("AffluxConnectUnwell", "Kafka Connect does not answer, or tasks failed and stay so.", _rules)

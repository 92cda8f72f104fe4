"""The brokers are not well."""

from collections.abc import Iterator

from afflux.monitor.alerts.kind import Condition, Kind, Policy, Rule
from afflux.telemetry import metrics as m


def _rules(_policy: Policy) -> Iterator[Rule]:
    yield Rule(
        "page", Condition(m.PART_UP, "<", 1, where=(("part", "kafka"),)), 60.0, "no Kafka broker answers", reason="away"
    )
    yield Rule(
        "page",
        Condition(m.LEADERLESS, ">", 0),
        60.0,
        "{value} partitions of this topology can't be written or read",
        reason="leaderless",
    )
    yield Rule(
        "warning",
        Condition(m.THIN, ">", 0),
        300.0,
        "of {value} partitions of this topology a copy is away or behind",
        reason="thin",
    )


KIND = Kind("AffluxKafkaUnwell", "No broker answers, or partitions lack a leader or a copy.", _rules)

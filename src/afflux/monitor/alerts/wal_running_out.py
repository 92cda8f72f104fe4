"""A slot is about to be lost, or a shard's disk to be full."""

from collections.abc import Iterator

from afflux.monitor.alerts.kind import Condition, Kind, Policy, Rule, Severity, patience
from afflux.telemetry import metrics as m
from afflux.topology.guard import Threshold

_SHRINKS = Condition(m.WAL_GROWTH, "<", 0)


def _rules(policy: Policy) -> Iterator[Rule]:
    steps: list[tuple[Severity, Threshold]] = [("page", policy.guard.page), ("warning", policy.guard.warn)]
    for severity, step in steps:
        yield Rule(
            severity,
            Condition(m.WAL_LOSS, "<", step.seconds, where=(("bound", "likely"),)),
            patience(step.seconds),
            "shard {shard}: its slot is likely to be lost, or its disk full, in {value}",
            "seconds",
            "forecast",
        )
        yield Rule(
            severity,
            Condition(m.WAL_USED, ">", step.share, unless=_SHRINKS),
            0.0,
            "shard {shard}: {value} of the room for WAL is in use, and not less and less",
            "share",
            "used",
        )
    yield Rule(
        "page",
        Condition(m.SLOT_STATE, ">", 0, where=(("state", "unreserved"),)),
        0.0,
        "shard {shard}: the next checkpoint takes the slot's WAL away",
        reason="unreserved",
    )


KIND = Kind("AffluxWalRunningOut", "The WAL that a slot holds is about to reach its limit, or the disk's.", _rules)

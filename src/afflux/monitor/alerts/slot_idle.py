"""Nobody reads a slot, and its WAL piles up."""

from collections.abc import Iterator

from afflux.monitor.alerts.kind import Condition, Kind, Policy, Rule
from afflux.telemetry import metrics as m


def _rules(_policy: Policy) -> Iterator[Rule]:
    yield Rule(
        "warning",
        Condition(m.SLOT_IDLE, ">", 300),
        0.0,
        "shard {shard}: nobody has read the slot for {value}",
        "seconds",
    )


KIND = Kind("AffluxSlotIdle", "Nobody has read a slot for five minutes; the shard keeps all WAL since.", _rules)

"""A slot is gone, or the WAL that it stood on."""

from collections.abc import Iterator

from afflux.monitor.alerts.kind import Condition, Kind, Policy, Rule
from afflux.telemetry import metrics as m


def _rules(_policy: Policy) -> Iterator[Rule]:
    yield Rule(
        "page",
        Condition(m.SLOT_STATE, ">", 0, where=(("state", "lost"),)),
        0.0,
        "shard {shard}: the slot is lost; changes since it was last read never come",
    )
    yield Rule(
        "warning",
        Condition(m.SLOT_STATE, ">", 0, where=(("state", "missing"),)),
        300.0,
        "shard {shard}: there is no slot",
    )


KIND = Kind("AffluxSlotLost", "A slot is gone, or the server has removed the WAL that it stood on.", _rules)

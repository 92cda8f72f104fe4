"""An open transaction keeps a slot from moving."""

from collections.abc import Iterator

from afflux.monitor.alerts.kind import Condition, Kind, Policy, Rule
from afflux.telemetry import metrics as m

_SECONDS = 3600.0


def _rules(_policy: Policy) -> Iterator[Rule]:
    for kind, who in (("session", "a session's transaction"), ("prepared", "a prepared transaction")):
        yield Rule(
            "warning",
            Condition(m.TRANSACTION_AGE, ">", _SECONDS, where=(("kind", kind),)),
            0.0,
            f"shard {{shard}}: {who} has been open for {{value}}, and all WAL since is kept",
            "seconds",
            kind,
        )


KIND = Kind("AffluxSlotHeldBack", "A transaction that has been open for an hour keeps a slot from moving.", _rules)

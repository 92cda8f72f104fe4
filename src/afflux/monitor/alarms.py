"""Which alerts there are at present: the supervisor's own judgement, by the same conditions as Prometheus's (pure)."""

import math
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final

from afflux.monitor.alerts import KINDS, Key, Kind, Policy, Rule, Severity
from afflux.monitor.units import in_words
from afflux.telemetry.watched import Sample

RUNBOOKS: Final = "docs/runbooks.md"


@dataclass(frozen=True, slots=True)
class Alert:
    """Something that somebody should look at.

    Attributes:
        name: its kind's.
        severity: `warning` or `page`.
        about: the shard, the sink or the part that it is about.
        summary: what it is, in a sentence.
        means: what alerts of this kind are.
        runbook: where it is said what to do.
        began: when.
        ended: when; None while it is not over.
    """

    name: str
    severity: Severity
    about: Key
    summary: str
    means: str
    runbook: str
    began: datetime
    ended: datetime | None = None

    @property
    def labels(self) -> dict[str, str]:
        """As Prometheus would label it."""
        return {"alertname": self.name, "severity": self.severity, **dict(self.about)}


_Id = tuple[str, str, Key]
"""An alert's name, severity, and what it is about."""


class Alarms:
    """Knows which alerts there are, and since when their conditions have held."""

    def __init__(self) -> None:
        self._since: dict[tuple[Rule, Key], float] = {}
        self._past: dict[Rule, deque[tuple[float, Mapping[Key, float]]]] = {}
        self._present: dict[_Id, Alert] = {}

    @property
    def present(self) -> list[Alert]:
        """The alerts that are not over, pages first."""
        return sorted(self._present.values(), key=lambda alert: (alert.severity != "page", alert.name, alert.about))

    def judge(self, policy: Policy, samples: Iterable[Sample], now: float) -> list[Alert]:
        """Take a look's metrics in.

        Args:
            policy: the topology's.
            samples: the metrics.
            now: seconds since 1970.

        Returns:
            The alerts that have begun or ended by it.
        """
        by_name: dict[str, list[Sample]] = {}
        for sample in samples:
            by_name.setdefault(sample.measure.name, []).append(sample)
        found: dict[_Id, Alert] = {}
        holding: dict[tuple[Rule, Key], float] = {}
        for kind in KINDS:
            for rule in kind.rules(policy):
                for about, value in rule.condition.met(by_name, self._values_before(rule, by_name, now)).items():
                    since = holding[rule, about] = self._since.get((rule, about), now)
                    if now - since >= rule.lasting:
                        found.setdefault((kind.name, rule.severity, about), _alert(kind, rule, about, value, now))
        self._since = holding
        return self._follow(found, now)

    def _values_before(
        self, rule: Rule, by_name: Mapping[str, Iterable[Sample]], now: float
    ) -> Mapping[Key, float] | None:
        """Give the values as long ago as a rule compares with, or as far back as is known."""
        if not rule.condition.growth:
            return None
        past = self._past.setdefault(rule, deque())
        past.append((now, rule.condition.values(by_name)))
        while len(past) > 1 and now - past[1][0] >= rule.condition.growth:
            past.popleft()
        return past[0][1]

    def _follow(self, found: Mapping[_Id, Alert], now: float) -> list[Alert]:
        begun = [alert for identity, alert in found.items() if identity not in self._present]
        ended = [
            replace(alert, ended=datetime.fromtimestamp(now, UTC))
            for identity, alert in self._present.items()
            if identity not in found
        ]
        self._present = {
            identity: replace(alert, began=self._present.get(identity, alert).began)
            for identity, alert in found.items()
        }
        return [*begun, *ended]


def _alert(kind: Kind, rule: Rule, about: Key, value: float, now: float) -> Alert:
    return Alert(
        name=kind.name,
        severity=rule.severity,
        about=about,
        summary=rule.summary.format(value="ever" if math.isinf(value) else in_words(value, rule.unit), **dict(about)),
        means=kind.means,
        runbook=f"{RUNBOOKS}#{kind.anchor}",
        began=datetime.fromtimestamp(now, UTC),
    )

"""What an alert is made of: conditions on metrics, said once for Prometheus and for the supervisor itself (pure)."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from afflux.telemetry.watched import Measure, Sample
from afflux.topology.guard import Guard
from afflux.topology.monitor import Monitor

Severity = Literal["warning", "page"]
Key = tuple[tuple[str, str], ...]
"""Names and values of what an alert is about: the shard, the sink, the part."""

ABOUT = ("sink", "shard", "part")
"""The labels that say what an alert is about."""


@dataclass(frozen=True, slots=True)
class Condition:
    """A metric's value on one side of a threshold.

    Attributes:
        measure: the metric.
        comparison: how it is compared.
        threshold: with what.
        where: values that labels must have.
        growth: seconds over which the value's growth is compared instead of the value; 0: the value itself.
        unless: holds only where this does not hold for the same shard.
    """

    measure: Measure
    comparison: Literal["<", ">"]
    threshold: float
    where: tuple[tuple[str, str], ...] = ()
    growth: float = 0.0
    unless: "Condition | None" = None

    @property
    def promql(self) -> str:
        """The condition in Prometheus's language."""
        inner = ", ".join(f'{name}="{value}"' for name, value in self.where)
        series = f"{self.measure.name}{{{inner}}}" if inner else self.measure.name
        value = f"delta({series}[{_duration(self.growth)}])" if self.growth else series
        text = f"{value} {self.comparison} {self.threshold:g}"
        return text if self.unless is None else f"{text} unless on (instance, shard) {self.unless.promql}"

    def met(self, samples: Mapping[str, Iterable[Sample]], past: Mapping[Key, float] | None = None) -> dict[Key, float]:
        """Give what the condition holds for, with the values.

        Args:
            samples: by metric name.
            past: of `growth`, the values that long ago; what has none has not grown.
        """
        exceptions = self.unless.met(samples) if self.unless else {}
        found = {}
        for key, value in self.values(samples).items():
            compared = value - (past or {}).get(key, value) if self.growth else value
            holds = compared > self.threshold if self.comparison == ">" else compared < self.threshold
            if holds and not any(set(key) >= set(exception) for exception in exceptions):
                found[key] = compared
        return found

    def values(self, samples: Mapping[str, Iterable[Sample]]) -> dict[Key, float]:
        """Give the metric's values, by what they are of."""
        return {
            tuple((name, sample.named[name]) for name in ABOUT if name in sample.named): sample.value
            for sample in samples.get(self.measure.name, ())
            if all(sample.named[name] == value for name, value in self.where)
        }


@dataclass(frozen=True, slots=True)
class Silence:
    """A metric that tells a time, and that nobody has set for a while; only Prometheus can see that.

    Attributes:
        measure: the metric, seconds since 1970.
        seconds: how old it may be.
    """

    measure: Measure
    seconds: float
    growth: float = 0.0

    @property
    def promql(self) -> str:
        """The condition in Prometheus's language."""
        name = self.measure.name
        return f"absent({name}) or time() - max({name}) > {self.seconds:g}"

    def met(
        self, _samples: Mapping[str, Iterable[Sample]], _past: Mapping[Key, float] | None = None
    ) -> dict[Key, float]:
        """Give nothing: who could look at it here has just looked."""
        return {}

    def values(self, _samples: Mapping[str, Iterable[Sample]]) -> dict[Key, float]:
        """Give nothing, likewise."""
        return {}


@dataclass(frozen=True, slots=True)
class Rule:
    """When an alert of one severity begins.

    Attributes:
        severity: `warning`: look at it today; `page`: wake somebody.
        condition: what has to hold.
        lasting: for how many seconds.
        summary: what to tell, with `{shard}`, `{sink}`, `{part}` and `{value}`.
        unit: what the value is, for telling it.
        reason: which of several conditions of one severity it is; a label in Prometheus.
    """

    severity: Severity
    condition: Condition | Silence
    lasting: float
    summary: str
    unit: Literal["seconds", "bytes", "count", "share"] = "count"
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Policy:
    """What the topology says of alerts."""

    guard: Guard
    monitor: Monitor


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of alert.

    Attributes:
        name: as Prometheus knows it.
        means: what it is, in a sentence.
        rules: when it begins, by the topology's policy.
    """

    name: str
    means: str
    rules: Callable[[Policy], Iterable[Rule]]

    @property
    def anchor(self) -> str:
        """Its heading's anchor in the page of runbooks."""
        return self.name.lower()


def patience(within: float) -> float:
    """Give how long a forecast must hold: long enough that one burst is none, short against the time that it tells."""
    return min(120.0, within / 20)


def _duration(seconds: float) -> str:
    return f"{seconds:g}s"

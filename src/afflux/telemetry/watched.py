"""Metrics of what is looked at from outside: shown as they were at the last look, and gone when what they are of is."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector


@dataclass(frozen=True, slots=True)
class Measure:
    """A metric's declaration.

    Attributes:
        name: as Prometheus knows it.
        help: what it is, in a sentence.
        labels: the names of its labels.
        kind: `gauge`, or `counter`, which only grows.
    """

    name: str
    help: str
    labels: tuple[str, ...] = ()
    kind: Literal["gauge", "counter"] = "gauge"

    def of(self, value: float, **labels: str) -> "Sample":
        """Give a value, with a value for each label."""
        return Sample(self, tuple(labels[name] for name in self.labels), value)


class Sample(NamedTuple):
    """A metric's value."""

    measure: Measure
    labels: tuple[str, ...]
    value: float

    @property
    def named(self) -> Mapping[str, str]:
        """The labels by their names."""
        return dict(zip(self.measure.labels, self.labels, strict=True))


class Watched(Collector):
    """The metrics that the supervisor's looks give."""

    def __init__(self) -> None:
        self.measures: list[Measure] = []
        self._samples: tuple[Sample, ...] = ()

    def gauge(self, name: str, help_: str, *labels: str) -> Measure:
        """Declare a value that goes up and down."""
        return self._declare(Measure(name, help_, labels))

    def counter(self, name: str, help_: str, *labels: str) -> Measure:
        """Declare a value that only grows."""
        return self._declare(Measure(name, help_, labels, "counter"))

    def show(self, samples: Iterable[Sample]) -> None:
        """Show these values from now on, and no others."""
        self._samples = tuple(samples)

    def collect(self) -> Iterator[Metric]:
        """Give what is shown, for Prometheus; nothing at all before the first look."""
        samples = self._samples
        families = self._families() if samples else {}
        for sample in samples:
            families[sample.measure.name].add_metric(sample.labels, sample.value)
        yield from families.values()

    def describe(self) -> Iterator[Metric]:
        """Give what may ever be shown."""
        yield from self._families().values()

    def _families(self) -> dict[str, GaugeMetricFamily | CounterMetricFamily]:
        kinds = {"gauge": GaugeMetricFamily, "counter": CounterMetricFamily}
        return {m.name: kinds[m.kind](m.name, m.help, labels=m.labels) for m in self.measures}

    def _declare(self, measure: Measure) -> Measure:
        self.measures.append(measure)
        return measure

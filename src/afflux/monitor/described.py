"""All metrics that there are, by their declarations, whoever keeps their values."""

from typing import NamedTuple

from prometheus_client.core import Metric
from prometheus_client.metrics import MetricWrapperBase

from afflux.telemetry import metrics
from afflux.telemetry.watched import Measure


class Described(NamedTuple):
    """A metric.

    Attributes:
        name: as it is exposed; of a histogram, without `_bucket`, `_sum` and `_count`.
        kind: `gauge`, `counter`, `histogram`, `summary`.
        labels: the names of its labels; not those that its kind brings.
        help: what it is.
    """

    name: str
    kind: str
    labels: tuple[str, ...]
    help: str


def described(metric: Measure | MetricWrapperBase) -> Described:
    """Describe one metric."""
    if isinstance(metric, Measure):
        return Described(metric.name, metric.kind, metric.labels, metric.help)
    family = next(iter(metric.describe()))
    # The library keeps the labels' names to itself.
    return _family(family, tuple(metric._labelnames))  # noqa: SLF001 - likewise


def own() -> list[Described]:
    """Give what the processes tell of themselves, in the order of declaration."""
    declared = [described(metric) for metric in vars(metrics).values() if isinstance(metric, MetricWrapperBase)]
    labels = {metric.name: metric.labels for metric in declared} | {"afflux_sink_latency_seconds": ("shard", "table")}
    shown = [_family(family, ()) for family in metrics.REGISTRY.collect() if family.name.startswith("afflux_")]
    return [found._replace(labels=labels[found.name]) for found in shown if found.name in labels]


def watched() -> list[Described]:
    """Give what the supervisor's looks tell, likewise."""
    return [described(measure) for measure in metrics.WATCHED.measures]


def _family(family: Metric, labels: tuple[str, ...]) -> Described:
    ending = "_total" if family.type == "counter" else ""
    return Described(family.name + ending, family.type, labels, family.documentation)

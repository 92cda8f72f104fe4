"""Every metric is by the conventions, and any scraper can read the page."""

import re

import polars as pl
import pytest
from prometheus_client.core import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as prometheus

from afflux.monitor.health import exposition
from afflux.telemetry import metrics

UNITS = ("seconds", "bytes", "offsets", "events", "rows", "info")


def test_the_page_is_valid_in_both_forms() -> None:
    metrics.LATENCIES.count("public.t", pl.Series(["shard0"]), pl.Series([0.2]))
    metrics.DEAD_LETTERS.labels('of "odd"\nkind').inc()
    for accept, parse in (("application/openmetrics-text; version=1.0.0", openmetrics), ("", prometheus)):
        page, kind = exposition(accept)
        assert kind.startswith("application/openmetrics-text" if accept else "text/plain")
        found = {family.name: family for family in parse(page.decode())}  # type: ignore[no-untyped-call]
        assert found["afflux_sink_latency_seconds"].type == "summary"
        quantiles = {s.labels.get("quantile") for s in found["afflux_sink_latency_seconds"].samples}
        assert quantiles == {"0.5", "0.99", None}


@pytest.mark.parametrize("family", list(metrics.REGISTRY.collect()), ids=lambda family: family.name)
def test_a_name_says_whose_it_is_and_its_unit_and_has_help(family: Metric) -> None:
    assert re.fullmatch(r"(afflux|process)_[a-z0-9_]+", family.name)
    assert family.documentation.endswith(".")
    if family.type in {"histogram", "summary"}:
        assert family.name.endswith(UNITS)
    assert not family.name.endswith("_total"), "the library adds it"


def test_no_label_can_take_any_number_of_values() -> None:
    """Labels are shards, tables and words of afflux's own; never a key, a message or an address."""
    allowed = {"shard", "table", "quantile", "le", "kind", "cause", "action", "result", "reason", "version"}
    found = {label for family in metrics.REGISTRY.collect() for sample in family.samples for label in sample.labels}
    assert found <= allowed, found - allowed

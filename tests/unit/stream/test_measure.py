"""Lag is lag, whatever a shard's clock says."""

import polars as pl
import pytest

from afflux.sinks.batch import SHARD, SOURCE_TS, TableChanges, TableName
from afflux.sinks.memory import Memory
from afflux.stream import measure
from afflux.telemetry import metrics
from debezium import Wire
from declared import topology
from lines import Line, row


def changes(**committed: float) -> TableChanges:
    rows = pl.DataFrame({SHARD: list(committed), SOURCE_TS: [int(at * 1e6) for at in committed.values()]})
    return TableChanges(TableName("public", "t"), (), (), rows)


def test_what_a_shards_clock_is_ahead_is_no_lag() -> None:
    """Both rows were committed four seconds ago; shard1's clock is an hour ahead."""
    lags = measure._lags(changes(shard0=96.0, shard1=96.0 + 3600), 100.0, {"shard1": 3600.0})
    assert lags.to_list() == pytest.approx([4.0, 4.0])


def test_a_clock_that_is_not_known_is_taken_to_be_right() -> None:
    assert measure._lags(changes(shard0=96.0), 100.0, {}).to_list() == pytest.approx([4.0])


def test_a_durable_batch_is_counted_by_shard_and_table() -> None:
    def count() -> float:
        return sum(lag.count for lag in metrics.LATENCIES.all() if (lag.shard, lag.table) == ("shard0", "public.t"))

    wire = Wire()
    line = Line(wire, topology(), Memory())
    before = count()
    line.feed([row(wire, "c", 1, "a"), row(wire, "c", 2, "b"), row(wire, "u", 2, "c")])
    line.pipeline.close()
    assert count() - before == 2, "one a row, after folding"

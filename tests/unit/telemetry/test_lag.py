"""Quantiles are right to 5 %, are of the last minutes alone, and cost little."""

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from afflux.telemetry.lag import Lags


class Hand:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def count(lags: Lags, *seconds: float | None, shard: str = "shard0", table: str = "public.t") -> None:
    lags.count(table, pl.Series([shard] * len(seconds), dtype=pl.String), pl.Series(seconds, dtype=pl.Float64))


@given(st.lists(st.floats(0.001, 1e7), min_size=1, max_size=300), st.sampled_from([0.5, 0.99]))
def test_a_quantile_is_right_to_five_percent(seconds: list[float], share: float) -> None:
    lags = Lags()
    count(lags, *seconds)
    (found,) = lags.all()
    exact = sorted(seconds)[max(0, -(-int(share * 100) * len(seconds) // 100) - 1)]
    quantile = found.quantiles[share]
    assert quantile is not None
    assert abs(quantile - exact) <= 0.05 * exact


def test_only_the_last_minutes_count_and_the_sum_is_of_all_times() -> None:
    clock = Hand()
    lags = Lags(clock)
    count(lags, *[100.0] * 50)
    clock.now += 200
    count(lags, *[1.0] * 10)
    assert round(lags.all()[0].quantiles[0.5] or 0) in range(95, 106)
    clock.now += 101
    (found,) = lags.all()
    assert 0.95 < (found.quantiles[0.99] or 0) < 1.05
    clock.now += 300
    (found,) = lags.all()
    assert (found.quantiles, found.count, found.sum) == ({0.5: None, 0.99: None}, 60, 5010.0)


def test_shards_and_tables_are_kept_apart_and_unknown_times_left_out() -> None:
    lags = Lags()
    count(lags, 1.0, None, -3.0)
    count(lags, 1.0, shard="shard1")
    count(lags, 1.0, table="public.u")
    assert [(lag.shard, lag.table, lag.count) for lag in lags.all()] == [
        ("shard0", "public.t", 2),
        ("shard0", "public.u", 1),
        ("shard1", "public.t", 1),
    ]
    assert lags.all()[0].quantiles[0.99] is not None


def test_a_batch_without_rows_is_counted_as_nothing() -> None:
    lags = Lags()
    count(lags)
    assert lags.all() == []

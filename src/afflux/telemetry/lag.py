"""How long changes take from their commit to the target: quantiles of the last minutes, by shard and table.

Each lag is counted in a bucket whose bounds lie 10 % apart, so a quantile is right to 5 %, whatever the lags are. A
batch is counted in columns: some hundred buckets for any number of rows.
"""

import math
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

import polars as pl
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

QUANTILES: Final = (0.5, 0.99)
_GROWTH: Final = math.log(1.1)
_LEAST: Final = 0.001
"""Seconds; what is less counts as this."""
_PART_SECONDS: Final = 60.0
_PARTS: Final = 5


@dataclass(slots=True)
class Sketch:
    """The lags of one shard's table, of the last minutes and, as a count and a sum, of all times."""

    count: int = 0
    sum: float = 0.0
    _parts: deque[tuple[float, Counter[int]]] = field(default_factory=deque)

    def add(self, bucket: int, count: int, total: float, now: float) -> None:
        """Count lags of one bucket.

        Args:
            bucket: as `bucket` gives it.
            count: how many.
            total: their sum, in seconds.
            now: seconds, on a clock that only goes forward.
        """
        self.count += count
        self.sum += total
        if not self._parts or now - self._parts[-1][0] >= _PART_SECONDS:
            self._parts.append((now, Counter()))
        self._parts[-1][1][bucket] += count
        self._forget(now)

    def quantile(self, share: float, now: float) -> float | None:
        """Give the lag, in seconds, that a share of the last minutes' changes did not exceed; None without any."""
        self._forget(now)
        buckets: Counter[int] = Counter()
        for _, part in self._parts:
            buckets.update(part)
        left = math.ceil(share * buckets.total())
        for bucket in sorted(buckets):
            left -= buckets[bucket]
            if left <= 0:
                return math.exp((bucket + 0.5) * _GROWTH)
        return None

    def _forget(self, now: float) -> None:
        while self._parts and now - self._parts[0][0] >= _PART_SECONDS * _PARTS:
            self._parts.popleft()


def bucket(lag: pl.Expr) -> pl.Expr:
    """Give the bucket of lags in seconds."""
    return (lag.log() / _GROWTH).floor().cast(pl.Int32)


@dataclass(frozen=True, slots=True)
class Lag:
    """The lag of one shard's table.

    Attributes:
        shard: whose.
        table: the target table.
        quantiles: seconds, by `QUANTILES`; None without changes in the last minutes.
        count: changes since the start.
        sum: the sum of their lags, in seconds.
    """

    shard: str
    table: str
    quantiles: Mapping[float, float | None]
    count: int
    sum: float


class Lags:
    """The lags of all shards' tables; used by several threads.

    Args:
        clock: gives seconds, and only goes forward.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._sketches: dict[tuple[str, str], Sketch] = {}
        self._lock = threading.Lock()

    def count(self, table: str, shards: pl.Series, lags: pl.Series) -> None:
        """Count the lags of a table's changes.

        Args:
            table: the target table.
            shards: the shard of each change (text).
            lags: the lag of each change, in seconds (floating point; null where it is not known).
        """
        lag = pl.col("lag").clip(_LEAST)
        counted = (
            pl.DataFrame({"shard": shards, "lag": lags})
            .drop_nulls()
            .group_by("shard", bucket(lag).alias("bucket"))
            .agg(pl.len().alias("count"), lag.sum().alias("sum"))
        )
        now = self._clock()
        with self._lock:
            for shard, number, count, total in counted.iter_rows():
                self._sketches.setdefault((shard, table), Sketch()).add(number, count, total, now)

    def all(self) -> list[Lag]:
        """Give the lags as they are now, by shard and table."""
        now = self._clock()
        with self._lock:
            return [
                Lag(*place, {share: sketch.quantile(share, now) for share in QUANTILES}, sketch.count, sketch.sum)
                for place, sketch in sorted(self._sketches.items())
            ]


class LagSummary(Collector):
    """Shows lags as a Prometheus summary.

    Args:
        name: the metric's.
        about: its help text.
        lags: what is shown.
    """

    def __init__(self, name: str, about: str, lags: Lags) -> None:
        self._name, self._about, self._lags = name, about, lags

    def collect(self) -> Iterator[Metric]:
        """Give the summary."""
        summary = Metric(self._name, self._about, "summary")
        for lag in self._lags.all():
            labels = {"shard": lag.shard, "table": lag.table}
            for share, value in lag.quantiles.items():
                if value is not None:
                    summary.add_sample(self._name, {**labels, "quantile": str(share)}, value)
            summary.add_sample(f"{self._name}_count", labels, lag.count)
            summary.add_sample(f"{self._name}_sum", labels, lag.sum)
        yield summary

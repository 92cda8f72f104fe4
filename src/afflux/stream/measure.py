"""What is measured of a batch once it is durable."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import polars as pl

from afflux.sinks.batch import SEQUENCE, SHARD, SOURCE_TS, TableChanges
from afflux.stream.prepare import Prepared
from afflux.telemetry import metrics
from afflux.telemetry.traces import Attributes, Traces

Ahead = Callable[[], Mapping[str, float]]
"""Gives by how many seconds shards' clocks are ahead of this machine's; without those that are not known."""


class Measure:
    """Measures batches.

    Commit times are the shards' and arrival times are ours: what a shard's clock is ahead is taken out. The time in
    Kafka is that of the Connect worker's clock, which is taken to be right.

    Args:
        ahead: tells of the shards' clocks.
        traces: are told of each batch.
    """

    def __init__(self, ahead: Ahead, traces: Traces | None = None) -> None:
        self._ahead = ahead
        self._traces = traces or Traces()

    def durable(self, prepared: Prepared, seconds: float) -> None:
        """Measure a batch that has just become durable.

        Args:
            prepared: the batch, and its messages.
            seconds: how long that took.
        """
        batch, now, ahead = prepared.batch, time.time(), self._ahead()
        metrics.APPLY_SECONDS.observe(seconds)
        metrics.BATCHES.inc()
        metrics.BYTES.inc(prepared.raw.bytes)
        metrics.EVENTS.inc(batch.events)
        for letter in batch.dead:
            metrics.DEAD_LETTERS.labels(letter.kind).inc()
        newest: dict[str, tuple[int, int]] = {}
        for changes in batch.tables:
            metrics.ROWS.labels(str(changes.table)).inc(changes.rows.height)
            lags = _lags(changes, now, ahead)
            metrics.LATENCIES.count(str(changes.table), changes.rows[SHARD], lags)
            for shard, *last in changes.rows.group_by(SHARD).agg(_last(SOURCE_TS), _last(SEQUENCE)).iter_rows():
                newest[shard] = max((last[0] or 0, last[1]), newest.get(shard, (0, 0)))
        for shard, (committed_us, sequence) in newest.items():
            committed = committed_us / 1e6 - ahead.get(shard, 0.0)
            metrics.FRESHNESS_SECONDS.labels(shard).observe(max(0.0, now - committed))
            written = _written(prepared.messages, sequence)
            if written is not None:
                metrics.TO_KAFKA_SECONDS.labels(shard).observe(max(0.0, written - committed))
                metrics.TO_TARGET_SECONDS.labels(shard).observe(max(0.0, now - written))
        self._traces.batch(prepared.steps, _attributes(prepared))


def _attributes(prepared: Prepared) -> Attributes:
    batch = prepared.batch
    return {
        "messaging.system": "kafka",
        "messaging.batch.message_count": len(prepared.messages),
        "afflux.events": batch.events,
        "afflux.bytes": prepared.raw.bytes,
        "afflux.partitions": len(batch.spans),
        "afflux.tables": sorted({str(changes.table) for changes in batch.tables}),
        "afflux.dead_letters": len(batch.dead),
    }


def _last(column: str) -> pl.Expr:
    """The column's value in the row that was committed last."""
    return pl.col(column).sort_by(SOURCE_TS, SEQUENCE).last()


def _lags(changes: TableChanges, now: float, ahead: Mapping[str, float]) -> pl.Series:
    """Give the seconds from each row's commit until now."""
    rows = changes.rows
    lags = now - rows[SOURCE_TS].cast(pl.Float64) / 1e6
    if not ahead:
        return lags
    return lags + rows[SHARD].replace_strict(dict(ahead), default=0.0, return_dtype=pl.Float64)


def _written(messages: Sequence[Any], sequence: int) -> float | None:
    """Give when a message was written to Kafka, in seconds since 1970."""
    if sequence >= len(messages):
        return None
    kind, milliseconds = messages[sequence].timestamp()
    return milliseconds / 1000 if kind else None

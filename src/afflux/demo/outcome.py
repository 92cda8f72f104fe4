"""What the demo ends with."""

import json
from dataclasses import asdict, dataclass
from datetime import datetime

import psycopg

_FRESHNESS = """
WITH live AS (
  SELECT extract(epoch FROM _synced_at - _source_ts)::float8 * 1000 AS ms FROM public.customers WHERE updated_at >= %(since)s
  UNION ALL
  SELECT extract(epoch FROM _synced_at - _source_ts)::float8 * 1000 FROM public.orders WHERE updated_at >= %(since)s)
SELECT coalesce(percentile_cont(0.5) WITHIN GROUP (ORDER BY ms), 0),
  coalesce(percentile_cont(0.99) WITHIN GROUP (ORDER BY ms), 0) FROM live"""


@dataclass(frozen=True)
class Outcome:
    """The last line on standard output.

    Attributes:
        shards: how many there were in the end.
        events: change events applied to the target, the first copies' among them.
        source_rows: rows on all shards together in the end.
        target_rows: rows in the warehouse in the end.
        equal: whether they are the same, value for value.
        events_per_second: applied from the load's first change until its last one was in the target.
        freshness_p50_ms: from the commit at the source to the write in the target, of rows that the load changed.
        freshness_p99_ms: likewise.
        seconds: the whole of it, from nothing to all taken down.
    """

    shards: int
    events: int
    source_rows: int
    target_rows: int
    equal: bool
    events_per_second: float
    freshness_p50_ms: float
    freshness_p99_ms: float
    seconds: float

    def as_json(self) -> str:
        """Return it as one line of JSON."""
        return json.dumps(asdict(self), separators=(",", ":"))


def freshness(target: psycopg.Connection, since: datetime) -> tuple[float, float]:
    """Measure how long changes took, over the rows as they stand: each counts with its last change.

    Args:
        target: the warehouse.
        since: when the load began; rows that it did not change are left out.

    Returns:
        Median and 99th percentile of target's write minus source's commit, in milliseconds.
    """
    ((median, most),) = target.execute(_FRESHNESS, {"since": since}).fetchall()
    return round(median, 1), round(most, 1)

"""Up to when each shard's changes are in the target: rows of `afflux.watermarks`."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import psycopg

from afflux.sinks.batch import Mark
from afflux.sinks.state import Watermark

_SCOPE = "topology = %(topology)s AND consumer_group = %(group)s"

_LOCK = "SELECT pg_advisory_xact_lock(hashtext('afflux.watermarks'), hashtext(%(topology)s || ' ' || %(group)s))"

_FORGET = f"DELETE FROM afflux.watermarks WHERE {_SCOPE} AND shard <> ALL (%(shards)s)"  # noqa: S608 - no value is in it

_DECLARE = """
INSERT INTO afflux.watermarks (topology, consumer_group, shard)
SELECT %(topology)s, %(group)s, shard FROM unnest(%(shards)s::text[]) AS v (shard) ON CONFLICT DO NOTHING"""

_PASS = f"""
WITH marks AS (
  SELECT * FROM unnest(%(numbers)s::integer[], %(of)s::text[], %(times)s::timestamptz[], %(lsns)s::bigint[])
    AS v (mark, shard, time, lsn)),
ends AS (
  SELECT v.*, o.topic IS NOT NULL AS out
  FROM unnest(%(of_marks)s::integer[], %(topics)s::text[], %(partitions)s::integer[], %(ends)s::bigint[], %(ids)s::text[])
    AS v (mark, topic, partition, last, id)
  LEFT JOIN (SELECT topic FROM afflux.tables WHERE {_SCOPE}
    UNION SELECT topic FROM afflux.resyncs WHERE {_SCOPE} AND state = 'failed') AS o USING (topic)),
anew AS (SELECT topic FROM afflux.resyncs WHERE {_SCOPE} AND state IN ('asked', 'read')),
passed AS (
  SELECT * FROM marks WHERE NOT EXISTS (
    SELECT FROM ends LEFT JOIN (SELECT * FROM afflux.positions WHERE {_SCOPE}) AS p USING (topic, partition)
    WHERE ends.mark = marks.mark AND NOT ends.out AND (coalesce(p.next_offset, 0) < ends.last OR p.topic_id <> ends.id
      OR topic IN (SELECT topic FROM anew)))),
newest AS (SELECT DISTINCT ON (shard) * FROM passed ORDER BY shard, time DESC),
beside AS (
  SELECT shard, time, lsn,
    ARRAY(SELECT DISTINCT topic FROM ends WHERE ends.mark = newest.mark AND out ORDER BY topic) AS left_out,
    (SELECT count(*) FROM afflux.dead_letters WHERE {_SCOPE} AND state = 'open'
       AND topic IN (SELECT topic FROM ends WHERE ends.mark = newest.mark)) AS dead_letters
  FROM newest),
moved AS (
  UPDATE afflux.watermarks AS w
  SET watermark = b.time, lsn = b.lsn, updated_at = clock_timestamp(), left_out = b.left_out, dead_letters = b.dead_letters
  FROM beside AS b
  WHERE w.topology = %(topology)s AND w.consumer_group = %(group)s AND w.shard = b.shard
    AND (w.watermark IS NULL OR w.watermark <= b.time))
SELECT mark FROM passed"""  # noqa: S608 - likewise

_WITHDRAW = f"""
UPDATE afflux.watermarks SET watermark = NULL, lsn = NULL, updated_at = clock_timestamp()
WHERE {_SCOPE} AND shard = ANY (%(shards)s)"""  # noqa: S608 - likewise

_READ = f"""
SELECT shard, watermark, lsn, updated_at, left_out, dead_letters FROM afflux.watermarks
WHERE {_SCOPE} ORDER BY shard COLLATE "C\""""  # noqa: S608 - likewise


class Watermarks:
    """The watermarks of one consumer group of one topology.

    Whoever changes them holds a lock, and looks at positions only then: one who goes back in a topic at the same
    moment is either seen, or takes the watermark away afterwards.

    Args:
        scope: the topology and the consumer group, as parameters of statements.
    """

    def __init__(self, scope: Mapping[str, str]) -> None:
        self._scope = scope

    def pass_marks(
        self, connection: psycopg.Connection, marks: Collection[Mark], shards: Collection[str]
    ) -> list[Mark]:
        """See `Sink.pass_marks`."""
        ordered = list(marks)
        values = {**self._scope, "shards": sorted(shards), **_arrays(ordered)}
        with connection.transaction():
            connection.execute(_LOCK, values)
            connection.execute(_FORGET, values)
            connection.execute(_DECLARE, values)
            return [ordered[number] for (number,) in connection.execute(_PASS, values)] if ordered else []

    def withdraw(self, connection: psycopg.Connection, shards: Collection[str]) -> None:
        """Take watermarks away, within the caller's transaction and before it changes positions."""
        values = {**self._scope, "shards": sorted(shards)}
        connection.execute(_LOCK, values)
        connection.execute(_WITHDRAW, values)

    def read(self, connection: psycopg.Connection) -> list[Watermark]:
        """See `SinkState.watermarks`."""
        rows = connection.execute(_READ, self._scope)
        return [Watermark(shard, at, lsn, updated, tuple(out), dead) for shard, at, lsn, updated, out, dead in rows]


def _arrays(marks: Sequence[Mark]) -> dict[str, list[Any]]:
    ends = [(number, place, end, mark) for number, mark in enumerate(marks) for place, end in mark.ends.items()]
    return {
        "numbers": list(range(len(marks))),
        "of": [mark.shard for mark in marks],
        "times": [mark.time for mark in marks],
        "lsns": [mark.lsn for mark in marks],
        "of_marks": [number for number, *_ in ends],
        "topics": [place.topic for _, place, *_ in ends],
        "partitions": [place.number for _, place, *_ in ends],
        "ends": [end for *_, end, _ in ends],
        "ids": [mark.topic_ids.get(place.topic) for _, place, _, mark in ends],
    }

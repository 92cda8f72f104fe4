"""Tables of shards that are read anew: rows of `afflux.resyncs`, the newest of each topic."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import psycopg

from afflux.errors import Overtaken
from afflux.sinks.batch import Partition
from afflux.sinks.resyncs import Resync, ResyncState

_SCOPE = "r.topology = %(topology)s AND r.consumer_group = %(group)s"

_ASK = """
INSERT INTO afflux.resyncs AS r (topology, consumer_group, topic, shard, source, lsn, id, by_signal, heard,
  partitions, starts, ends, state, reason, asked_by, asked_at, closed_at)
VALUES (%(topology)s, %(group)s, %(topic)s, %(shard)s, %(source)s, %(lsn)s, %(id)s, %(by_signal)s, %(heard)s,
  %(partitions)s, %(starts)s, NULL, 'asked', '', %(by)s, clock_timestamp(), NULL)
ON CONFLICT (topology, consumer_group, topic) DO UPDATE SET shard = EXCLUDED.shard, source = EXCLUDED.source,
  lsn = EXCLUDED.lsn, id = EXCLUDED.id, by_signal = EXCLUDED.by_signal, heard = EXCLUDED.heard,
  partitions = EXCLUDED.partitions, starts = EXCLUDED.starts, ends = NULL, state = 'asked', reason = '',
  asked_by = EXCLUDED.asked_by, asked_at = EXCLUDED.asked_at, closed_at = NULL"""

_PASSED = """(r.ends IS NOT NULL AND NOT EXISTS (
  SELECT FROM unnest(r.partitions, r.ends) AS e (partition, last) LEFT JOIN afflux.positions p
    ON p.topology = r.topology AND p.consumer_group = r.consumer_group AND p.topic = r.topic AND p.partition = e.partition
  WHERE coalesce(p.next_offset, 0) < e.last))"""

_LIST = f"""
SELECT topic, shard, source, lsn, id, by_signal, heard, asked_by, state, reason, asked_at, closed_at, {_PASSED},
  partitions, starts, ends
FROM afflux.resyncs r WHERE {_SCOPE} ORDER BY topic COLLATE "C\""""  # noqa: S608 - no value is in it

_READ = f"""
UPDATE afflux.resyncs r SET state = 'read', partitions = %(partitions)s, ends = %(ends)s,
  starts = ARRAY(SELECT coalesce((SELECT s.start FROM unnest(r.partitions, r.starts) AS s (partition, start)
    WHERE s.partition = n.partition), 0) FROM unnest(%(partitions)s::integer[]) WITH ORDINALITY AS n (partition, place) ORDER BY n.place)
WHERE {_SCOPE} AND topic = %(topic)s AND id = %(id)s AND state = 'asked'"""  # noqa: S608 - likewise

_FAIL = f"""
UPDATE afflux.resyncs r SET state = 'failed', reason = %(reason)s, closed_at = clock_timestamp()
WHERE {_SCOPE} AND topic = %(topic)s AND id = %(id)s AND state = 'asked'"""  # noqa: S608 - likewise

_CLOSE = f"""
UPDATE afflux.resyncs r SET state = 'done', closed_at = clock_timestamp()
WHERE {_SCOPE} AND (topic, id) IN (SELECT * FROM unnest(%(topics)s::text[], %(ids)s::text[])) AND state = 'read' AND {_PASSED}"""  # noqa: S608 - likewise


class Resyncs:
    """The resynchronisations of one consumer group of one topology.

    Args:
        scope: the topology and the consumer group, as parameters of statements.
    """

    def __init__(self, scope: Mapping[str, str]) -> None:
        self._scope = scope

    def ask(self, connection: psycopg.Connection, resyncs: Collection[Resync]) -> None:
        """See `SinkState.ask_resyncs`."""
        with connection.transaction():
            connection.cursor().executemany(_ASK, [{**self._scope, **_row(resync)} for resync in resyncs])

    def all(self, connection: psycopg.Connection) -> list[Resync]:
        """See `SinkState.resyncs`."""
        return [_resync(row) for row in connection.execute(_LIST, self._scope)]

    def read(self, connection: psycopg.Connection, resync: Resync, ends: Mapping[Partition, int]) -> None:
        """See `SinkState.resync_read`."""
        values = {"partitions": [partition.number for partition in ends], "ends": list(ends.values())}
        connection.execute(_READ, {**self._scope, **values, "topic": resync.topic, "id": resync.id})

    def fail(self, connection: psycopg.Connection, resync: Resync, reason: str) -> None:
        """See `SinkState.resync_failed`."""
        connection.execute(_FAIL, {**self._scope, "topic": resync.topic, "id": resync.id, "reason": reason})

    def close(self, connection: psycopg.Connection, resynced: Mapping[str, str]) -> None:
        """Say that resynchronisations are done, within the transaction that removes what is gone.

        Args:
            connection: in that transaction.
            resynced: their ids, by topic.

        Raises:
            Overtaken: one of them has not come so far, or is another one now.
        """
        if resynced:
            values = {**self._scope, "topics": list(resynced), "ids": list(resynced.values())}
            if connection.execute(_CLOSE, values).rowcount != len(resynced):
                raise Overtaken("a resynchronisation is not what it was, or not all of its rows are in the target")


def _row(resync: Resync) -> dict[str, Any]:
    return {
        "topic": resync.topic,
        "shard": resync.shard,
        "source": resync.source,
        "lsn": resync.lsn,
        "id": resync.id,
        "by_signal": resync.by_signal,
        "heard": resync.heard,
        "by": resync.by,
        "partitions": list(resync.starts),
        "starts": list(resync.starts.values()),
    }


def _resync(row: Sequence[Any]) -> Resync:
    topic, shard, source, lsn, number, by_signal, heard, by, state, reason, asked, closed, passed = row[:13]
    partitions, starts, ends = row[13:]

    def offsets(of: Sequence[int] | None) -> dict[int, int]:
        return dict(zip(partitions, of or (), strict=False))

    return Resync(
        topic=topic,
        shard=shard,
        source=source,
        lsn=lsn,
        id=number,
        by_signal=by_signal,
        heard=heard,
        starts=offsets(starts),
        by=by,
        state=ResyncState(state),
        reason=reason,
        ends=offsets(ends),
        asked=asked,
        closed=closed,
        passed=passed,
    )

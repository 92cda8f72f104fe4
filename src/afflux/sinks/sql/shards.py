"""The shards that a sink has read from: rows of `afflux.shards`."""

from collections.abc import Collection, Mapping
from datetime import timedelta

import psycopg

from afflux.sinks.shards import GoneShard

_SCOPE = "k.topology = %(topology)s AND k.consumer_group = %(group)s"

_NOTE = """
INSERT INTO afflux.shards AS k (topology, consumer_group, shard, prefix, seen_at)
SELECT %(topology)s, %(group)s, shard, prefix, clock_timestamp() FROM unnest(%(shards)s::text[], %(prefixes)s::text[]) AS v (shard, prefix)
ON CONFLICT (topology, consumer_group, shard)
DO UPDATE SET prefix = EXCLUDED.prefix, seen_at = EXCLUDED.seen_at, decision = '', done = false"""

_GONE = f"""
SELECT shard, prefix, seen_at, decision, done FROM afflux.shards k WHERE {_SCOPE} AND shard <> ALL (%(shards)s)
ORDER BY shard COLLATE "C\""""  # noqa: S608 - no value is in it

_DECIDE = f"""
UPDATE afflux.shards k SET decision = %(decision)s
WHERE {_SCOPE} AND shard = %(shard)s AND decision = '' AND seen_at < clock_timestamp() - %(unseen)s"""  # noqa: S608 - likewise

_CLOSE = f"UPDATE afflux.shards k SET done = true WHERE {_SCOPE} AND shard = %(shard)s AND decision <> ''"  # noqa: S608 - likewise

_FORGET = tuple(
    f"DELETE FROM afflux.{table} k WHERE {_SCOPE} AND topic = ANY (%(topics)s)"  # noqa: S608 - likewise
    for table in ("positions", "tables", "resyncs")
)


class Shards:
    """The shards of one consumer group of one topology.

    Args:
        scope: the topology and the consumer group, as parameters of statements.
    """

    def __init__(self, scope: Mapping[str, str]) -> None:
        self._scope = scope

    def note(self, connection: psycopg.Connection, shards: Mapping[str, str]) -> list[GoneShard]:
        """See `SinkState.note_shards`."""
        values = {**self._scope, "shards": list(shards), "prefixes": list(shards.values())}
        connection.execute(_NOTE, values)
        return [GoneShard(*row) for row in connection.execute(_GONE, values)]

    def decide(self, connection: psycopg.Connection, shard: str, decision: str, unseen: timedelta) -> bool:
        """See `SinkState.decide_shard`."""
        values = {**self._scope, "shard": shard, "decision": decision, "unseen": unseen}
        return connection.execute(_DECIDE, values).rowcount > 0

    def close(self, connection: psycopg.Connection, shard: str, topics: Collection[str]) -> None:
        """See `SinkState.close_shard`."""
        values = {**self._scope, "shard": shard, "topics": sorted(topics)}
        with connection.transaction():
            for statement in _FORGET:
                connection.execute(statement, values)
            connection.execute(_CLOSE, values)

"""The newest truncate of each table and shard: rows of `afflux.emptied`."""

from collections.abc import Mapping

import psycopg

from afflux.sinks.batch import Emptied

_REMEMBER = """
INSERT INTO afflux.emptied AS e (topology, consumer_group, target, shard, source_ts)
VALUES (%(topology)s, %(group)s, %(target)s, %(shard)s, %(source_ts)s)
ON CONFLICT (topology, consumer_group, target, shard) DO UPDATE SET source_ts = greatest(e.source_ts, EXCLUDED.source_ts)"""

_READ = (
    "SELECT target, shard, source_ts FROM afflux.emptied WHERE topology = %(topology)s AND consumer_group = %(group)s"
)


class Truncated:
    """The truncates that one consumer group of one topology has applied.

    Args:
        scope: the topology and the consumer group, as parameters of statements.
    """

    def __init__(self, scope: Mapping[str, str]) -> None:
        self._scope = scope

    def remember(self, connection: psycopg.Connection, emptied: Mapping[Emptied, int]) -> None:
        """Remember truncates, within the transaction that applies them."""
        for of, time in sorted(emptied.items()):
            values = {**self._scope, "target": of.table, "shard": of.shard, "source_ts": time}
            connection.execute(_REMEMBER, values)

    def read(self, connection: psycopg.Connection) -> dict[Emptied, int]:
        """Give the commit time of each."""
        return {Emptied(target, shard): time for target, shard, time in connection.execute(_READ, self._scope)}

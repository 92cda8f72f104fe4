"""Truncates that rows older than they may still come after, by other partitions of their topic.

A truncate's event has no key, so that it may come by any partition. Where a topic has one, its order
is whole and nothing is kept here.
"""

from collections.abc import Mapping

import psycopg
from psycopg import sql

from afflux.sinks.batch import TableName, Truncate
from afflux.sinks.sql.stage import Stage

_REMEMBER = """
INSERT INTO afflux.truncations VALUES
(%(topology)s, %(group)s, %(target)s, %(shard)s, %(lsn)s, %(topics)s, %(partitions)s, %(ends)s)"""

_EXIST = """
SELECT EXISTS (SELECT FROM afflux.truncations
WHERE topology = %(topology)s AND consumer_group = %(group)s AND target = %(target)s)"""

_DROP_OLDER = """
DELETE FROM {} s USING afflux.truncations t WHERE t.topology = %(topology)s AND t.consumer_group = %(group)s
AND t.target = %(target)s AND s.shard = t.shard AND s.lsn < t.lsn"""

_FORGET = """
DELETE FROM afflux.truncations t WHERE t.topology = %(topology)s AND t.consumer_group = %(group)s
AND t.target = %(target)s AND NOT EXISTS (
  SELECT FROM unnest(t.topics, t.partitions, t.ends) AS e (topic, partition, last)
  LEFT JOIN afflux.positions p ON p.topology = t.topology AND p.consumer_group = t.consumer_group
    AND p.topic = e.topic AND p.partition = e.partition
  WHERE coalesce(p.next_offset, 0) < e.last OR EXISTS (
    SELECT FROM afflux.dead_letters d WHERE d.topology = t.topology AND d.consumer_group = t.consumer_group
    AND d.topic = e.topic AND d.partition = e.partition AND d."offset" < e.last AND d.state = 'open'))"""


class Truncations:
    """The truncates of one consumer group of one topology that are not over.

    Args:
        scope: the topology and the group, as parameters of statements.
    """

    def __init__(self, scope: Mapping[str, str]) -> None:
        self._scope = scope

    def remember(self, connection: psycopg.Connection, table: TableName, truncate: Truncate) -> None:
        """Keep a truncate until the target stands at the ends that its topic had, and no dead letter before them is open."""
        if truncate.until:
            partitions = [partition for partition, _ in truncate.until]
            values = {
                **self._of(table),
                "shard": truncate.shard,
                "lsn": truncate.lsn,
                "topics": [partition.topic for partition in partitions],
                "partitions": [partition.number for partition in partitions],
                "ends": [end for _, end in truncate.until],
            }
            connection.execute(_REMEMBER, values)

    def exist(self, connection: psycopg.Connection, table: TableName) -> bool:
        """Tell whether a table has truncates that are not over."""
        return connection.execute(_EXIST, self._of(table)).fetchone() == (True,)

    def drop_older(self, connection: psycopg.Connection, stage: Stage) -> None:
        """Take staged rows that are older than a truncate out of the staging table."""
        connection.execute(sql.SQL(_DROP_OLDER).format(stage.staged), self._of(stage.table))

    def forget(self, connection: psycopg.Connection, table: TableName) -> None:
        """Forget the truncates that no older row can come after."""
        connection.execute(_FORGET, self._of(table))

    def _of(self, table: TableName) -> dict[str, object]:
        return {**self._scope, "target": str(table)}

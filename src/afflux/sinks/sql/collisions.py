"""Contests that last: rows of `afflux.collisions`, one a contested key.

A row that moves from shard to shard is a contest too, until the old shard's delete has come. So a contest becomes a
collision only when the target has all that its shards had committed up to some time after its start.
"""

from collections.abc import Collection, Mapping
from datetime import timedelta
from typing import Any

import psycopg
from psycopg import sql

from afflux.sinks.batch import TableName
from afflux.sinks.collisions import Collision
from afflux.sinks.sql.statements import identifier
from afflux.topology.sinks import MetaColumns

_CONTESTED = """
SELECT DISTINCT target FROM afflux.contested WHERE topology = %(topology)s
UNION SELECT DISTINCT target FROM afflux.collisions WHERE topology = %(topology)s"""

_KEY = """
SELECT a.attname FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)
WHERE i.indrelid = to_regclass(%s) AND i.indisprimary ORDER BY array_position(i.indkey::smallint[], a.attnum)"""

_FOLLOW = """
WITH versions AS (
  SELECT json_build_array({texts})::text AS key, v.shard, v.source_ts
  FROM afflux.contested c CROSS JOIN LATERAL json_populate_record(null::{t}, c.version) r LEFT JOIN {t} t ON {same}
  CROSS JOIN LATERAL (VALUES (c.shard, c.source_ts), (t.{shard}, t.{source_ts})) v (shard, source_ts)
  WHERE c.topology = %(topology)s AND c.target = %(target)s AND v.shard IS NOT NULL),
now AS (
  SELECT key, array_agg(DISTINCT shard ORDER BY shard) AS shards, max(source_ts) AS since
  FROM versions GROUP BY key HAVING count(DISTINCT shard) > 1),
over AS (
  DELETE FROM afflux.collisions k WHERE topology = %(topology)s AND target = %(target)s
  AND NOT EXISTS (SELECT FROM now WHERE now.key = k.key))
INSERT INTO afflux.collisions AS k (topology, target, key, shards, since)
SELECT %(topology)s, %(target)s, key, shards, since FROM now
ON CONFLICT (topology, target, key) DO UPDATE SET shards = EXCLUDED.shards WHERE k.shards <> EXCLUDED.shards"""

_FORGET = "DELETE FROM afflux.collisions WHERE topology = %(topology)s AND target = %(target)s"

_TELL = """
UPDATE afflux.collisions k SET lasts = true
WHERE k.topology = %(topology)s AND NOT k.lasts AND NOT EXISTS (
  SELECT FROM unnest(k.shards) AS s (shard) LEFT JOIN afflux.watermarks w
    ON w.topology = k.topology AND w.consumer_group = %(group)s AND w.shard = s.shard
  WHERE s.shard = ANY (%(known)s) AND (w.watermark IS NULL OR w.watermark < k.since + %(window)s))
RETURNING target, key, shards, since"""

_LIST = """
SELECT target, key, shards, since FROM afflux.collisions WHERE topology = %(topology)s AND lasts
ORDER BY target COLLATE "C", key COLLATE "C\""""


class Collisions:
    """The collisions of one topology.

    Args:
        scope: the topology and the consumer group, as parameters of statements.
        names: what the columns of afflux's own are called.
    """

    def __init__(self, scope: Mapping[str, str], names: MetaColumns) -> None:
        self._scope = scope
        self._names = names

    def judge(self, connection: psycopg.Connection, window: timedelta, shards: Collection[str]) -> list[Collision]:
        """See `SinkState.judge_contests`."""
        targets = [target for (target,) in connection.execute(_CONTESTED, self._scope)]
        if not targets:
            return []
        with connection.transaction():
            connection.execute(
                "SELECT pg_advisory_xact_lock(hashtext('afflux.collisions'), hashtext(%(topology)s))", self._scope
            )
            for target in targets:
                self._follow(connection, TableName(*target.split(".", 1)))
            values = {**self._scope, "window": window, "known": sorted(shards)}
            return [_collision(row) for row in connection.execute(_TELL, values)]

    def open(self, connection: psycopg.Connection) -> list[Collision]:
        """See `SinkState.collisions`."""
        return [_collision(row) for row in connection.execute(_LIST, self._scope)]

    def _follow(self, connection: psycopg.Connection, table: TableName) -> None:
        """Bring the rows of one table up to date with its contests."""
        values = {**self._scope, "target": str(table)}
        shard = self._names.shard
        key = [k for (k,) in connection.execute(_KEY, [identifier(table).as_string(connection)]) if k != shard]
        if not key:  # the table is gone, or has been made by hand
            connection.execute(_FORGET, values)
            return
        names = [sql.Identifier(name) for name in key]
        connection.execute(
            sql.SQL(_FOLLOW).format(
                t=identifier(table),
                texts=sql.SQL(", ").join(sql.SQL("r.{}::text").format(name) for name in names),
                same=sql.SQL(" AND ").join(sql.SQL("t.{0} = r.{0}").format(name) for name in names),
                shard=sql.Identifier(shard),
                source_ts=sql.Identifier(self._names.source_ts),
            ),
            values,
        )


def _collision(row: tuple[Any, ...]) -> Collision:
    target, key, shards, since = row
    return Collision(target, key, tuple(shards), since)

"""The demo's PostgreSQL warehouse."""

from datetime import datetime
from pathlib import Path

import psycopg
from psycopg import sql

from afflux.demo.load import LastWord
from afflux.demo.shop import TABLES
from afflux.demo.target import Rows, Target
from afflux.sinks.batch import TableName
from afflux.stack import Addresses

_ROWS = """
SELECT _shard, count(*), extract(epoch FROM max(_source_ts))::float8
FROM (SELECT _shard, _source_ts FROM public.customers UNION ALL SELECT _shard, _source_ts FROM public.orders) _
GROUP BY _shard"""

_FRESHNESS = """
WITH live AS (
  SELECT extract(epoch FROM _synced_at - _source_ts)::float8 * 1000 AS ms FROM public.customers WHERE updated_at >= %(since)s
  UNION ALL
  SELECT extract(epoch FROM _synced_at - _source_ts)::float8 * 1000 FROM public.orders WHERE updated_at >= %(since)s)
SELECT coalesce(percentile_cont(0.5) WITHIN GROUP (ORDER BY ms), 0),
  coalesce(percentile_cont(0.99) WITHIN GROUP (ORDER BY ms), 0) FROM live"""


class Warehouse(Target):
    """See `Target`."""

    words = "a warehouse, "

    def __init__(self, addresses: Addresses) -> None:
        super().__init__(addresses)
        self._connection = psycopg.connect(addresses.warehouse_url, autocommit=True)

    @classmethod
    def declare(cls, addresses: Addresses) -> Path:
        """See `Target.declare`."""
        return addresses.topology

    def counts(self) -> dict[tuple[str, TableName], int]:
        """See `Target.counts`."""
        counts: dict[tuple[str, TableName], int] = {}
        for table in self._there():
            statement = sql.SQL("SELECT _shard, count(*) FROM {} GROUP BY _shard").format(sql.Identifier(*table))
            counts.update({(shard, table): count for shard, count in self._connection.execute(statement)})
        return counts

    def rows(self) -> dict[str, Rows]:
        """See `Target.rows`."""
        if len(self._there()) < len(TABLES):
            return {}
        return {shard: Rows(count, newest) for shard, count, newest in self._connection.execute(_ROWS)}

    def heard(self, word: LastWord) -> bool:
        """See `Target.heard`."""
        statement = sql.SQL("SELECT 1 FROM {} WHERE id = %s AND _shard = %s AND updated_at = %s")
        wanted = [word.key, word.shard, word.updated_at]
        return self._connection.execute(statement.format(sql.Identifier(*word.table)), wanted).fetchone() is not None

    def freshness(self, since: datetime) -> tuple[float, float]:
        """See `Target.freshness`."""
        ((median, most),) = self._connection.execute(_FRESHNESS, {"since": since}).fetchall()
        return round(median, 1), round(most, 1)

    @property
    def sides(self) -> psycopg.Connection:
        """See `Target.sides`."""
        return self._connection

    @classmethod
    def shows(cls, folder: Path) -> str:  # noqa: ARG003 - the environment says where it is
        """See `Target.shows`."""
        return "  psql $WAREHOUSE_URL -c \"select _shard, id, status from orders where status = 'mine'\""

    def close(self) -> None:
        """See `Target.close`."""
        super().close()
        self._connection.close()

    def _there(self) -> list[TableName]:
        found = "SELECT to_regclass(%s) IS NOT NULL"
        return [table for table in TABLES if self._connection.execute(found, [str(table)]).fetchone() == (True,)]

"""What the shards hold, to be found in the target."""

import psycopg
from psycopg import sql

from afflux.demo.shop import TABLES
from afflux.sinks.batch import TableName
from afflux.stack import ShardAddress


def source_counts(shard: ShardAddress) -> dict[TableName, int]:
    """Count a shard's rows."""
    with psycopg.connect(shard.admin_url) as connection:
        return {table: _count(connection, table) for table in TABLES}


def _count(connection: psycopg.Connection, table: TableName) -> int:
    ((count,),) = connection.execute(sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(*table))).fetchall()
    return int(count)

"""Has it arrived? What the demo asks the shards and the target while it waits."""

from contextlib import suppress

import psycopg
from psycopg import errors, sql

from afflux.demo.load import LastWord
from afflux.demo.shop import TABLES
from afflux.sinks.base import TableName
from afflux.stack import ShardAddress


def source_counts(shard: ShardAddress) -> dict[TableName, int]:
    """Count a shard's rows."""
    with psycopg.connect(shard.admin_url) as connection:
        return {table: _count(connection, table) for table in TABLES}


def target_counts(target: psycopg.Connection) -> dict[tuple[str, TableName], int]:
    """Count the target's rows by shard and table; a table that is not there yet has none."""
    counts: dict[tuple[str, TableName], int] = {}
    for table in TABLES:
        statement = sql.SQL("SELECT _shard, count(*) FROM {} GROUP BY _shard").format(sql.Identifier(*table))
        with suppress(errors.UndefinedTable):
            counts.update({(shard, table): count for shard, count in target.execute(statement)})
    return counts


def stands(target: psycopg.Connection) -> int:
    """Add up the target's positions: more than before means that something was applied."""
    ((total,),) = target.execute("SELECT coalesce(sum(next_offset), 0) FROM afflux.positions").fetchall()
    return int(total)


def heard(target: psycopg.Connection, word: LastWord) -> bool:
    """Tell whether the last change of a shard's table is in the target."""
    statement = sql.SQL("SELECT 1 FROM {} WHERE id = %s AND _shard = %s AND updated_at = %s")
    wanted = [word.key, word.shard, word.updated_at]
    return target.execute(statement.format(sql.Identifier(*word.table)), wanted).fetchone() is not None


def _count(connection: psycopg.Connection, table: TableName) -> int:
    ((count,),) = connection.execute(sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(*table))).fetchall()
    return int(count)

"""Has it arrived? What the demo asks the shards and the target while it waits."""

import psycopg
from psycopg import sql

from afflux.demo.load import LastWord
from afflux.demo.shop import TABLES
from afflux.sinks.base import TableName
from afflux.stack import ShardAddress

_REFUSED = """
SELECT format('an event of %s at offset %s became a dead letter: %s', topic, "offset", reason)
FROM afflux.dead_letters WHERE state = 'open'
UNION ALL SELECT format('topic %s is stopped: %s', topic, reason) FROM afflux.tables LIMIT 1"""


def source_counts(shard: ShardAddress) -> dict[TableName, int]:
    """Count a shard's rows."""
    with psycopg.connect(shard.admin_url) as connection:
        return {table: _count(connection, table) for table in TABLES}


def target_counts(target: psycopg.Connection) -> dict[tuple[str, TableName], int]:
    """Count the target's rows by shard and table; a table that is not there yet has none."""
    counts: dict[tuple[str, TableName], int] = {}
    for table in TABLES:
        statement = sql.SQL("SELECT _shard, count(*) FROM {} GROUP BY _shard").format(sql.Identifier(*table))
        if _is_there(target, str(table)):
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


def refused(target: psycopg.Connection) -> str:
    """Say what could not be applied and why, the first of it; empty when there is nothing of the kind."""
    if not _is_there(target, "afflux.tables"):
        return ""
    found = target.execute(_REFUSED).fetchone()
    return str(found[0]) if found else ""


def _is_there(target: psycopg.Connection, table: str) -> bool:
    return target.execute("SELECT to_regclass(%s) IS NOT NULL", [table]).fetchone() == (True,)


def _count(connection: psycopg.Connection, table: TableName) -> int:
    ((count,),) = connection.execute(sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(*table))).fetchall()
    return int(count)

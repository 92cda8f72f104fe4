"""The target's tables: made when first needed, and given the columns that are new at the source."""

import psycopg
import structlog
from psycopg import sql

from afflux.errors import TableError
from afflux.sinks.base import TableChanges, TableName
from afflux.sinks.sql import statements

log = structlog.get_logger()

_LOCK = 0x0AFF_10C4
"""The advisory lock under which tables are made: workers that meet a new table make it once."""

_COLUMNS = """
SELECT attname FROM pg_attribute WHERE attrelid = to_regclass(%s) AND attnum > 0 AND NOT attisdropped"""

_KEY = """
SELECT a.attname FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)
WHERE i.indrelid = to_regclass(%s) AND i.indisprimary"""

_UNIQUE_KEYS = """
SELECT array_agg(a.attname::text ORDER BY a.attname) FROM pg_index i
JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)
WHERE i.indrelid = to_regclass(%s) AND i.indisunique AND i.indpred IS NULL AND i.indimmediate
GROUP BY i.indexrelid"""


def target_key(changes: TableChanges) -> tuple[str, ...]:
    """Give the names of the target's key: the source's, behind the shard's where that is part of it."""
    return (statements.SHARD, *changes.key) if changes.with_shard else changes.key


class Tables:
    """Knows which tables and columns there are; asks the target only about those it does not know."""

    def __init__(self) -> None:
        self._known: dict[TableName, set[str]] = {}

    def forget(self) -> None:
        """Ask the target again: somebody else may have changed it."""
        self._known.clear()

    def ensure(self, connection: psycopg.Connection, changes: TableChanges) -> bool:
        """Make the table and the columns that changes need.

        Returns:
            Whether the table is there; False for one that has been truncated before its first row.

        Raises:
            TableError: the table is there and can't be afflux's.
        """
        wanted = {column.name for column in changes.columns}
        if changes.table in self._known and wanted <= self._known[changes.table]:
            return True
        with connection.transaction():
            connection.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
            there = self._columns(connection, changes.table)
            if not there:
                if not changes.key:
                    return False
                self._create(connection, changes)
            else:
                self._check(connection, changes, there)
                for column in changes.columns:
                    if column.name not in there:
                        connection.execute(statements.add_column(changes.table, column))
                        log.info("column added", table=str(changes.table), column=column.name, type=str(column.type))
        self._known[changes.table] = wanted | there
        return True

    def key(self, connection: psycopg.Connection, table: TableName) -> tuple[str, ...]:
        """Give the names of a table's key, without the shard; what truncates of it do not say."""
        name = statements.identifier(table).as_string(connection)
        return tuple(column for (column,) in connection.execute(_KEY, [name]) if column != statements.SHARD)

    def _columns(self, connection: psycopg.Connection, table: TableName) -> set[str]:
        name = statements.identifier(table).as_string(connection)
        return {row[0] for row in connection.execute(_COLUMNS, [name])}

    def _create(self, connection: psycopg.Connection, changes: TableChanges) -> None:
        table = changes.table
        clash = sorted({c.name for c in changes.columns} & statements.META_COLUMNS.keys())
        if clash:
            raise TableError(
                f"table {table}: the source has a column {clash[0]!r}, which is a name of afflux's own",
                table=str(table),
                hint="rename the source's column, or leave it out with the connector's column.exclude.list",
            )
        if not connection.execute("SELECT 1 FROM pg_namespace WHERE nspname = %s", [table.schema]).fetchone():
            connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(table.schema)))
        connection.execute(statements.create_table(table, changes.columns, target_key(changes)))
        log.info("table made", table=str(table), columns=len(changes.columns), key=list(changes.key))

    def _check(self, connection: psycopg.Connection, changes: TableChanges, there: set[str]) -> None:
        missing = sorted(statements.META_COLUMNS.keys() - there)
        if missing:
            raise TableError(
                f"table {changes.table} is there already, without a column {missing[0]!r}",
                table=str(changes.table),
                hint="it was not made by afflux: rename or drop it, or give the table another `target`",
            )
        name = statements.identifier(changes.table).as_string(connection)
        keys = [sorted(row[0]) for row in connection.execute(_UNIQUE_KEYS, [name])]
        if changes.key and sorted(target_key(changes)) not in keys:
            raise TableError(
                f"table {changes.table} has no unique index on its key ({', '.join(target_key(changes))})",
                table=str(changes.table),
                hint="the source's key (with `key: with_shard`, and _shard) differs from the target's: "
                "give the target that key, or drop it and let it be copied again",
            )

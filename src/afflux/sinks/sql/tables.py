"""The target's tables: made when first needed, and given the columns that are new at the source."""

from collections.abc import Mapping

import psycopg
import structlog
from psycopg import sql

from afflux.errors import TableError
from afflux.sinks.batch import Mode, TableChanges, TableName
from afflux.sinks.sql import statements
from afflux.sinks.sql.claims import claim
from afflux.sinks.sql.meta import Meta
from afflux.topology.sinks import MetaColumns

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


_REMEMBER = """
INSERT INTO afflux.keepings VALUES (%(topology)s, %(group)s, %(schema)s, %(name)s, %(mode)s)
ON CONFLICT (topology, consumer_group, schema, name) DO UPDATE SET mode = excluded.mode"""


def target_key(changes: TableChanges, meta: Meta) -> tuple[str, ...]:
    """Give the names of the target's key.

    It is the source's, behind the shard's where that is part of it; of changes and versions, where they were read.
    """
    if changes.keeping.mode is not Mode.UPSERT:
        return meta.key
    # A truncate alone knows no key.
    return (meta.names.shard, *changes.key) if changes.with_shard and changes.key else changes.key


class Tables:
    """Knows which tables and columns there are; asks the target only about those it does not know.

    Args:
        scope: the topology and the consumer group, as parameters of statements.
        names: what the columns of afflux's own are called.
    """

    def __init__(self, scope: Mapping[str, str], names: MetaColumns) -> None:
        self._scope = scope
        self._names = names
        self._known: dict[TableName, set[str]] = {}

    def forget(self) -> None:
        """Ask the target again: somebody else may have changed it."""
        self._known.clear()

    def ensure(self, connection: psycopg.Connection, changes: TableChanges) -> bool:
        """Make the table and the columns that changes need.

        Returns:
            Whether the table is there; False for one that has been truncated before its first row.

        Raises:
            TableError: the table is there and can't be afflux's, or is another topology's.
        """
        meta = self.meta(changes)
        wanted = {column.name for column in changes.columns} | meta.types.keys()
        if changes.table in self._known and wanted <= self._known[changes.table]:
            return True
        _refuse_clash(changes, meta)
        with connection.transaction():
            connection.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
            claim(connection, self._scope["topology"], changes.table, shared=changes.keeping.shared)
            there = self._columns(connection, changes.table)
            if not there:
                if not (changes.key or (changes.columns and changes.keeping.mode is Mode.APPEND)):
                    return False
                self._create(connection, changes, meta)
            else:
                self._check(connection, changes, meta, there)
                self._add(connection, changes, meta, there)
            if changes.keeping.mode is not Mode.UPSERT:
                table = {"schema": changes.table.schema, "name": changes.table.name, "mode": changes.keeping.mode}
                connection.execute(_REMEMBER, {**self._scope, **table})
        self._known[changes.table] = wanted | there
        return True

    def meta(self, changes: TableChanges) -> Meta:
        """Give the columns of afflux's own of a table."""
        return Meta(self._names, changes.keeping)

    def key(self, connection: psycopg.Connection, table: TableName) -> tuple[str, ...]:
        """Give the names of a table's key, without the shard; what truncates of it do not say."""
        name = statements.identifier(table).as_string(connection)
        return tuple(column for (column,) in connection.execute(_KEY, [name]) if column != self._names.shard)

    def _columns(self, connection: psycopg.Connection, table: TableName) -> set[str]:
        name = statements.identifier(table).as_string(connection)
        return {row[0] for row in connection.execute(_COLUMNS, [name])}

    def _create(self, connection: psycopg.Connection, changes: TableChanges, meta: Meta) -> None:
        table = changes.table
        if not connection.execute("SELECT 1 FROM pg_namespace WHERE nspname = %s", [table.schema]).fetchone():
            connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(table.schema)))
        connection.execute(statements.create_table(table, changes.columns, target_key(changes, meta), meta))
        if changes.keeping.mode is Mode.HISTORY:
            connection.execute(statements.index_current(table, changes.key, meta))
        log.info("table made", table=str(table), columns=len(changes.columns), key=list(target_key(changes, meta)))

    def _add(self, connection: psycopg.Connection, changes: TableChanges, meta: Meta, there: set[str]) -> None:
        for column in changes.columns:
            if column.name not in there:
                connection.execute(statements.add_column(changes.table, column))
                log.info("column added", table=str(changes.table), column=column.name, type=str(column.type))
        for name, of in meta.types.items():
            if name not in there:
                connection.execute(statements.add_own_column(changes.table, name, of))
                log.info("column added", table=str(changes.table), column=name, type=of)

    def _check(self, connection: psycopg.Connection, changes: TableChanges, meta: Meta, there: set[str]) -> None:
        missing = sorted(meta.always - there)
        if missing:
            raise TableError(
                f"table {changes.table} is there already, without a column {missing[0]!r}",
                table=str(changes.table),
                hint="it was not made by afflux, or with other names in the sink's `meta`: "
                "rename or drop it, or give the table another `target`",
            )
        if changes.keeping.mode is Mode.UPSERT and not changes.keeping.soft and self._names.deleted in there:
            raise TableError(
                f"table {changes.table} holds deleted rows, and its deletes are hard now",
                table=str(changes.table),
                hint=f"delete the rows that {self._names.deleted} marks, and drop this column and "
                f"{self._names.deleted_at}; or let `deletes` be soft again",
            )
        name = statements.identifier(changes.table).as_string(connection)
        keys = [sorted(row[0]) for row in connection.execute(_UNIQUE_KEYS, [name])]
        key = target_key(changes, meta)
        if key and sorted(key) not in keys:
            raise TableError(
                f"table {changes.table} has no unique index on its key ({', '.join(key)})",
                table=str(changes.table),
                hint="the source's key (with `key: with_shard`, and the shard), or the table's `mode`, differs from the "
                "target's: give the target that key, or drop it and let it be copied again",
            )


def _refuse_clash(changes: TableChanges, meta: Meta) -> None:
    clash = sorted({c.name for c in changes.columns} & meta.types.keys())
    if clash:
        raise TableError(
            f"table {changes.table}: the source has a column {clash[0]!r}, which is a name of afflux's own",
            table=str(changes.table),
            hint="call afflux's own by another name (the sink's `meta`), rename the source's column, "
            "or leave it out with the connector's column.exclude.list",
        )

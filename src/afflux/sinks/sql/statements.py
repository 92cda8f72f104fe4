"""The SQL of the PostgreSQL sink as text: pure, a function a statement."""

from collections.abc import Sequence
from dataclasses import dataclass

from psycopg import sql

from afflux.sinks.base import TableName, TargetColumn

SHARD, LSN, SOURCE_TS, SYNCED_AT = "_shard", "_lsn", "_source_ts", "_synced_at"
META_COLUMNS = {SHARD: "text", LSN: "bigint", SOURCE_TS: "timestamptz", SYNCED_AT: "timestamptz"}
"""The columns that a target table has beside the source's, and their types."""


def identifier(table: TableName) -> sql.Identifier:
    """Quote a table's name."""
    return sql.Identifier(table.schema, table.name)


def create_table(table: TableName, columns: Sequence[TargetColumn], key: Sequence[str]) -> sql.Composed:
    """Declare a target table: the source's columns, the meta columns, and the key. Only the key is NOT NULL."""
    lines = [sql.SQL("{} {}").format(sql.Identifier(c.name), sql.SQL(c.type.ddl())) for c in columns]
    lines += [sql.SQL("{} {}").format(sql.Identifier(n), sql.SQL(t)) for n, t in META_COLUMNS.items()]
    lines.append(sql.SQL("PRIMARY KEY ({})").format(_names(key)))
    return sql.SQL("CREATE TABLE {} ({})").format(identifier(table), sql.SQL(", ").join(lines))


def add_column(table: TableName, column: TargetColumn) -> sql.Composed:
    """Add a nullable column."""
    kind = sql.SQL(column.type.ddl())
    return sql.SQL("ALTER TABLE {} ADD COLUMN {} {}").format(identifier(table), sql.Identifier(column.name), kind)


@dataclass(frozen=True, slots=True)
class Stage:
    """A session's staging table for one target table and one list of columns.

    Its columns are numbered (`c0` and `m0` belong to the first source column), so that no source
    name can clash with afflux's own.
    """

    name: str
    table: TableName
    columns: tuple[TargetColumn, ...]
    key: tuple[str, ...]
    masked: tuple[str, ...]

    @property
    def _stage(self) -> sql.Composed:
        return sql.SQL("pg_temp.{}").format(sql.Identifier(self.name))

    @property
    def _target(self) -> sql.Identifier:
        return identifier(self.table)

    def create(self) -> sql.Composed:
        """Make the staging table; it is empty again at each commit."""
        lines = [sql.SQL(f"c{i} {c.type.ddl()}") for i, c in enumerate(self.columns)]
        lines += [sql.SQL(f"m{self._index(name)} boolean") for name in self.masked]
        return sql.SQL(
            "CREATE TEMPORARY TABLE {} (shard text, lsn bigint, source_ts timestamptz, deleted boolean, {}) "
            "ON COMMIT DELETE ROWS"
        ).format(sql.Identifier(self.name), sql.SQL(", ").join(lines))

    def copy(self) -> sql.Composed:
        """Load the staging table from CSV; the columns are in the order of `create`."""
        return sql.SQL("COPY {} FROM STDIN (FORMAT csv)").format(self._stage)

    def delete(self) -> sql.Composed:
        """Delete the deleted rows, where the target's row is still that shard's."""
        return sql.SQL("DELETE FROM {} t USING {} s WHERE s.deleted AND t._shard = s.shard AND {}").format(
            self._target, self._stage, self._same_key()
        )

    def upsert(self) -> sql.Composed:
        """Insert or replace the rows that are known whole."""
        names = [sql.Identifier(c.name) for c in self.columns]
        values = [sql.SQL(f"s.c{i}") for i in range(len(self.columns))]
        updates = [sql.SQL("{0} = EXCLUDED.{0}").format(sql.Identifier(n)) for n in (*self._others(), *META_COLUMNS)]
        return sql.SQL(
            "INSERT INTO {} ({}, _shard, _lsn, _source_ts, _synced_at) "
            "SELECT {}, s.shard, s.lsn, s.source_ts, clock_timestamp() FROM {} s WHERE NOT s.deleted{} "
            "ON CONFLICT ({}) DO UPDATE SET {}"
        ).format(
            self._target,
            sql.SQL(", ").join(names),
            sql.SQL(", ").join(values),
            self._stage,
            sql.SQL(" AND NOT ({})").format(self._any_masked()) if self.masked else sql.SQL(""),
            _names(self.key),
            sql.SQL(", ").join(updates),
        )

    def update_masked(self) -> sql.Composed:
        """Update the rows that came without some unchanged values, and leave those values be."""
        updates = []
        for name in self._others():
            value: sql.Composable = sql.SQL(f"s.c{self._index(name)}")
            if name in self.masked:
                mask = sql.SQL(f"s.m{self._index(name)}")
                value = sql.SQL("CASE WHEN {} THEN t.{} ELSE {} END").format(mask, sql.Identifier(name), value)
            updates.append(sql.SQL("{} = {}").format(sql.Identifier(name), value))
        return sql.SQL(
            "UPDATE {} t SET {}, _shard = s.shard, _lsn = s.lsn, _source_ts = s.source_ts, "
            "_synced_at = clock_timestamp() FROM {} s WHERE NOT s.deleted AND ({}) AND {}"
        ).format(self._target, sql.SQL(", ").join(updates), self._stage, self._any_masked(), self._same_key())

    def _any_masked(self) -> sql.Composed:
        return sql.SQL(" OR ").join(sql.SQL(f"s.m{self._index(name)}") for name in self.masked)

    def _same_key(self) -> sql.Composed:
        return sql.SQL(" AND ").join(
            sql.SQL("t.{} = s.{}").format(sql.Identifier(name), sql.Identifier(f"c{self._index(name)}"))
            for name in self.key
        )

    def _others(self) -> list[str]:
        return [c.name for c in self.columns if c.name not in self.key]

    def _index(self, name: str) -> int:
        return next(i for i, c in enumerate(self.columns) if c.name == name)


def truncate(table: TableName) -> sql.Composed:
    """Delete a shard's rows older than a position (parameters: shard, LSN)."""
    return sql.SQL("DELETE FROM {} WHERE _shard = %s AND _lsn < %s").format(identifier(table))


def _names(names: Sequence[str]) -> sql.Composed:
    return sql.SQL(", ").join(sql.Identifier(name) for name in names)


CREATE_SCHEMA = "CREATE SCHEMA afflux"

STATE: tuple[str, ...] = (
    "CREATE TABLE afflux.version (version integer NOT NULL)",
    "INSERT INTO afflux.version VALUES (1)",
    """CREATE TABLE afflux.positions (
      topology text, consumer_group text, topic text, partition integer,
      topic_id text, next_offset bigint NOT NULL, epoch bigint NOT NULL,
      owner text NOT NULL, updated_at timestamptz NOT NULL,
      PRIMARY KEY (topology, consumer_group, topic, partition))""",
)
"""The sink's own state, in this version's layout."""

VERSION = 1

CLAIM = """
INSERT INTO afflux.positions AS p (topology, consumer_group, topic, partition, next_offset, epoch, owner, updated_at)
SELECT %(topology)s, %(group)s, topic, partition, 0, 1, %(owner)s, clock_timestamp()
FROM unnest(%(topics)s::text[], %(partitions)s::integer[]) AS v (topic, partition) ORDER BY topic, partition
ON CONFLICT (topology, consumer_group, topic, partition)
DO UPDATE SET epoch = p.epoch + 1, owner = EXCLUDED.owner, updated_at = EXCLUDED.updated_at
RETURNING topic, partition, next_offset, epoch"""

MOVE = """
UPDATE afflux.positions p SET next_offset = v.last, updated_at = clock_timestamp()
FROM unnest(%(topics)s::text[], %(partitions)s::integer[], %(starts)s::bigint[], %(ends)s::bigint[], %(epochs)s::bigint[])
  AS v (topic, partition, first, last, epoch)
WHERE p.topology = %(topology)s AND p.consumer_group = %(group)s AND p.topic = v.topic AND p.partition = v.partition
  AND p.epoch = v.epoch AND p.next_offset = v.first"""

READ = """
SELECT topic, partition, next_offset, epoch, owner FROM afflux.positions
WHERE topology = %(topology)s AND consumer_group = %(group)s
  AND (topic, partition) IN (SELECT * FROM unnest(%(topics)s::text[], %(partitions)s::integer[]))"""

"""A session's staging table for one target table, and the statements that apply what it holds. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from psycopg import sql

from afflux.sinks.base import TableName, TargetColumn
from afflux.sinks.sql.statements import META_COLUMNS, identifier


@dataclass(frozen=True, slots=True)
class Stage:
    """A staging table for one target table and one list of columns.

    Its columns are numbered (`c0` and `m0` belong to the first source column), so that no source
    name can clash with afflux's own.

    Attributes:
        name: the staging table's name.
        table: the target table.
        columns: the source's columns.
        key: the names of the key's columns.
        masked: the columns that may be unchanged and unknown; for each there is a mask.
        with_shard: whether the shard is part of the target's key.
    """

    name: str
    table: TableName
    columns: tuple[TargetColumn, ...]
    key: tuple[str, ...]
    masked: tuple[str, ...]
    with_shard: bool = False

    @property
    def staged(self) -> sql.Composed:
        """The staging table, quoted."""
        return sql.SQL("pg_temp.{}").format(sql.Identifier(self.name))

    @property
    def target(self) -> sql.Identifier:
        """The target table, quoted."""
        return identifier(self.table)

    def over(self, suffix: str) -> "Stage":
        """Name another temporary relation with the same columns, such as a view of some of the staged rows."""
        return replace(self, name=f"{self.name}_{suffix}")

    def create(self) -> sql.Composed:
        """Make the staging table; it is empty again at each commit."""
        lines = ["shard text", "lsn bigint", "source_ts timestamptz", "deleted boolean", "moved_at bigint"]
        lines += [f"c{i} {c.type.ddl()}" for i, c in enumerate(self.columns)]
        lines += [f"m{self.index(name)} boolean" for name in self.masked]
        return sql.SQL("CREATE TEMPORARY TABLE {} ({}) ON COMMIT DELETE ROWS").format(
            sql.Identifier(self.name), sql.SQL(", ").join(map(sql.SQL, lines))
        )

    def copy(self) -> sql.Composed:
        """Load the staging table from CSV; the columns are in the order of `create`."""
        return sql.SQL("COPY {} FROM STDIN (FORMAT csv)").format(self.staged)

    def delete(self) -> sql.Composed:
        """Delete the deleted rows, where the target's row is still that shard's.

        A row under an equal key of other bytes (numeric 1.5 and 1.50) may have come by the other half of
        the same key change, which has the same LSN: it stays.
        """
        return sql.SQL(
            "DELETE FROM {} t USING {} s WHERE s.deleted AND t._shard = s.shard AND {} "
            "AND (s.moved_at IS NULL OR t._lsn < s.moved_at)"
        ).format(self.target, self.staged, self.same_key())

    def upsert(self) -> sql.Composed:
        """Insert or replace the rows that are known whole, where the target's row is no other shard's."""
        updates = [sql.SQL("{0} = EXCLUDED.{0}").format(sql.Identifier(n)) for n in (*self._others(), *META_COLUMNS)]
        return sql.SQL(
            "INSERT INTO {} AS t ({}, _shard, _lsn, _source_ts, _synced_at) "
            "SELECT {}, s.shard, s.lsn, s.source_ts, clock_timestamp() FROM {} s WHERE NOT s.deleted{} "
            "ON CONFLICT ({}) DO UPDATE SET {} WHERE t._shard = EXCLUDED._shard"
        ).format(
            self.target,
            sql.SQL(", ").join(sql.Identifier(c.name) for c in self.columns),
            sql.SQL(", ").join(sql.SQL(f"s.c{i}") for i in range(len(self.columns))),
            self.staged,
            sql.SQL(" AND NOT ({})").format(self.any_masked()) if self.masked else sql.SQL(""),
            sql.SQL(", ").join(sql.Identifier(name) for name in (*(["_shard"] if self.with_shard else []), *self.key)),
            sql.SQL(", ").join(updates),
        )

    def update_masked(self) -> sql.Composed:
        """Update the rows that came without some unchanged values, and leave those values be."""
        updates = [
            sql.SQL("{} = {}").format(sql.Identifier(name), self.value(name, sql.SQL("t"))) for name in self._others()
        ]
        return sql.SQL(
            "UPDATE {} t SET {}, _shard = s.shard, _lsn = s.lsn, _source_ts = s.source_ts, "
            "_synced_at = clock_timestamp() FROM {} s WHERE NOT s.deleted AND ({}) AND t._shard = s.shard AND {}"
        ).format(self.target, sql.SQL(", ").join(updates), self.staged, self.any_masked(), self.same_key())

    def count(self) -> sql.Composed:
        """Count the staged rows that live, and those that are deleted."""
        return sql.SQL("SELECT count(*) FILTER (WHERE NOT deleted), count(*) FILTER (WHERE deleted) FROM {}").format(
            self.staged
        )

    def count_incomplete(self) -> sql.Composed:
        """Count the staged rows that came without some values, and that the target does not hold."""
        return sql.SQL(
            "SELECT count(*) FROM {} s WHERE NOT s.deleted AND ({}) "
            "AND NOT EXISTS (SELECT FROM {} t WHERE t._shard = s.shard AND {})"
        ).format(self.staged, self.any_masked(), self.target, self.same_key())

    def value(self, name: str, otherwise: sql.Composable | None) -> sql.Composable:
        """Give a column's staged value, or where it is unchanged that of another row (by its alias)."""
        value: sql.Composable = sql.SQL(f"s.c{self.index(name)}")
        if name not in self.masked or otherwise is None:
            return value
        mask = sql.SQL(f"s.m{self.index(name)}")
        return sql.SQL("CASE WHEN {} THEN {}.{} ELSE {} END").format(mask, otherwise, sql.Identifier(name), value)

    def version(self, otherwise: sql.Composable | None) -> sql.Composed:
        """Give a staged row as a row of the target in JSON; unchanged values are those of another row.

        PostgreSQL's `row_to_json` keeps every type's text, and `json_populate_record` reads it back.
        """
        values = sql.SQL(", ").join(
            sql.SQL("{} AS {}").format(self.value(c.name, otherwise), sql.Identifier(c.name)) for c in self.columns
        )
        return sql.SQL(
            "(SELECT row_to_json(v) FROM (SELECT {}, s.shard AS _shard, s.lsn AS _lsn, "
            "s.source_ts AS _source_ts, clock_timestamp() AS _synced_at) v)"
        ).format(values)

    def any_masked(self) -> sql.Composed:
        """Whether any value of a staged row is unchanged and unknown."""
        if not self.masked:
            return sql.SQL("{}").format(sql.SQL("false"))
        return sql.SQL(" OR ").join(sql.SQL(f"s.m{self.index(name)}") for name in self.masked)

    def same_key(self, other: str = "t") -> sql.Composed:
        """Whether a staged row and a row of the target (by its alias) have one key, by the target's equality."""
        return sql.SQL(" AND ").join(
            sql.SQL("{}.{} = s.{}").format(
                sql.Identifier(other), sql.Identifier(name), sql.Identifier(f"c{self.index(name)}")
            )
            for name in self.key
        )

    def index(self, name: str) -> int:
        """Give a column's number."""
        return next(i for i, c in enumerate(self.columns) if c.name == name)

    def _others(self) -> Sequence[str]:
        return [c.name for c in self.columns if c.name not in self.key]

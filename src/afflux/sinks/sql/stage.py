"""A session's staging table for one target table, and the statements that apply what it holds. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from psycopg import sql

from afflux.sinks.batch import Mode, TableName, TargetColumn
from afflux.sinks.sql.meta import Meta
from afflux.sinks.sql.statements import identifier
from afflux.types.equality import has_spellings


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
        meta: the target's columns of afflux's own.
        with_shard: whether the shard is part of the target's key.
    """

    name: str
    table: TableName
    columns: tuple[TargetColumn, ...]
    key: tuple[str, ...]
    masked: tuple[str, ...]
    meta: Meta
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
        columns = self._loaded() | ({"since": "timestamptz"} if self.meta.keeping.mode is Mode.HISTORY else {})
        lines = [sql.SQL("{} {}").format(sql.Identifier(name), sql.SQL(of)) for name, of in columns.items()]
        return sql.SQL("CREATE TEMPORARY TABLE {} ({}) ON COMMIT DELETE ROWS").format(
            sql.Identifier(self.name), sql.SQL(", ").join(lines)
        )

    def copy(self) -> sql.Composed:
        """Load the staging table from CSV: shard, LSN and so on, lineage, values, masks."""
        return sql.SQL("COPY {} ({}) FROM STDIN (FORMAT csv)").format(self.staged, _listed(self._loaded()))

    def count(self) -> sql.Composed:
        """Count the staged rows that live, and those that are deleted."""
        return sql.SQL("SELECT count(*) FILTER (WHERE NOT deleted), count(*) FILTER (WHERE deleted) FROM {}").format(
            self.staged
        )

    def incomplete(self) -> sql.Composed:
        """Give the events of staged rows that came without some values, and that the target does not hold."""
        return sql.SQL(
            "SELECT s.sequence FROM {} s WHERE NOT s.deleted AND ({}) "
            "AND NOT EXISTS (SELECT FROM {} t WHERE {} = s.shard AND {})"
        ).format(self.staged, self.any_masked(), self.target, self.ours("shard"), self.concerned())

    # --- writing rows as they are now -------------------------------------------------------------

    def thin_out(self) -> sql.Composed | None:
        """Of a shard's staged rows with equal keys keep the newest; None where equal keys have equal bytes."""
        if not self._spelled():
            return None
        same = sql.SQL(" AND ").join(
            sql.SQL("a.{0} = b.{0}").format(sql.Identifier(f"c{self.index(name)}")) for name in self.key
        )
        return sql.SQL(
            "DELETE FROM {0} a USING {0} b WHERE a.shard = b.shard AND {1} AND {2} AND (a.lsn, a.ctid) < (b.lsn, b.ctid)"
        ).format(
            self.staged, same, sql.SQL("a.deleted = b.deleted" if self._soft else "NOT a.deleted AND NOT b.deleted")
        )

    def delete(self) -> list[sql.Composed]:
        """Delete the deleted rows, where the target's row is still that shard's; or mark them."""
        if self._soft:
            return self.write(deleted=True)
        statement = sql.SQL("DELETE FROM {} t USING {} s WHERE s.deleted AND {} = s.shard AND {}")
        return [statement.format(self.target, self.staged, self.ours("shard"), self.concerned())]

    def write(self, *, deleted: bool = False) -> list[sql.Composed]:
        """Write the rows that live, or mark those that are deleted, where the target's row is no other shard's."""
        return [self._upsert(deleted=deleted), *([self._update_masked(deleted=deleted)] if self.masked else [])]

    def _upsert(self, *, deleted: bool) -> sql.Composed:
        """Insert or replace the rows that are known whole."""
        names = [c.name for c in self.columns]
        statement = sql.SQL(
            "INSERT INTO {target} AS t ({names}) SELECT {values} FROM {staged} s WHERE {which} AND NOT ({masked}) "
            "ON CONFLICT ({key}) DO UPDATE SET {updates} WHERE {mine}"
        )
        mine: sql.Composable = sql.SQL("{} = {}").format(self.ours("shard"), self.ours("shard", "excluded"))
        if spelled := self._spelled():
            older = sql.SQL("{} < {}" if deleted else "{} <= {}")
            newer = older.format(self.ours("lsn"), self.ours("lsn", "excluded"))
            mine = sql.SQL("{} AND ({} OR {})").format(
                mine, _same_bytes("t", "excluded", [(name, name) for name in spelled]), newer
            )
        if self._soft:
            theirs = sql.SQL("{} AND {} <> {}").format(
                self.ours("deleted"), self.ours("shard"), self.ours("shard", "excluded")
            )
            mine = sql.SQL("({}) OR ({})").format(mine, theirs)
        updates = [
            sql.SQL("{0} = excluded.{0}").format(sql.Identifier(n)) for n in (*self._others(), *self.meta.staged)
        ]
        key = [*([self.meta.names.shard] if self.with_shard else []), *self.key]
        return statement.format(
            target=self.target,
            names=_listed([*names, *self.meta.staged]),
            values=sql.SQL(", ").join([sql.SQL(f"s.c{i}") for i in range(len(names))] + [*self.meta.staged.values()]),
            staged=self.staged,
            which=_which(deleted=deleted),
            masked=self.any_masked(),
            key=_listed(key),
            updates=sql.SQL(", ").join(updates),
            mine=mine,
        )

    def _update_masked(self, *, deleted: bool) -> sql.Composed:
        """Update the rows that came without some unchanged values, and leave those values be."""
        values = {name: self.value(name, sql.SQL("t")) for name in self._others()} | self.meta.staged
        updates = [sql.SQL("{} = {}").format(sql.Identifier(name), value) for name, value in values.items()]
        return sql.SQL("UPDATE {} t SET {} FROM {} s WHERE {} AND ({}) AND {} = s.shard AND {}").format(
            self.target,
            sql.SQL(", ").join(updates),
            self.staged,
            _which(deleted=deleted),
            self.any_masked(),
            self.ours("shard"),
            self.concerned(),
        )

    # --- parts of statements ----------------------------------------------------------------------

    def ours(self, part: str, of: str = "t") -> sql.Identifier:
        """Name a column of afflux's own of a row of the target (by its alias), such as `lsn`."""
        return sql.Identifier(of, getattr(self.meta.names, part))

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
        values = {c.name: self.value(c.name, otherwise) for c in self.columns} | self.meta.staged
        named = [sql.SQL("{} AS {}").format(value, sql.Identifier(name)) for name, value in values.items()]
        return sql.SQL("(SELECT row_to_json(v) FROM (SELECT {}) v)").format(sql.SQL(", ").join(named))

    def any_masked(self) -> sql.Composed:
        """Whether any value of a staged row is unchanged and unknown."""
        if not self.masked:
            return sql.SQL("{}").format(sql.SQL("false"))
        return sql.SQL(" OR ").join(sql.SQL(f"s.m{self.index(name)}") for name in self.masked)

    def unknown(self) -> sql.Composed:
        """List the columns whose values a staged row left out."""
        names = sql.SQL(", ").join(
            sql.SQL("CASE WHEN s.m{0} THEN {1} END").format(sql.SQL(str(self.index(name))), sql.Literal(name))
            for name in self.masked
        )
        return sql.SQL("array_remove(ARRAY[{}]::text[], NULL)").format(names)

    def same_key(self, other: str = "t") -> sql.Composed:
        """Whether a staged row and a row of the target (by its alias) have one key, by the target's equality."""
        return sql.SQL(" AND ").join(
            sql.SQL("{} = {}").format(sql.Identifier(other, name), sql.Identifier("s", f"c{self.index(name)}"))
            for name in self.key
        )

    def concerned(self, other: str = "t", lsn: sql.Composable | None = None) -> sql.Composed:
        """Whether a staged event speaks of a row (by its alias): of its key's bytes, or newer than it.

        Under an equal key of other bytes (numeric 1.5 and 1.50) a row may have come by the other half of the
        same key change, which has the same LSN, or by a later event of another partition.

        Args:
            other: the row's alias.
            lsn: the row's LSN, where it is not in the target's own column.
        """
        spelled = self._spelled()
        if not spelled:
            return self.same_key(other)
        lsn = lsn or self.ours("lsn", other)
        bytes_of = _same_bytes(other, "s", [(name, f"c{self.index(name)}") for name in spelled])
        return sql.SQL("{} AND ({} OR {} < s.lsn OR ({} = s.lsn AND NOT s.deleted))").format(
            self.same_key(other), bytes_of, lsn, lsn
        )

    def index(self, name: str) -> int:
        """Give a column's number."""
        return next(i for i, c in enumerate(self.columns) if c.name == name)

    def _loaded(self) -> dict[str, str]:
        """Name the staging table's columns, with their types, as `postgresql._csv` writes them."""
        lineage = {"op": "text", "topic": "text", "partition": "integer", "offset": "bigint", "transaction": "bigint"}
        return {
            "shard": "text",
            "lsn": "bigint",
            "source_ts": "timestamptz",
            "deleted": "boolean",
            "moved_at": "bigint",
            "sequence": "bigint",
            **(lineage if self.meta.keeping.traced else {}),
            **{f"c{number}": column.type.ddl() for number, column in enumerate(self.columns)},
            **{f"m{self.index(name)}": "boolean" for name in self.masked},
        }

    @property
    def _soft(self) -> bool:
        return self.meta.keeping.soft

    def _spelled(self) -> list[str]:
        """Name the key's columns whose equal values may have several texts."""
        return [c.name for c in self.columns if c.name in self.key and has_spellings(c.type)]

    def _others(self) -> Sequence[str]:
        """Name the columns that an update may change; of the key, those whose text may."""
        return [c.name for c in self.columns if c.name not in self.key or has_spellings(c.type)]


def _which(*, deleted: bool) -> sql.SQL:
    return sql.SQL("s.deleted" if deleted else "NOT s.deleted")


def _listed(names: Iterable[str]) -> sql.Composed:
    return sql.SQL(", ").join(sql.Identifier(name) for name in names)


def _same_bytes(one: str, other: str, columns: Iterable[tuple[str, str]]) -> sql.Composed:
    return sql.SQL(" AND ").join(
        sql.SQL("{}::text = {}::text").format(sql.Identifier(one, mine), sql.Identifier(other, its))
        for mine, its in columns
    )

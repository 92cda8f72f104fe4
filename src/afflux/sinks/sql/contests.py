"""Two shards hold one target key: the version that changed last is in the table, the others are kept whole.

A row on its way from one shard to another is a contest that ends by the old shard's delete, in
whatever order the events come; equal keys of two shards are one that lasts. Every step here runs
under the table's exclusive lock.

Where deleted rows stay, they are shown only while no shard's version of the row lives; the last one to
have been deleted stays then, and none is kept here.
"""

from collections.abc import Sequence

import psycopg
from psycopg import sql

from afflux.sinks.batch import TableName
from afflux.sinks.sql.meta import Meta
from afflux.sinks.sql.session import by_key
from afflux.sinks.sql.stage import Stage
from afflux.sinks.sql.statements import identifier

_KEYS = sql.SQL("pg_temp.contested_keys")
_HELD = sql.SQL("pg_temp.contested_held")


class Contests:
    """The contested rows of one topology.

    Args:
        topology: its name.
    """

    def __init__(self, topology: str) -> None:
        self._topology = topology

    def exist(self, connection: psycopg.Connection, table: TableName) -> bool:
        """Tell whether any row of a table is contested."""
        found = connection.execute(
            "SELECT EXISTS (SELECT FROM afflux.contested WHERE topology = %s AND target = %s)",
            [self._topology, str(table)],
        ).fetchone()
        return found == (True,)

    def take(self, connection: psycopg.Connection, stage: Stage) -> None:
        """Apply those of the staged rows whose key two shards hold, and take them out of the staging table.

        `settle` then puts one version of each key into the table. A staged row whose unchanged values are
        not known here stays in the staging table.
        """
        self._gather(connection, stage)
        self._apply(connection, stage)
        connection.execute(sql.SQL("DROP TABLE {}, {}").format(_KEYS, _HELD))

    def truncate(self, connection: psycopg.Connection, table: TableName, shard: str, lsn: int) -> None:
        """Remove a shard's contested rows that are older than a truncate."""
        connection.execute(
            sql.SQL("DELETE FROM afflux.contested c WHERE {} AND shard = %s AND lsn < %s").format(self._of(table)),
            [shard, lsn],
        )

    def settle(self, connection: psycopg.Connection, table: TableName, key: Sequence[str], meta: Meta) -> None:
        """Put the version that changed last into the table, wherever the table has none that lives."""
        marked = sql.Identifier("r", meta.names.deleted) if meta.keeping.soft else sql.SQL("false IS TRUE")
        parts = {
            "t": identifier(table),
            "of": self._of(table),
            "names": sql.SQL(", ").join(sql.SQL("r.{}").format(sql.Identifier(name)) for name in key),
            "same": _equal("t", "r", key),
            "version": _version(identifier(table)),
            "marked": marked,
            "shown_marked": sql.Identifier("t", meta.names.deleted),
            "shard": sql.Identifier("t", meta.names.shard),
        }
        make_room = (
            "DELETE FROM {t} t USING afflux.contested c, LATERAL {version} r "
            "WHERE {of} AND {same} AND {shown_marked} AND NOT {marked}"
        )
        show = (
            "INSERT INTO {t} SELECT (best.r).* FROM (SELECT DISTINCT ON ({names}) r FROM afflux.contested c, "
            "LATERAL {version} r WHERE {of} AND NOT EXISTS (SELECT FROM {t} t WHERE {same}) "
            "ORDER BY {names}, {marked}, c.source_ts DESC, c.shard DESC) best"
        )
        forget = (
            "DELETE FROM afflux.contested d USING (SELECT c.ctid AS at FROM afflux.contested c, LATERAL {version} r, {t} t "
            "WHERE {of} AND ({shard} = c.shard OR {marked}) AND {same}) x WHERE d.ctid = x.at"
        )
        with by_key(connection):
            for statement in ([make_room] if meta.keeping.soft else []) + [show, forget]:
                connection.execute(sql.SQL(statement).format(**parts))

    def _gather(self, connection: psycopg.Connection, stage: Stage) -> None:
        """Find the keys that two shards hold, and bring all their versions together among the contested ones."""
        numbered = sql.SQL(", ").join(sql.SQL(f"c{stage.index(name)}") for name in stage.key)
        parts = {
            "keys": _KEYS,
            "held": _HELD,
            "t": stage.target,
            "s": stage.staged,
            "of": self._of(stage.table),
            "version": _version(stage.target),
            "held_names": sql.SQL(", ").join(sql.SQL("r.{}").format(sql.Identifier(name)) for name in stage.key),
            "shard": stage.ours("shard"),
            "lsn": stage.ours("lsn"),
            "source_ts": stage.ours("source_ts"),
            "numbered": numbered,
            "names": sql.SQL(", ").join(
                sql.SQL("s.c{} AS {}").format(sql.SQL(str(stage.index(name))), sql.Identifier(name))
                for name in stage.key
            ),
            "in_table": stage.same_key("t"),
            "in_held": stage.same_key("h"),
            "in_twice": sql.SQL(" AND ").join(
                sql.SQL("w.{0} = s.{0}").format(sql.SQL(f"c{stage.index(name)}")) for name in stage.key
            ),
            "same": _equal("t", "k", stage.key),
            "topology": sql.Literal(self._topology),
            "target": sql.Literal(str(stage.table)),
        }
        hold = sql.SQL(
            "CREATE TEMPORARY TABLE contested_held ON COMMIT DROP AS "
            "SELECT c.ctid AS at, c.shard, c.lsn, {held_names} FROM afflux.contested c, LATERAL {version} r WHERE {of}"
        ).format(**parts)
        connection.execute(hold)
        connection.execute(
            sql.SQL(
                "CREATE TEMPORARY TABLE contested_keys ON COMMIT DROP AS "
                "WITH twice AS (SELECT {numbered} FROM {s} GROUP BY {numbered} HAVING count(DISTINCT shard) > 1) "
                "SELECT DISTINCT {names} FROM {s} s WHERE EXISTS (SELECT FROM {held} h WHERE {in_held}) "
                # Not EXISTS, for which PostgreSQL may read the whole target: a value is looked for row by row.
                "OR (SELECT true FROM {t} t WHERE {shard} <> s.shard AND {in_table} LIMIT 1) "
                "OR EXISTS (SELECT FROM twice w WHERE {in_twice})"
            ).format(**parts)
        )
        with by_key(connection):
            connection.execute(
                sql.SQL(
                    "INSERT INTO afflux.contested SELECT {topology}, {target}, {shard}, {lsn}, {source_ts}, "
                    "clock_timestamp(), row_to_json(t) FROM {t} t JOIN {keys} k ON {same}"
                ).format(**parts)
            )
            connection.execute(sql.SQL("DELETE FROM {t} t USING {keys} k WHERE {same}").format(**parts))
        connection.execute(sql.SQL("DROP TABLE {held}").format(**parts))
        connection.execute(hold)

    def _apply(self, connection: psycopg.Connection, stage: Stage) -> None:
        """Apply each shard's staged rows to its own version; a deleted row that stays is a version too, until it is settled."""
        stays = stage.meta.keeping.soft
        parts = {
            "keys": _KEYS,
            "held": _HELD,
            "s": stage.staged,
            "version": _version(stage.target),
            "topology": sql.Literal(self._topology),
            "target": sql.Literal(str(stage.table)),
            "mine": sql.SQL("h.shard = s.shard AND {}").format(stage.concerned("h", sql.SQL("h.lsn"))),
            "in_held": stage.same_key("h"),
            "wanted": stage.same_key("k"),
            "lives": sql.SQL("true" if stays else "NOT s.deleted"),
            "masked": sql.SQL("({} AND ({}))").format(
                sql.SQL("true" if stays else "NOT s.deleted"), stage.any_masked()
            ),
            "merged": stage.version(sql.SQL("r")),
            "whole": stage.version(None),
        }
        merge = (
            "UPDATE afflux.contested d SET version = x.version, lsn = x.lsn, source_ts = x.source_ts FROM ("
            "SELECT c.ctid AS at, {merged} AS version, s.lsn, s.source_ts FROM {s} s JOIN {held} h ON {mine} "
            "JOIN afflux.contested c ON c.ctid = h.at, LATERAL {version} r WHERE {masked}) x WHERE d.ctid = x.at"
        )
        remove = "DELETE FROM afflux.contested c USING {s} s, {held} h WHERE c.ctid = h.at AND {mine} AND NOT {masked}"
        insert = (
            "INSERT INTO afflux.contested SELECT {topology}, {target}, s.shard, s.lsn, s.source_ts, clock_timestamp(), "
            "{whole} FROM {s} s JOIN {keys} k ON {wanted} WHERE {lives} AND NOT {masked} "
            "AND NOT EXISTS (SELECT FROM {held} h WHERE h.shard = s.shard AND {in_held} AND NOT ({mine}))"
        )
        leave = (
            "DELETE FROM {s} s USING {keys} k WHERE {wanted} "
            "AND (NOT {masked} OR EXISTS (SELECT FROM {held} h WHERE {mine}))"
        )
        for statement in (merge, remove, insert, leave):
            connection.execute(sql.SQL(statement).format(**parts))

    def _of(self, table: TableName) -> sql.Composed:
        return sql.SQL("(c.topology = {} AND c.target = {})").format(
            sql.Literal(self._topology), sql.Literal(str(table))
        )


def _version(table: sql.Identifier) -> sql.Composed:
    return sql.SQL("json_populate_record(null::{}, c.version)").format(table)


def _equal(one: str, other: str, key: Sequence[str]) -> sql.Composed:
    return sql.SQL(" AND ").join(
        sql.SQL("{0}.{2} = {1}.{2}").format(sql.Identifier(one), sql.Identifier(other), sql.Identifier(name))
        for name in key
    )

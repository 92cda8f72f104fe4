"""Halves of key changes that wait for each other.

An update that changes a key comes as a delete and an insert of one LSN, and neither holds the large
values that stayed. Where both are in one batch, folding joins them. Else the first one leaves its row
here: the departed one as it was under its old key, and the arrived one, where a topic has several
partitions and the insert comes first, without the values that it waits for.

A row that changes its key again while it waits departs without those values too: its `origin` is the
change whose departed row knows them.
"""

import psycopg
from psycopg import sql

from afflux.errors import IncompleteError
from afflux.sinks.batch import TableName
from afflux.sinks.sql.session import by_key
from afflux.sinks.sql.stage import Stage

_KEPT_DAYS = 7
_ALL = sql.SQL("true")


class Moves:
    """The halves of one topology.

    Args:
        topology: its name.
    """

    def __init__(self, topology: str) -> None:
        self._topology = topology

    def depart(self, connection: psycopg.Connection, stage: Stage, live: sql.Composable = _ALL) -> None:
        """Remember rows as they were when their key changed.

        What the batch does not know of them is that of the change that brought them, of the row that waits
        under their key, or of the target's row.

        Args:
            connection: in the batch's transaction.
            stage: holds the departed rows.
            live: which rows `t` of the target are meant.
        """
        unknown = sql.SQL(", ").join(
            sql.SQL("CASE WHEN s.m{0} AND (o.version IS NULL OR {1} = ANY (o.unknown)) THEN {1} END").format(
                sql.SQL(str(stage.index(name))), sql.Literal(name)
            )
            for name in stage.masked
        )
        self._do(
            connection,
            stage,
            "INSERT INTO afflux.moves (topology, target, shard, lsn, half, at, unknown, version, origin) "
            "SELECT {topology}, {target}, s.shard, s.lsn, 'departed', clock_timestamp(), "
            "array_remove(ARRAY[{unknown}]::text[], NULL), {whole}, coalesce(s.moved_at, o.origin) "
            "FROM {s} s LEFT JOIN LATERAL ("
            "SELECT m.version, m.unknown, m.lsn AS origin FROM afflux.moves m WHERE {of} AND m.half = 'departed' "
            "AND m.shard = s.shard AND m.lsn = s.moved_at "
            "UNION ALL SELECT m.version, m.unknown, m.lsn FROM {waiting} WHERE s.moved_at IS NULL AND {mine} "
            "UNION ALL SELECT row_to_json(t), '{{}}', NULL FROM {t} t "
            "WHERE s.moved_at IS NULL AND {shard} = s.shard AND {live} AND {in_table} "
            "UNION ALL SELECT c.version, '{{}}', NULL FROM afflux.contested c, "
            "LATERAL json_populate_record(null::{t}, c.version) r "
            "WHERE s.moved_at IS NULL AND c.topology = {topology} AND c.target = {target} "
            "AND c.shard = s.shard AND {in_record} LIMIT 1) o ON true "
            "LEFT JOIN LATERAL json_populate_record(null::{t}, o.version) r ON true "
            "ON CONFLICT (topology, target, shard, lsn, half) "
            "DO UPDATE SET version = excluded.version, unknown = excluded.unknown, origin = excluded.origin",
            unknown=unknown,
            whole=stage.version(sql.SQL("r")),
            live=live,
        )
        self._follow(connection, stage)

    def arrive(self, connection: psycopg.Connection, stage: Stage, *, keep: bool = False) -> None:
        """Give staged rows that came from another key the values that their departed halves hold.

        Args:
            connection: in the batch's transaction.
            stage: holds the rows.
            keep: whether the halves stay, for those who go back to between them.
        """
        if not stage.masked:
            return
        values = sql.SQL(", ").join(
            sql.SQL("c{0} = {1}, m{0} = false").format(sql.SQL(str(stage.index(name))), stage.value(name, sql.SQL("r")))
            for name in stage.masked
        )
        self._do(
            connection,
            stage,
            "WITH taken AS ({take} FROM afflux.moves m WHERE {of} AND m.half = 'departed' AND EXISTS (SELECT FROM {s} s "
            "WHERE m.shard = s.shard AND m.lsn = s.moved_at AND {lives} AND NOT m.unknown && {unknown}) {taken}) "
            "UPDATE {s} s SET moved_at = NULL, {values} FROM taken m, "
            "LATERAL json_populate_record(null::{t}, m.version) r "
            "WHERE m.shard = s.shard AND m.lsn = s.moved_at AND {lives} AND NOT m.unknown && {unknown}",
            values=values,
            take=sql.SQL("SELECT m.*" if keep else "DELETE"),
            taken=sql.SQL("" if keep else "RETURNING m.*"),
            lives=sql.SQL("true" if stage.meta.keeping.soft else "NOT s.deleted"),
            unknown=stage.unknown(),
        )

    def wait(self, connection: psycopg.Connection, stage: Stage) -> None:
        """Set staged rows aside whose departed halves have not come; not those that are here and read again."""
        if not stage.masked:
            return
        with by_key(connection):
            self._do(
                connection,
                stage,
                "WITH waiting AS (DELETE FROM {s} s WHERE NOT s.deleted AND s.moved_at IS NOT NULL AND ({masked}) "
                "AND NOT EXISTS (SELECT FROM {t} t WHERE {shard} = s.shard AND {newer} AND {in_table}) RETURNING s.*) "
                "INSERT INTO afflux.moves (topology, target, shard, lsn, half, at, unknown, version) "
                "SELECT {topology}, {target}, s.shard, s.moved_at, 'arrived', clock_timestamp(), "
                "{unknown}, {whole} FROM waiting s ON CONFLICT (topology, target, shard, lsn, half) DO NOTHING",
                unknown=stage.unknown(),
                whole=stage.version(None),
                newer=sql.SQL("{} >= s.moved_at").format(stage.ours("lsn")),
            )

    def waiting(self, connection: psycopg.Connection, table: TableName) -> bool:
        """Tell whether any arrived row of a table waits for its departed half.

        Raises:
            IncompleteError: one waits in vain.
        """
        found = connection.execute(
            "SELECT count(*), max(d.unknown[1]) FROM afflux.moves w LEFT JOIN afflux.moves d ON d.topology = w.topology "
            "AND d.target = w.target AND d.shard = w.shard AND d.lsn = w.lsn AND d.half = 'departed' "
            "AND d.origin IS NULL AND w.unknown && d.unknown "
            "WHERE w.topology = %s AND w.target = %s AND w.half = 'arrived'",
            [self._topology, str(table)],
        ).fetchone()
        count, missing = found or (0, None)
        if missing is not None:
            raise IncompleteError(str(table), [None], [missing])
        return bool(count)

    def join(self, connection: psycopg.Connection, stage: Stage) -> None:
        """Apply staged rows to waiting ones, and stage those whose departed halves have come."""
        if stage.masked:
            self._do(
                connection,
                stage,
                "UPDATE afflux.moves d SET version = x.version, unknown = x.unknown FROM ("
                "SELECT m.ctid AS at, {merged} AS version, ARRAY(SELECT unnest(m.unknown) INTERSECT "
                "SELECT unnest({unknown})) AS unknown FROM {s} s, {waiting} "
                "WHERE NOT s.deleted AND ({masked}) AND {mine}) x WHERE d.ctid = x.at",
                merged=stage.version(sql.SQL("r")),
                unknown=stage.unknown(),
            )
            self._do(
                connection,
                stage,
                "DELETE FROM {s} d USING (SELECT s.ctid AS at FROM {s} s, {waiting} "
                "WHERE NOT s.deleted AND ({masked}) AND {mine}) x WHERE d.ctid = x.at",
            )
        self._do(
            connection,
            stage,
            "DELETE FROM afflux.moves d USING (SELECT m.ctid AS at FROM {s} s, {waiting} "
            "WHERE (s.deleted OR NOT ({masked})) AND {mine}) x WHERE d.ctid = x.at",
        )
        ours = {part: sql.Identifier("n", getattr(stage.meta.names, part)) for part in _LINEAGE}
        traced = stage.meta.keeping.traced
        self._do(
            connection,
            stage,
            "WITH met AS (SELECT w.shard, w.lsn, w.unknown, w.version AS new, d.version AS old FROM afflux.moves w "
            "JOIN afflux.moves d USING (topology, target, shard, lsn) WHERE w.topology = {topology} "
            "AND w.target = {target} AND w.half = 'arrived' AND d.half = 'departed' AND NOT w.unknown && d.unknown), "
            "gone AS (DELETE FROM afflux.moves m USING met b WHERE {of} AND m.shard = b.shard AND m.lsn = b.lsn) "
            "INSERT INTO {s} (shard, lsn, source_ts, deleted, {lineage} {numbers}) "
            "SELECT b.shard, {lsn}, {source_ts}, false, {traced} {joined} FROM met b, "
            "LATERAL json_populate_record(null::{t}, b.new) n, LATERAL json_populate_record(null::{t}, b.old) o",
            lsn=sql.Identifier("n", stage.meta.names.lsn),
            source_ts=sql.Identifier("n", stage.meta.names.source_ts),
            lineage=sql.SQL(", ".join([*(f'"{part}"' for part in _LINEAGE), ""]) if traced else ""),
            traced=sql.SQL("").join(sql.SQL("{}, ").format(ours[part]) for part in _LINEAGE if traced),
            numbers=_numbered(stage),
            joined=sql.SQL(", ").join([_either(stage, "b"), *[sql.SQL("false")] * len(stage.masked)]),
        )

    def truncate(self, connection: psycopg.Connection, table: TableName, shard: str, lsn: int) -> None:
        """Remove a shard's waiting rows that are older than a truncate."""
        connection.execute(
            "DELETE FROM afflux.moves WHERE topology = %s AND target = %s AND half = 'arrived' AND shard = %s AND lsn < %s",
            [self._topology, str(table), shard, lsn],
        )

    def forget_old(self, connection: psycopg.Connection) -> None:
        """Remove departed halves that nobody has come for: their other halves needed nothing of them."""
        connection.execute(
            "DELETE FROM afflux.moves WHERE topology = %s AND half = 'departed' AND at < now() - make_interval(days => %s)",
            [self._topology, _KEPT_DAYS],
        )

    def _follow(self, connection: psycopg.Connection, stage: Stage) -> None:
        """Give departed rows the values of those that they were before, from change to change."""
        names = [*(sql.Identifier("n", name) for name in stage.meta.types), _either(stage, "d", named=True)]
        learn = (
            "UPDATE afflux.moves m SET version = x.version, unknown = x.unknown FROM ("
            "SELECT d.ctid AS at, (SELECT row_to_json(v) FROM (SELECT {names}) v) AS version, "
            "ARRAY(SELECT unnest(d.unknown) INTERSECT SELECT unnest(b.unknown)) AS unknown "
            "FROM afflux.moves d JOIN afflux.moves b ON b.topology = d.topology AND b.target = d.target "
            "AND b.shard = d.shard AND b.lsn = d.origin AND b.half = 'departed', "
            "LATERAL json_populate_record(null::{t}, d.version) n, LATERAL json_populate_record(null::{t}, b.version) o "
            "WHERE d.topology = {topology} AND d.target = {target} AND d.half = 'departed' "
            "AND d.origin IS NOT NULL AND d.unknown <> '{{}}' AND NOT d.unknown <@ b.unknown) x WHERE m.ctid = x.at"
        )
        while self._do(connection, stage, learn, names=sql.SQL(", ").join(names)):
            pass

    def _do(self, connection: psycopg.Connection, stage: Stage, statement: str, **parts: sql.Composable) -> int:
        """Run a statement; returns how many rows it has written."""
        of = sql.SQL("(m.topology = {} AND m.target = {})").format(
            sql.Literal(self._topology), sql.Literal(str(stage.table))
        )
        done = connection.execute(
            sql.SQL(statement).format(
                **parts,
                topology=sql.Literal(self._topology),
                target=sql.Literal(str(stage.table)),
                of=of,
                waiting=sql.SQL("afflux.moves m, LATERAL json_populate_record(null::{}, m.version) r").format(
                    stage.target
                ),
                mine=sql.SQL("{} AND m.half = 'arrived' AND m.shard = s.shard AND {}").format(of, stage.concerned("r")),
                s=stage.staged,
                t=stage.target,
                shard=stage.ours("shard"),
                masked=stage.any_masked(),
                in_table=stage.concerned("t"),
                in_record=stage.concerned("r"),
            )
        )
        return done.rowcount


_LINEAGE = ("op", "topic", "partition", "offset", "transaction")


def _numbered(stage: Stage) -> sql.Composed:
    """List the staging table's columns of values and masks."""
    names = [f"c{number}" for number in range(len(stage.columns))] + [f"m{stage.index(name)}" for name in stage.masked]
    return sql.SQL(", ").join(sql.Identifier(name) for name in names)


def _either(stage: Stage, half: str, *, named: bool = False) -> sql.Composed:
    """Give the columns' values of a row `n`, and those that a half (by its alias) does not know of a row `o`."""
    return sql.SQL(", ").join(
        sql.SQL("CASE WHEN {0} = ANY ({1}.unknown) THEN o.{2} ELSE n.{2} END {3}").format(
            sql.Literal(column.name),
            sql.Identifier(half),
            sql.Identifier(column.name),
            sql.SQL("AS {}").format(sql.Identifier(column.name)) if named else sql.SQL(""),
        )
        for column in stage.columns
    )

"""Halves of key changes that wait for each other.

An update that changes a key comes as a delete and an insert of one LSN, and neither holds the large
values that stayed. Where both are in one batch, folding joins them. Else the first one leaves its row
here: the departed one as it was under its old key, and the arrived one, where a topic has several
partitions and the insert comes first, without the values that it waits for.
"""

import psycopg
from psycopg import sql

from afflux.sinks.base import TableName
from afflux.sinks.sql.stage import Stage

_KEPT_DAYS = 7


class Moves:
    """The halves of one topology.

    Args:
        topology: its name.
    """

    def __init__(self, topology: str) -> None:
        self._topology = topology

    def depart(self, connection: psycopg.Connection, stage: Stage) -> None:
        """Remember rows as they were when their key changed; the target still holds what the batch does not know."""
        unknown = sql.SQL(", ").join(
            sql.SQL("CASE WHEN s.m{0} AND (o.version IS NULL OR {1} = ANY (o.unknown)) THEN {1} END").format(
                sql.SQL(str(stage.index(name))), sql.Literal(name)
            )
            for name in stage.masked
        )
        self._do(
            connection,
            stage,
            "INSERT INTO afflux.moves SELECT {topology}, {target}, s.shard, s.lsn, 'departed', clock_timestamp(), "
            "array_remove(ARRAY[{unknown}]::text[], NULL), {whole} FROM {s} s LEFT JOIN LATERAL ("
            "SELECT m.version, m.unknown FROM afflux.moves m WHERE {of} AND m.half = 'departed' "
            "AND m.shard = s.shard AND m.lsn = s.moved_at "
            "UNION ALL SELECT row_to_json(t), '{{}}' FROM {t} t "
            "WHERE s.moved_at IS NULL AND t._shard = s.shard AND {in_table} "
            "UNION ALL SELECT c.version, '{{}}' FROM afflux.contested c, "
            "LATERAL json_populate_record(null::{t}, c.version) r "
            "WHERE s.moved_at IS NULL AND c.topology = {topology} AND c.target = {target} "
            "AND c.shard = s.shard AND {in_record} LIMIT 1) o ON true "
            "LEFT JOIN LATERAL json_populate_record(null::{t}, o.version) r ON true "
            "ON CONFLICT (topology, target, shard, lsn, half) "
            "DO UPDATE SET version = EXCLUDED.version, unknown = EXCLUDED.unknown",
            unknown=unknown,
            whole=stage.version(sql.SQL("r")),
        )

    def arrive(self, connection: psycopg.Connection, stage: Stage) -> None:
        """Give staged rows that came from another key the values that their departed halves hold."""
        if not stage.masked:
            return
        values = sql.SQL(", ").join(
            sql.SQL("c{0} = {1}, m{0} = s.m{0} AND {2} = ANY (m.unknown)").format(
                sql.SQL(str(stage.index(name))), stage.value(name, sql.SQL("r")), sql.Literal(name)
            )
            for name in stage.masked
        )
        self._do(
            connection,
            stage,
            "WITH taken AS (DELETE FROM afflux.moves m USING {s} s WHERE {of} AND m.half = 'departed' "
            "AND m.shard = s.shard AND m.lsn = s.moved_at AND NOT s.deleted RETURNING m.*) "
            "UPDATE {s} s SET moved_at = NULL, {values} FROM taken m, "
            "LATERAL json_populate_record(null::{t}, m.version) r "
            "WHERE m.shard = s.shard AND m.lsn = s.moved_at AND NOT s.deleted",
            values=values,
        )

    def wait(self, connection: psycopg.Connection, stage: Stage) -> None:
        """Set staged rows aside whose departed halves have not come."""
        if stage.masked:
            self._do(
                connection,
                stage,
                "WITH waiting AS (DELETE FROM {s} s WHERE NOT s.deleted AND s.moved_at IS NOT NULL AND ({masked}) RETURNING s.*) "
                "INSERT INTO afflux.moves SELECT {topology}, {target}, s.shard, s.moved_at, 'arrived', clock_timestamp(), "
                "{unknown}, {whole} FROM waiting s ON CONFLICT (topology, target, shard, lsn, half) DO NOTHING",
                unknown=_unknown(stage),
                whole=stage.version(None),
            )

    def waiting(self, connection: psycopg.Connection, table: TableName) -> bool:
        """Tell whether any arrived row of a table waits for its departed half."""
        found = connection.execute(
            "SELECT EXISTS (SELECT FROM afflux.moves WHERE topology = %s AND target = %s AND half = 'arrived')",
            [self._topology, str(table)],
        ).fetchone()
        return found == (True,)

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
                unknown=_unknown(stage),
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
        self._do(
            connection,
            stage,
            "WITH met AS (SELECT w.shard, w.lsn, w.unknown, w.version AS new, d.version AS old FROM afflux.moves w "
            "JOIN afflux.moves d USING (topology, target, shard, lsn) WHERE w.topology = {topology} "
            "AND w.target = {target} AND w.half = 'arrived' AND d.half = 'departed' AND NOT w.unknown && d.unknown), "
            "gone AS (DELETE FROM afflux.moves m USING met b WHERE {of} AND m.shard = b.shard AND m.lsn = b.lsn) "
            "INSERT INTO {s} (shard, lsn, source_ts, deleted, {numbers}) "
            "SELECT b.shard, n._lsn, n._source_ts, false, {joined} FROM met b, "
            "LATERAL json_populate_record(null::{t}, b.new) n, LATERAL json_populate_record(null::{t}, b.old) o",
            numbers=_listed(stage),
            joined=sql.SQL(", ").join(
                [
                    sql.SQL("CASE WHEN {0} = ANY (b.unknown) THEN o.{1} ELSE n.{1} END").format(
                        sql.Literal(column.name), sql.Identifier(column.name)
                    )
                    for column in stage.columns
                ]
                + [sql.SQL("false")] * len(stage.masked)
            ),
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

    def _do(self, connection: psycopg.Connection, stage: Stage, statement: str, **parts: sql.Composable) -> None:
        of = sql.SQL("(m.topology = {} AND m.target = {})").format(
            sql.Literal(self._topology), sql.Literal(str(stage.table))
        )
        connection.execute(
            sql.SQL(statement).format(
                **parts,
                topology=sql.Literal(self._topology),
                target=sql.Literal(str(stage.table)),
                of=of,
                waiting=sql.SQL("afflux.moves m, LATERAL json_populate_record(null::{}, m.version) r").format(
                    stage.target
                ),
                mine=sql.SQL("{} AND m.half = 'arrived' AND m.shard = s.shard AND {}").format(of, stage.same_key("r")),
                s=stage.staged,
                t=stage.target,
                masked=stage.any_masked(),
                in_table=stage.same_key("t"),
                in_record=stage.same_key("r"),
            )
        )


def _listed(stage: Stage) -> sql.Composed:
    """List the staging table's columns of values and masks."""
    names = [f"c{number}" for number in range(len(stage.columns))] + [f"m{stage.index(name)}" for name in stage.masked]
    return sql.SQL(", ").join(sql.Identifier(name) for name in names)


def _unknown(stage: Stage) -> sql.Composed:
    """List the columns whose values a staged row left out."""
    names = sql.SQL(", ").join(
        sql.SQL("CASE WHEN s.m{0} THEN {1} END").format(sql.SQL(str(stage.index(name))), sql.Literal(name))
        for name in stage.masked
    )
    return sql.SQL("array_remove(ARRAY[{}]::text[], NULL)").format(names)

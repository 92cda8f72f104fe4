"""Halves of key changes: what a row was when its key changed, for the row under its new key to take from.

An update that changes a key comes as a delete and an insert of one LSN, and neither holds the large
values that stayed. Where both are in one batch, folding joins them; this is for those that are not.
"""

import psycopg
from psycopg import sql

from afflux.sinks.base import TableName
from afflux.sinks.sql.stage import Stage

_KEPT_DAYS = 7


class Moves:
    """The departed rows of one topology.

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
        connection.execute(
            sql.SQL(
                "INSERT INTO afflux.moves SELECT {topology}, {target}, s.shard, s.lsn, clock_timestamp(), "
                "array_remove(ARRAY[{unknown}]::text[], NULL), {whole} FROM {s} s LEFT JOIN LATERAL ("
                "SELECT m.version, m.unknown FROM afflux.moves m WHERE {of} AND m.shard = s.shard AND m.lsn = s.moved_at "
                "UNION ALL SELECT row_to_json(t), '{{}}' FROM {t} t "
                "WHERE s.moved_at IS NULL AND t._shard = s.shard AND {same} "
                "UNION ALL SELECT c.version, '{{}}' FROM afflux.contested c, LATERAL {contested} h "
                "WHERE s.moved_at IS NULL AND c.topology = {topology} AND c.target = {target} "
                "AND c.shard = s.shard AND {held} LIMIT 1) o ON true "
                "LEFT JOIN LATERAL json_populate_record(null::{t}, o.version) r ON true "
                "ON CONFLICT (topology, target, shard, lsn) "
                "DO UPDATE SET version = EXCLUDED.version, unknown = EXCLUDED.unknown"
            ).format(
                topology=sql.Literal(self._topology),
                target=sql.Literal(str(stage.table)),
                unknown=unknown,
                whole=stage.version(sql.SQL("r")),
                s=stage.staged,
                t=stage.target,
                of=self._of(stage.table),
                same=stage.same_key("t"),
                held=stage.same_key("h"),
                contested=sql.SQL("json_populate_record(null::{}, c.version)").format(stage.target),
            )
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
        parts = {
            "s": stage.staged,
            "t": stage.target,
            "values": values,
            "mine": sql.SQL("{} AND m.shard = s.shard AND m.lsn = s.moved_at AND NOT s.deleted").format(
                self._of(stage.table)
            ),
        }
        connection.execute(
            sql.SQL(
                "UPDATE {s} s SET {values} FROM afflux.moves m, LATERAL json_populate_record(null::{t}, m.version) r "
                "WHERE {mine}"
            ).format(**parts)
        )
        connection.execute(sql.SQL("DELETE FROM afflux.moves m USING {s} s WHERE {mine}").format(**parts))

    def forget_old(self, connection: psycopg.Connection) -> None:
        """Remove halves that nobody has come for: their other halves needed nothing of them."""
        connection.execute(
            "DELETE FROM afflux.moves WHERE topology = %s AND at < now() - make_interval(days => %s)",
            [self._topology, _KEPT_DAYS],
        )

    def _of(self, table: TableName) -> sql.Composed:
        return sql.SQL("(m.topology = {} AND m.target = {})").format(
            sql.Literal(self._topology), sql.Literal(str(table))
        )

"""Tables that hold every version of a row, from the event that made it to the one that ended it.

A version is of one shard's row: the versions of two shards under one key are apart. An event makes a new
version and ends the one before it; a delete and a truncate only end. A shard's events come in their order,
by one partition, so that the staged ones go on where the target's current versions are.
"""

from collections.abc import Collection
from typing import Any, LiteralString

import psycopg
from psycopg import sql

from afflux.errors import IncompleteError
from afflux.sinks.batch import OP, TableChanges
from afflux.sinks.sql.moves import Moves
from afflux.sinks.sql.session import by_key
from afflux.sinks.sql.stage import Stage

# What is unchanged and unknown is that of the version before, which tells since when the row is there, too.
_FILL: LiteralString = """
UPDATE {s} s SET since = {valid_from} {carried} FROM {t} t WHERE {current} AND {shard} = s.shard AND {same}"""

_INCOMPLETE: LiteralString = "SELECT s.sequence FROM {s} s WHERE NOT s.deleted AND ({masked})"

# A row that was only read again is no new version. It is seen to be there still, by its LSN; `head` counts the
# rows that are new, so that what repeats the target's own version has 0.
_REPEATS: LiteralString = """
CREATE TEMPORARY TABLE repeats ON COMMIT DROP AS
WITH cut AS MATERIALIZED (SELECT * FROM {s} s WHERE op = 't'),
said AS (
  SELECT s.ctid AS at, s.*, CASE WHEN NOT s.deleted THEN ROW({columns})::text END AS text,
    {cuts} AS cuts
  FROM {s} s WHERE s.op <> 't'),
before AS (
  SELECT s.*, lag(cuts, 1, 0::bigint) OVER w AS former_cuts, row_number() OVER w AS place, lag(text) OVER w AS former
  FROM said s WINDOW w AS (PARTITION BY shard, {keys} ORDER BY sequence, NOT deleted)),
judged AS (
  SELECT s.at, s.shard, s.lsn, {keys}, s.sequence, s.deleted, s.op = 'r' AND s.cuts = s.former_cuts AND s.text =
    CASE WHEN place = 1 THEN (SELECT ROW({theirs})::text FROM {t} t WHERE {current} AND {shard} = s.shard AND {same})
    ELSE former END IS TRUE AS repeats
  FROM before s)
SELECT s.*, count(*) FILTER (WHERE NOT repeats) OVER (PARTITION BY shard, {keys} ORDER BY sequence, NOT deleted) AS head
FROM judged s"""

_SEEN_AGAIN: LiteralString = """
UPDATE {t} t SET {lsn_name} = greatest({lsn}, s.lsn) FROM pg_temp.repeats s
WHERE s.repeats AND s.head = 0 AND {current} AND {shard} = s.shard AND {same}"""

_SAID_AGAIN: LiteralString = """
UPDATE {s} d SET lsn = x.lsn FROM (
  SELECT h.at, max(s.lsn) AS lsn FROM pg_temp.repeats h JOIN pg_temp.repeats s
    ON s.shard = h.shard AND s.head = h.head AND {both} WHERE NOT h.repeats AND s.repeats GROUP BY h.at) x
WHERE d.ctid = x.at"""

_DROP_REPEATS: LiteralString = "DELETE FROM {s} d USING pg_temp.repeats s WHERE s.repeats AND d.ctid = s.at"

_END: LiteralString = """
UPDATE {t} t SET {valid_to} = greatest(e.source_ts, {valid_from}), {current_name} = false,
  {end_op} = e.op, {end_topic} = e.topic, {end_offset} = e."offset"
FROM ({enders}) e WHERE t.ctid = e.at"""

_FIRST: LiteralString = "SELECT DISTINCT ON (at) * FROM ({enders}) e ORDER BY at, sequence, NOT deleted"

_BY_ROWS: LiteralString = """
SELECT t.ctid AS at, s.sequence, s.deleted, s.source_ts, s.op, s.topic, s."offset"
FROM (SELECT DISTINCT ON (shard, {keys}) * FROM {s} s WHERE op <> 't' ORDER BY shard, {keys}, sequence, NOT deleted) s
JOIN {t} t ON {current} AND {shard} = s.shard AND {same}"""

_BY_TRUNCATES: LiteralString = """
SELECT t.ctid AS at, s.sequence, s.deleted, s.source_ts, s.op, s.topic, s."offset"
FROM {s} s JOIN {t} t ON {current} AND {shard} = s.shard AND {lsn} < s.lsn WHERE s.op = 't'"""

# A life goes from a birth to a delete or truncate; within it no version begins before the one that it follows.
_BEGIN: LiteralString = """
INSERT INTO {t} ({names})
WITH cut AS MATERIALIZED (SELECT * FROM {s} s WHERE op = 't'),
counted AS (
  SELECT s.*, {cuts} + count(*) FILTER (WHERE deleted) OVER (w ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS life,
    lead(sequence) OVER w AS next_sequence, lead(source_ts) OVER w AS next_source_ts, lead(op) OVER w AS next_op,
    lead(topic) OVER w AS next_topic, lead("offset") OVER w AS next_offset
  FROM {s} s WHERE op <> 't' WINDOW w AS (PARTITION BY shard, {keys} ORDER BY sequence, NOT deleted)),
chain AS (
  SELECT s.*, greatest(CASE WHEN life = 0 THEN since END, max(source_ts) OVER (
    PARTITION BY shard, {keys}, life ORDER BY sequence, NOT deleted)) AS begun FROM counted s)
SELECT {values}, s.begun, CASE WHEN e.op IS NOT NULL THEN greatest(e.source_ts, s.begun) END, e.op IS NULL, e.op, e.topic, e."offset"
FROM chain s LEFT JOIN LATERAL ({ender}) e ON true
WHERE NOT s.deleted"""

_NEXT: LiteralString = """
SELECT s.next_sequence AS sequence, s.next_source_ts AS source_ts, s.next_op AS op, s.next_topic AS topic, s.next_offset AS "offset" """

_NEXT_OR_TRUNCATE: LiteralString = """
SELECT * FROM ({next} WHERE s.next_op IS NOT NULL UNION ALL
  SELECT sequence, source_ts, op, topic, "offset" FROM cut WHERE cut.shard = s.shard AND cut.sequence > s.sequence
) e ORDER BY sequence LIMIT 1"""

_CUTS: LiteralString = "(SELECT count(*) FROM cut WHERE cut.shard = s.shard AND cut.sequence < s.sequence)"


class History:
    """Writes the versions that the events of a batch make.

    Args:
        moves: the halves of key changes.
    """

    def __init__(self, moves: Moves) -> None:
        self._moves = moves

    def write(
        self,
        connection: psycopg.Connection,
        changes: TableChanges,
        stage: Stage,
        departed: Stage | None,
        *,
        alone: bool,  # noqa: ARG002 - a shard's versions meet no other's
    ) -> None:
        """Write what is staged, in the batch's transaction.

        Raises:
            IncompleteError: rows came without values that the target never had.
        """
        if departed is not None:
            self._moves.depart(connection, departed, live=stage.ours("current"))
        ops = set(changes.rows[OP].unique())
        if ops - {"t"}:
            self._moves.arrive(connection, stage, keep=True)
            self._fill(connection, stage)
            if "r" in ops:
                self._drop_repeats(connection, stage, cuts="t" in ops)
        if ops:
            with by_key(connection):
                _do(connection, stage, _END, enders=_enders(stage, ops))
        if ops - {"t", "d"}:
            _do(connection, stage, _BEGIN, cuts=_cuts(some="t" in ops), ender=_ender(some="t" in ops))

    def _fill(self, connection: psycopg.Connection, stage: Stage) -> None:
        with by_key(connection):
            _do(connection, stage, _FILL)
        if stage.masked:
            events = [event for (event,) in _do(connection, stage, _INCOMPLETE)]
            if events:
                raise IncompleteError(str(stage.table), events, stage.masked)

    def _drop_repeats(self, connection: psycopg.Connection, stage: Stage, *, cuts: bool) -> None:
        _do(connection, stage, _REPEATS, cuts=_cuts(some=cuts))
        if connection.execute("SELECT EXISTS (SELECT FROM pg_temp.repeats WHERE repeats)").fetchone() == (True,):
            with by_key(connection):
                _do(connection, stage, _SEEN_AGAIN)
            for statement in (_SAID_AGAIN, _DROP_REPEATS):
                _do(connection, stage, statement)
        connection.execute("DROP TABLE pg_temp.repeats")


def _enders(stage: Stage, ops: Collection[str]) -> sql.Composed:
    """Give the events that end the target's current versions, the first one of each."""
    parts = _parts(stage)
    rows, truncates = sql.SQL(_BY_ROWS).format(**parts), sql.SQL(_BY_TRUNCATES).format(**parts)
    if "t" not in ops:
        return rows
    both = [rows, truncates] if len(ops) > 1 else [truncates]
    return sql.SQL(_FIRST).format(enders=sql.SQL(" UNION ALL ").join(both))


def _ender(*, some: bool) -> sql.Composable:
    """Give what ends a staged version `s`: the next event of its row, or a truncate before that, where there are some."""
    following = sql.SQL(_NEXT)
    return sql.SQL(_NEXT_OR_TRUNCATE).format(next=following) if some else following


def _cuts(*, some: bool) -> sql.SQL:
    """Count the truncates before a staged event `s`."""
    return sql.SQL(_CUTS if some else "0::bigint")


def _do(
    connection: psycopg.Connection, stage: Stage, statement: LiteralString, **parts: sql.Composable
) -> psycopg.Cursor[Any]:
    return connection.execute(sql.SQL(statement).format(**parts, **_parts(stage)))


def _parts(stage: Stage) -> dict[str, sql.Composable]:
    names = stage.meta.names
    numbers = [sql.Identifier(f"c{stage.index(name)}") for name in stage.key]
    ours = ("shard", "lsn", "current", "valid_from")
    written = [names.valid_from, names.valid_to, names.current, names.end_op, names.end_topic, names.end_offset]
    columns = [column.name for column in stage.columns]
    return {
        "s": stage.staged,
        "t": stage.target,
        **{part: stage.ours(part) for part in ours},
        "valid_to": sql.Identifier(names.valid_to),
        "current_name": sql.Identifier(names.current),
        "lsn_name": sql.Identifier(names.lsn),
        "end_op": sql.Identifier(names.end_op),
        "end_topic": sql.Identifier(names.end_topic),
        "end_offset": sql.Identifier(names.end_offset),
        "same": stage.same_key(),
        "keys": sql.SQL(", ").join(numbers),
        "both": sql.SQL(" AND ").join(sql.SQL("s.{0} = h.{0}").format(number) for number in numbers),
        "masked": stage.any_masked(),
        "columns": sql.SQL(", ").join(sql.SQL(f"s.c{number}") for number in range(len(columns))),
        "theirs": sql.SQL(", ").join(sql.Identifier("t", name) for name in columns),
        "names": sql.SQL(", ").join(map(sql.Identifier, [*columns, *stage.meta.staged, *written])),
        "values": sql.SQL(", ").join(
            [*(sql.SQL(f"s.c{number}") for number in range(len(columns))), *stage.meta.staged.values()]
        ),
        "carried": sql.SQL("").join(_carried(stage, name) for name in stage.masked),
    }


def _carried(stage: Stage, name: str) -> sql.Composed:
    """Set a value that is unknown; that of a row which came from another key is not found under the new one."""
    return sql.SQL(
        ", c{0} = CASE WHEN s.m{0} AND s.moved_at IS NULL THEN {1} ELSE s.c{0} END, "
        "m{0} = s.m{0} AND s.moved_at IS NOT NULL"
    ).format(sql.SQL(str(stage.index(name))), sql.Identifier("t", name))

"""Which rows of a batch the target refuses: all of them in one go.

A value that its type does not take is refused by COPY, whose error names the line. What a constraint, a trigger or
a narrower column refuses shows when rows are written: a block on the server writes them piece by piece and goes on
behind those that fail. Nothing of it is kept.
"""

import re
from collections.abc import Callable

import polars as pl
import psycopg
from psycopg import errors as pg
from psycopg import sql

from afflux.sinks.batch import SEQUENCE, Mode
from afflux.sinks.sql.append import insertion
from afflux.sinks.sql.session import first_line
from afflux.sinks.sql.stage import Stage

REFUSALS = (pg.DataError, pg.IntegrityError, pg.RaiseException)
"""What PostgreSQL says when it is a row that is wrong, and not the statement; triggers raise the last."""

_CONDITIONS = "data_exception OR integrity_constraint_violation OR raise_exception"
"""The same in PL/pgSQL's words."""
_LINE = re.compile(r"^COPY [^,]*, \D*(\d+)")
"""Where a COPY failed. Servers say "line" in their own language."""
_PIECE_ROWS = 4096
"""Rows in one COPY."""
_TRIED_TOGETHER = 128
"""Rows that are written at once; where they fail, one by one."""

# `afflux.trial` holds the places of the rows that are tried; the view over them stands for the staging table.
_BLOCK = """
#variable_conflict use_column
DECLARE
  afflux_places tid[] := ARRAY(SELECT ctid FROM {staged} ORDER BY ctid);
  afflux_first integer := 1;
  afflux_last integer;
BEGIN
  {delete};
  WHILE afflux_first <= cardinality(afflux_places) LOOP
    afflux_last := least(afflux_first + {together} - 1, cardinality(afflux_places));
    BEGIN
      PERFORM set_config('afflux.trial', afflux_places[afflux_first:afflux_last]::text, true);
      {write};
    EXCEPTION WHEN {conditions} THEN
      FOR afflux_one IN afflux_first..afflux_last LOOP
        BEGIN
          PERFORM set_config('afflux.trial', afflux_places[afflux_one:afflux_one]::text, true);
          {write};
        EXCEPTION WHEN {conditions} THEN
          INSERT INTO pg_temp.afflux_refused VALUES (afflux_one, SQLERRM);
        END;
      END LOOP;
    END;
    afflux_first := afflux_last + 1;
  END LOOP;
END"""

Copy = Callable[[pl.DataFrame], None]
"""Stages some rows."""


def find(connection: psycopg.Connection, rows: pl.DataFrame, stage: Stage, copy: Copy) -> dict[int, str]:
    """Find the rows that the target refuses.

    Args:
        connection: in a transaction that will be rolled back, with the table's lock held alone.
        rows: the rows of one table, as in `TableChanges`.
        stage: their staging table, empty.
        copy: stages rows there.

    Returns:
        The reasons, by the rows' events in their order of arrival.
    """
    said = _by_copy(connection, rows, copy)
    good = rows.filter(~pl.Series(range(rows.height), dtype=pl.Int64).is_in(list(said)))
    copy(good)
    events = rows[SEQUENCE].to_list()
    by_copy = {events[number]: reason for number, reason in said.items()}
    return by_copy | _by_writing(connection, good[SEQUENCE].to_list(), stage)


def _by_copy(connection: psycopg.Connection, rows: pl.DataFrame, copy: Copy) -> dict[int, str]:
    """Find the rows, by their number, that can't be staged."""
    reasons: dict[int, str] = {}
    start, piece = 0, _PIECE_ROWS
    while start < rows.height:
        some = rows.slice(start, piece)
        error = _refusal(connection, some, copy)
        if error is None:
            start, piece = start + some.height, min(2 * piece, _PIECE_ROWS)
            continue
        bad = _first_bad(connection, some, copy, error)
        reasons[start + bad] = first_line(error)
        # Where there is one there may be many: what is behind it is sent in small pieces, that grow again.
        start, piece = start + bad + 1, 32
    return reasons


def _refusal(connection: psycopg.Connection, rows: pl.DataFrame, copy: Copy) -> psycopg.Error | None:
    """Stage rows without keeping them, and give what the server says against it."""
    try:
        with connection.transaction(force_rollback=True):
            copy(rows)
    except REFUSALS as error:
        return error
    return None


def _first_bad(connection: psycopg.Connection, rows: pl.DataFrame, copy: Copy, error: psycopg.Error) -> int:
    """Give the number of the first row that can't be staged: the one that the error names, if it fails alone."""
    named = _LINE.match(error.diag.context or "")
    if named:
        row = _row_at(rows, int(named[1]))
        if _refusal(connection, rows.slice(row, 1), copy):
            return row
    good, bad = 0, rows.height  # so many rows from the first on can be staged, and can't
    while bad - good > 1:
        middle = (good + bad) // 2
        good, bad = (good, middle) if _refusal(connection, rows.head(middle), copy) else (middle, bad)
    return bad - 1


def _row_at(rows: pl.DataFrame, line: int) -> int:
    """Give the number of the row that has a line, counted from 1 as PostgreSQL does.

    It counts the lines within quoted texts as well, by the file's kind of line end; while it does not know that
    yet, in the first row, it takes carriage returns for it (PostgreSQL 16's source).
    """
    texts = [name for name, kind in rows.schema.items() if kind == pl.String]

    def more(end: str) -> pl.Expr:
        return pl.sum_horizontal(
            pl.lit(0, pl.UInt32), *(pl.col(name).str.count_matches(end, literal=True).fill_null(0) for name in texts)
        )

    within = pl.when(pl.int_range(pl.len()) == 0).then(more("\r")).otherwise(more("\n"))
    ends = rows.select((within + 1).cum_sum()).to_series()
    return min(int(ends.search_sorted(line, side="left")), rows.height - 1)


def _by_writing(connection: psycopg.Connection, events: list[int], stage: Stage) -> dict[int, str]:
    """Find the staged rows, by their events, that the target table does not take; what it takes is written."""
    if stage.meta.keeping.mode is Mode.HISTORY:
        return {}  # versions are not written one by one
    tried = stage.over("trial")
    write = [insertion(tried)] if stage.meta.keeping.mode is Mode.APPEND else tried.write()
    delete = [] if stage.meta.keeping.mode is Mode.APPEND else stage.delete()
    block = sql.SQL(_BLOCK).format(
        staged=stage.staged,
        delete=sql.SQL(";\n  ").join([*delete, sql.SQL("NULL")]),
        write=sql.SQL(";\n      ").join(write),
        together=sql.Literal(_TRIED_TOGETHER),
        conditions=sql.SQL(_CONDITIONS),
    )
    connection.execute("CREATE TEMPORARY TABLE afflux_refused (number integer, reason text) ON COMMIT DROP")
    connection.execute(
        sql.SQL(
            "CREATE TEMPORARY VIEW {} AS SELECT * FROM {} WHERE ctid = ANY (current_setting('afflux.trial')::tid[])"
        ).format(sql.Identifier(tried.name), stage.staged)
    )
    connection.execute(sql.SQL("DO LANGUAGE plpgsql {}").format(sql.Literal(block.as_string(connection))))
    found = connection.execute("SELECT number, reason FROM pg_temp.afflux_refused").fetchall()
    connection.execute("DROP TABLE pg_temp.afflux_refused")
    return {events[number - 1]: reason for number, reason in found}

"""Events a second into databases: PostgreSQL, and those of a sink of type `sql`, by the same batches.

    python bench/databases.py --runs 3 duckdb sqlite postgresql=postgresql://u@h/d mariadb=mysql+pymysql://u:p@h/d

Takes names and addresses of databases; `duckdb` and `sqlite` alone are files in a temporary folder. Batches go straight to
the sink, folded and typed, so that no Kafka and no decoding is in the figures: first batches of rows that are new, then
batches that change all of these rows, in a random order. The databases take turns, each run in a table of its own; a
first small batch, which makes the tables, is not counted. At the end each holds the last version of every row.
The last line on standard output is JSON: events a second, medians and range, and the machine's load.
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import polars as pl
import psycopg

from afflux.sinks.base import Sink
from afflux.sinks.batch import (
    DELETED,
    LSN,
    MOVED_AT,
    SEQUENCE,
    SHARD,
    SOURCE_TS,
    Batch,
    Partition,
    Span,
    TableChanges,
    TableName,
    TargetColumn,
)
from afflux.sinks.sql.dialects.reading import opened
from afflux.sinks.sql.dialects.sink import DatabaseSink
from afflux.sinks.sql.postgresql import PostgresSink
from afflux.topology.sinks import MetaColumns
from afflux.types.postgres import pg_type

COLUMNS = (
    TargetColumn("id", pg_type("INT8")),
    TargetColumn("name", pg_type("TEXT")),
    TargetColumn("amount", pg_type("NUMERIC", 12, 2)),
    TargetColumn("note", pg_type("TEXT")),
    TargetColumn("seen", pg_type("TIMESTAMPTZ", 35, 6)),
)
STARTED = datetime(2026, 1, 1, tzinfo=UTC)
PARTITION = Partition("s0.public.items", 0)


def rows_of(ids: list[int], lsn: int) -> pl.DataFrame:
    """Give the rows of a batch as they come from the folder.

    Args:
        ids: the rows' keys.
        lsn: of the first of them; also makes their values new.
    """
    forms = {column.name: column.type.dtype for column in COLUMNS}
    types = {SHARD: pl.String, LSN: pl.Int64, SOURCE_TS: pl.Int64, DELETED: pl.Boolean, **forms}
    data = [
        (
            *("s0", lsn + n, 1_767_225_600_000_000 + lsn + n, False, number, f"item {number}"),
            *(f"{(number + lsn) % 10**9}.{n % 100:02}", f"{lsn} " + "note " * (number % 20)),
            f"{STARTED + timedelta(microseconds=lsn + n):%Y-%m-%d %H:%M:%S.%f}+00",
        )
        for n, number in enumerate(ids)
    ]
    frame = pl.DataFrame(data, schema=types, orient="row")
    return frame.with_columns(pl.lit(None, pl.Int64).alias(MOVED_AT)).with_row_index(SEQUENCE)


class Work:
    """The batches of a run, the same for every database.

    Args:
        rows: of the table.
        batch: events in a batch.
    """

    def __init__(self, rows: int, batch: int) -> None:
        keys = [*range(rows)]
        self.first = rows_of([rows], 1)
        """Makes the tables."""
        self.inserts = [rows_of(keys[at : at + batch], 2 + at) for at in range(0, rows, batch)]
        Random(7).shuffle(keys)  # noqa: S311 - no secret
        self.updates = [rows_of(keys[at : at + batch], 2 + rows + at) for at in range(0, rows, batch)]


def sink_of(address: str, run: str) -> Sink:
    """Make a sink of a topology of its own."""
    options = {"name": "bench", "topology": run, "group": "bench", "names": MetaColumns()}
    if address.startswith("postgresql"):
        return PostgresSink(url=address, **options)  # type: ignore[arg-type]  # as they are
    return DatabaseSink(url=address, **options)  # type: ignore[arg-type]  # likewise


def measured(address: str, work: Work, run: str) -> dict[str, float]:
    """Give the events a second of one run."""
    table = TableName(run, "items")
    with closing(sink_of(address, run)) as sink:
        sink.open()
        sink.claim([PARTITION])
        at = 0

        def applied(parts: list[pl.DataFrame]) -> float:
            nonlocal at
            began = time.monotonic()
            for rows in parts:
                changes = TableChanges(table, COLUMNS, ("id",), rows, ())
                sink.apply(Batch({PARTITION: Span(at, at + rows.height)}, (changes,)))
                at += rows.height
            return sum(rows.height for rows in parts) / (time.monotonic() - began)

        applied([work.first])
        rates = {"inserts": applied(work.inserts), "updates": applied(work.updates)}
    check(address, table, work)
    return rates


def check(address: str, table: TableName, work: Work) -> None:
    """Raise unless a table holds the last version of every row."""
    wanted = {(row[0], row[1]) for part in [work.first, *work.updates] for row in part.select("id", "note").rows()}
    if address.startswith("postgresql"):
        with psycopg.connect(address) as connection:
            found = set(connection.execute(f"SELECT id, note FROM {table}").fetchall())
    else:
        with opened(address, table) as held:
            found = {row for block in held.blocks() for row in block.select("id", "note").rows()} if held else set()
    if found != wanted:
        raise SystemExit(f"{table} does not hold what it was given")


def summary(runs: list[dict[str, float]]) -> dict[str, Any]:
    """Give the medians and ranges of a database's runs."""
    kinds = {kind: sorted(run[kind] for run in runs) for kind in runs[0]}
    return {
        kind: {"events_per_second": round(statistics.median(rates)), "range": [round(rates[0]), round(rates[-1])]}
        for kind, rates in kinds.items()
    }


def main() -> None:
    """Measure every database."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("databases", nargs="+", help="`duckdb`, `sqlite`, or NAME=ADDRESS")
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--batch", type=int, default=10_000, help="events in a batch")
    parser.add_argument("--runs", type=int, default=3)
    wishes = parser.parse_args()
    work = Work(wishes.rows, wishes.batch)
    runs: dict[str, list[dict[str, float]]] = {}
    loads = []
    with tempfile.TemporaryDirectory(prefix="bench") as home:
        for number in range(wishes.runs):
            for each in wishes.databases:
                name, _, address = each.partition("=")
                loads.append(os.getloadavg()[0])
                found = measured(address or f"{name}:///{Path(home) / name}", work, f"bench{os.getpid()}_{number}")
                runs.setdefault(name, []).append(found)
                print(name, found, file=sys.stderr)
    results = {name: summary(found) for name, found in runs.items()}
    load = [round(min(loads), 1), round(max(loads), 1)]
    wished = {"rows": wishes.rows, "batch": wishes.batch, "runs": wishes.runs}
    print(json.dumps({**wished, "load": load, "databases": results}))


main()

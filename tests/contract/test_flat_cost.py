"""What a batch costs PostgreSQL goes by the batch, not by the table: a target is not read from end to end."""

from dataclasses import replace
from typing import Any

import polars as pl
import psycopg
import pytest

from afflux.sinks.batch import DELETED, LINEAGE, LSN, SEQUENCE, SHARD, Keeping, Mode, TableChanges
from chaos.waiting import wait_for
from targets import ONE, ZERO, PostgresTarget, batch, changes

TABLE = 40_000
"""Rows of the target: few enough that PostgreSQL, which knows nothing of staged rows, would rather read them all."""
BATCH = 4_000
KEEPINGS = {
    "rows that go": Keeping(),
    "rows that stay": Keeping(soft=True),
    "versions": Keeping(Mode.HISTORY),
}


def events(
    target: PostgresTarget,
    keeping: Keeping,
    rows: list[tuple[Any, ...]],
    *,
    op: str = "u",
    masked: dict[str, list[bool]] | None = None,
) -> TableChanges:
    made = changes(target, rows, masked=masked)
    place = (pl.col(SHARD), pl.lit(0, pl.Int32), pl.col(LSN) * TABLE + pl.col(SEQUENCE), pl.lit(0, pl.Int64))
    lineage = (pl.when(DELETED).then(pl.lit("d")).otherwise(pl.lit(op)), *place)
    named = [said.alias(name) for name, said in zip(LINEAGE, lineage, strict=True)]
    return replace(made, rows=made.rows.with_columns(named) if keeping.traced else made.rows, keeping=keeping)


def rows_read(url: str, target: PostgresTarget, changed: int) -> int:
    """Tell how many of the table's rows were read, once so many changes of rows have been counted."""
    query = "SELECT seq_tup_read + idx_tup_fetch, n_tup_ins + n_tup_upd + n_tup_del FROM pg_stat_user_tables WHERE schemaname = %s AND relname = 't'"
    with psycopg.connect(url, autocommit=True) as connection:

        def counted() -> tuple[int, int]:
            found = connection.execute(query, [target.schema]).fetchone()
            return found or (0, 0)

        wait_for(lambda: counted()[1] >= changed, 20, lambda: f"{changed} changes of rows, and not {counted()}")
        return counted()[0]


@pytest.mark.parametrize("keeping", KEEPINGS.values(), ids=KEEPINGS)
@pytest.mark.parametrize("contested", [False, True], ids=["one shard's", "contested"])
def test_a_batch_reads_fewer_rows_than_the_target_has(warehouse_url: str, keeping: Keeping, contested: bool) -> None:
    target = PostgresTarget(warehouse_url)
    sink = target.sink()
    sink.claim([ZERO, ONE])
    sink.apply(batch(0, events(target, keeping, [("s", 1, False, n, "a") for n in range(TABLE)], op="c")))
    if contested:
        sink.apply(batch(0, events(target, keeping, [("other", 2, False, 1, "b")], op="c"), partition=ONE))
    sink.close()
    with psycopg.connect(warehouse_url, autocommit=True) as connection:
        connection.execute(f"ANALYZE {target.schema}.t")  # type: ignore[arg-type]
    before = rows_read(warehouse_url, target, TABLE)
    sink = target.sink()
    sink.claim([ZERO])
    rows = [("s", 3, n % 2 == 0, n, "c") for n in range(BATCH)]
    sink.apply(batch(1, events(target, keeping, rows, masked={"note": [n % 4 == 1 for n in range(BATCH)]})))
    sink.close()
    assert rows_read(warehouse_url, target, TABLE + BATCH) - before < TABLE

"""Spark and DuckDB read the rows that a lake holds, and Spark's own writing beside a sink loses nothing."""

import re
import threading
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from deltalake import DeltaTable
from deltalake.table import TableMerger

from afflux.sinks.batch import TableName, TargetColumn
from afflux.sinks.delta.tables import place
from afflux.topology.sinks import LakeTable
from chaos.waiting import wait_for
from contract.test_lake_alone import VALUES
from contract.test_lake_beside_others import Writer, meanwhile
from readers.conftest import Ask
from targets import ID, NOTE, ZERO, DeltaTarget, batch, changes, content

pytestmark = pytest.mark.timeout(900)


@pytest.fixture
def lake(tmp_path: Path) -> DeltaTarget:
    return DeltaTarget(tmp_path)


def uri(lake: DeltaTarget) -> str:
    return lake.store.uri(place(TableName(lake.schema, "t")))


def plain(value: Any) -> Any:
    """Write a value as the readers write it."""
    match value:
        case list():
            return [plain(one) for one in value]
        case datetime():
            since = datetime(1970, 1, 1, tzinfo=UTC) if value.tzinfo else datetime(1970, 1, 1)  # noqa: DTZ001 - it has none
            found = value - since
            return (found.days * 86_400 + found.seconds) * 1_000_000 + found.microseconds
        case date():
            return (value - date(1970, 1, 1)).days
        case Decimal():
            return f"{value:f}"
        case bytes():
            return value.hex()
    return value


def rows(lake: DeltaTarget, columns: list[str]) -> list[list[Any]]:
    """Read rows by Polars, in the order of the first column."""
    found = pl.read_delta(DeltaTable(uri(lake))).sort(columns[0]).select(columns)
    return [[plain(value) for value in row] for row in found.rows()]


def check(lake: DeltaTarget, columns: list[str], spark: Ask, duckdb_rows: Ask) -> None:
    mine = rows(lake, columns)
    assert mine
    assert spark(do="rows", table=uri(lake), columns=columns) == mine
    assert duckdb_rows(uri(lake), columns) == mine


def test_spark_and_duckdb_read_every_type_as_polars_does(lake: DeltaTarget, spark: Ask, duckdb_rows: Ask) -> None:
    sink = lake.sink()
    sink.claim([ZERO])
    columns = tuple(TargetColumn(f"c{n}", of) for n, (of, *_) in enumerate(VALUES))
    names = [column.name for column in columns]
    some = [("s", 1, False, n, *(value if n % 3 else None for _, value, _, _ in VALUES)) for n in range(9)]
    sink.apply(batch(0, changes(lake, some, (ID, *columns))))
    check(lake, ["id", *names, "_shard", "_lsn", "_source_ts", "_synced_at"], spark, duckdb_rows)
    sink.apply(batch(1, changes(lake, [("s", 2, n == 4, n, *([None] * len(names))) for n in (3, 4)], (ID, *columns))))
    check(lake, ["id", *names], spark, duckdb_rows)


def test_they_read_folders_widened_columns_and_files_put_in_order(
    lake: DeltaTarget, spark: Ask, duckdb_rows: Ask
) -> None:
    tables = [LakeTable(target=r".*", partition_by=["note"], order_by=["id"], change_data_feed=True)]
    lake.config = lake.config.model_copy(update={"tables": tables})
    sink = lake.sink()
    sink.claim([ZERO])
    for n in range(6):
        sink.apply(batch(n, changes(lake, [("s", n, False, key, f"part {key % 2}") for key in range(n, n + 4)])))
    sink.apply(batch(6, changes(lake, [("s", 7, True, 1, None), ("s", 7, False, 2, "part 2")])))
    assert {*spark(do="feed", table=uri(lake))} == {"insert", "update_preimage", "update_postimage", "delete"}
    wider = (TargetColumn("id", VALUES[2][0]), NOTE)
    sink.apply(batch(7, changes(lake, [("s", 9, False, 2**40, "ü / %"), ("s", 9, True, 0, None)], wider)))
    check(lake, ["id", "note", "_lsn"], spark, duckdb_rows)
    DeltaTable(uri(lake)).optimize.z_order(["id"])
    check(lake, ["id", "note", "_lsn"], spark, duckdb_rows)


JOBS = {
    "OPTIMIZE": "OPTIMIZE {table}",
    "ZORDER": "OPTIMIZE {table} ZORDER BY (id)",
    "DELETE": "DELETE FROM {table} WHERE id = 3",
    "UPDATE": "UPDATE {table} SET note = 'not of the source' WHERE id BETWEEN 4 AND 30",
}


def by_spark(lake: DeltaTarget) -> list[int]:
    """Give the versions that Spark has committed."""
    return [step["version"] for step in DeltaTable(uri(lake)).history() if "Spark" in step.get("engineInfo", "")]


@pytest.mark.parametrize("job", JOBS)
def test_what_spark_commits_under_a_merge_is_met_by_merging_again(
    lake: DeltaTarget, spark: Ask, duckdb_rows: Ask, monkeypatch: pytest.MonkeyPatch, job: str
) -> None:
    writer = Writer(lake)
    writer.write()
    said: list[Any] = []
    with meanwhile(
        monkeypatch, TableMerger, "execute", lambda: said.append(spark(do=JOBS[job], table=uri(lake)))
    ) as seen:
        writer.write()
    assert said == [["done"]]
    assert len(by_spark(lake)) == 1
    assert len(seen) > 2, "the merge that Spark was before, and two of the batches"
    assert content(lake, "id", "note") == writer.written
    check(lake, ["id", "note"], spark, duckdb_rows)


def test_what_is_merged_under_a_job_of_spark_is_seen_by_spark_and_not_undone(
    lake: DeltaTarget, spark: Ask, duckdb_rows: Ask, tmp_path: Path
) -> None:
    writer = Writer(lake)
    held = tmp_path / "held"
    held.mkdir()
    statement = (
        f"MERGE INTO {{table}} t USING (SELECT 3 AS id, hold('{held}') AS held) s ON t.id = s.id "
        "WHEN MATCHED THEN UPDATE SET note = s.held"
    )
    said: list[Any] = []
    other = threading.Thread(target=lambda: said.append(spark(do=statement, table=uri(lake))))
    other.start()
    wait_for((held / "came").exists, 300, "Spark to read the table")
    writer.write()
    (held / "go").touch()
    other.join()
    ((kind, why),) = said
    assert re.search("concurrent", why, re.IGNORECASE), (kind, why)
    assert not by_spark(lake)
    assert content(lake, "id", "note") == writer.written
    assert spark(do=statement, table=uri(lake)) == ["done"], "nobody is in the way now"
    assert content(lake, "id", "note")[3] == (3, str(held))
    writer.write()
    assert content(lake, "id", "note") == writer.written
    check(lake, ["id", "note"], spark, duckdb_rows)

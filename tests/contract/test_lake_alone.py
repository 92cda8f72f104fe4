"""What a lake promises besides the contract of every sink: exact types, whole batches, and safety beside others."""

import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import fields, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable
from deltalake.exceptions import CommitFailedError
from hypothesis import HealthCheck, given, settings

from afflux.errors import Fenced, IncompleteError, RefusedError, SinkError, TableError
from afflux.sinks.batch import (
    DELETED,
    MOVED_AT,
    OFFSET,
    OP,
    PARTITION,
    SEQUENCE,
    TOPIC,
    TRANSACTION,
    Batch,
    Keeping,
    Mode,
    Partition,
    Span,
    TableChanges,
    TableName,
    TargetColumn,
)
from afflux.sinks.delta import ledger
from afflux.sinks.delta.keeper import Keeper
from afflux.sinks.delta.sink import DeltaSink
from afflux.sinks.delta.store import Store
from afflux.sinks.delta.tables import Tables, place
from afflux.sinks.delta.target import Target
from afflux.sinks.memory import Memory
from afflux.sinks.reference import codec, records
from afflux.topology.sinks import DeltaSink as Config
from afflux.topology.sinks import LakeTable, Upkeep
from afflux.types.postgres import PgType, pg_type
from chaos.waiting import wait_for
from contract.test_histories import CHANGE, apply, change, named, play, told, us, version
from histories import NUMBER, SIZES, History, ends, histories, seen, shown
from targets import ID, META, NOTE, ONE, ZERO, DeltaTarget, batch, changes, content


@pytest.fixture
def lake(tmp_path: Path) -> DeltaTarget:
    return DeltaTarget(tmp_path)


def table_of(lake: DeltaTarget, name: str = "t") -> DeltaTable:
    found = lake.store.open(place(TableName(lake.schema, name)))
    assert found is not None
    return found


def compressions(lake: DeltaTarget) -> set[str]:
    files = [pq.ParquetFile(file).metadata for file in table_of(lake).file_uris()]
    return {file.row_group(0).column(0).compression for file in files}


INSTANT = pl.Datetime("us", "UTC")
VALUES: list[tuple[PgType, Any, Any, pl.DataType]] = [
    (pg_type("BOOL"), True, True, pl.Boolean()),
    (pg_type("INT2"), -32768, -32768, pl.Int16()),
    (pg_type("INT8"), 2**63 - 1, 2**63 - 1, pl.Int64()),
    (pg_type("FLOAT4"), 1.5, 1.5, pl.Float32()),
    (pg_type("FLOAT8"), 5e-324, 5e-324, pl.Float64()),
    (pg_type("NUMERIC", 12, 4), "1.5000", Decimal("1.5000"), pl.Decimal(12, 4)),
    (pg_type("NUMERIC", 38, 10), "1" * 28 + "." + "2" * 10, Decimal("1" * 28 + "." + "2" * 10), pl.Decimal(38, 10)),
    (pg_type("NUMERIC"), "1" + "0" * 300 + ".50", "1" + "0" * 300 + ".50", pl.String()),
    (pg_type("TEXT"), "naïve \x01 ☃", "naïve \x01 ☃", pl.String()),
    (pg_type("BYTEA"), b"\x00\xff", b"\x00\xff", pl.Binary()),
    (pg_type("DATE"), "0001-01-01", date(1, 1, 1), pl.Date()),
    (pg_type("TIMESTAMP", 29, 6), "9999-12-31 23:59:59.999999", datetime.max, pl.Datetime("us")),  # noqa: DTZ901 - it has none
    (
        pg_type("TIMESTAMPTZ", 35, 6),
        "2024-02-29 12:34:56.1+00",
        datetime(2024, 2, 29, 12, 34, 56, 100000, UTC),
        INSTANT,
    ),
    (pg_type("TIME", 15, 6), "24:00:00", "24:00:00", pl.String()),
    (pg_type("JSONB"), '{"a": 1.10}', '{"a": 1.10}', pl.String()),
    (pg_type("_TEXT"), '{"a b",NULL,""}', ["a b", None, ""], pl.List(pl.String())),
    (pg_type("_NUMERIC", 10, 2), "{1.50,NULL}", [Decimal("1.50"), None], pl.List(pl.Decimal(10, 2))),
    (
        pg_type("_TIMESTAMPTZ", 35, 6),
        '{"2024-01-01 00:00:00+00"}',
        [datetime(2024, 1, 1, tzinfo=UTC)],
        pl.List(INSTANT),
    ),
]


@pytest.mark.parametrize(
    ("of", "value", "held", "dtype"), VALUES, ids=[f"{of}-{n}" for n, (of, *_) in enumerate(VALUES)]
)
def test_a_value_is_held_exactly_in_a_type_of_its_own(
    lake: DeltaTarget, of: PgType, value: Any, held: Any, dtype: pl.DataType
) -> None:
    sink = lake.sink()
    sink.claim([ZERO])
    columns = (ID, TargetColumn("v", of))
    sink.apply(batch(0, changes(lake, [("s", 1, False, 1, value), ("s", 1, False, 2, None)], columns)))
    sink.apply(batch(1, changes(lake, [("s", 2, False, 2, None)], columns)))  # and stays when its file is rewritten
    found = pl.read_delta(table_of(lake)).sort("id")
    assert (found["v"].dtype, found["v"].to_list()) == (dtype, [held, None])


def test_duckdb_reads_the_same_rows_as_polars(lake: DeltaTarget) -> None:
    sink = lake.sink()
    sink.claim([ZERO])
    columns = tuple(TargetColumn(f"c{n}", of) for n, (of, *_) in enumerate(VALUES))
    rows = [("s", 1, False, n, *(value if n else None for _, value, _, _ in VALUES)) for n in range(2)]
    sink.apply(batch(0, changes(lake, rows, (ID, *columns))))
    found = table_of(lake)
    names = [column.name for column in columns]
    read = duckdb.sql(f"SELECT {', '.join(names)} FROM read_parquet({found.file_uris()}) ORDER BY id").pl()
    mine = pl.read_delta(found).sort("id").select(names)
    assert read.rows() == mine.rows()


def test_the_tables_protocol_is_no_newer_than_its_columns_need(lake: DeltaTarget) -> None:
    sink = lake.sink()
    sink.claim([ZERO])
    sink.apply(batch(0, changes(lake, [("s", 1, False, 1, "a")])))
    protocol = table_of(lake).protocol()
    assert (protocol.min_reader_version, protocol.min_writer_version) == (1, 2)
    local = TargetColumn("local", pg_type("TIMESTAMP", 29, 6))
    sink.apply(batch(1, changes(lake, [("s", 1, False, 1, "2024-01-01 00:00:00")], (ID, local))))
    newer = table_of(lake).protocol()
    assert newer.reader_features == ["timestampNtz"]
    assert sorted(newer.writer_features or ()) == ["invariants", "timestampNtz"], "Spark reads no table that lists less"


@pytest.mark.parametrize(
    ("of", "value"),
    [
        (pg_type("NUMERIC", 12, 4), "NaN"),
        (pg_type("DATE"), "infinity"),
        (pg_type("TIMESTAMPTZ", 35, 6), "0044-03-15 12:00:00+00 BC"),
        (pg_type("_INT4"), "{{1,2},{3,4}}"),
    ],
    ids=str,
)
def test_a_value_without_an_exact_place_is_refused_and_nothing_is_written(
    lake: DeltaTarget, of: PgType, value: str
) -> None:
    sink = lake.sink()
    sink.claim([ZERO])
    columns = (ID, TargetColumn("v", of))
    with pytest.raises(RefusedError, match="has no exact place") as refused:
        sink.apply(batch(0, changes(lake, [("s", 1, False, 1, None), ("s", 1, False, 2, value)], columns)))
    assert set(refused.value.reasons) == {1}
    assert value not in str(refused.value), "values are not for logs"
    assert (content(lake, "id"), lake.sink().claim([ZERO])) == ([], {ZERO: 0})


def test_composite_keys_and_odd_names_work_in_a_lake(lake: DeltaTarget) -> None:
    sink = lake.sink()
    sink.claim([ZERO])
    columns = (TargetColumn("Größe x", pg_type("TEXT")), TargetColumn('a"b', pg_type("INT4")), NOTE)
    frame = pl.DataFrame(
        [(0, "s", 1, 1, False, None, "k", 1, "one"), (1, "s", 1, 1, False, None, "k", 2, "two")],
        schema={
            SEQUENCE: pl.Int64,
            **META,
            MOVED_AT: pl.Int64,
            "Größe x": pl.String,
            'a"b': pl.Int32,
            "note": pl.String,
        },
        orient="row",
    )
    table = TableName(lake.schema, "Odd/Nümber %2F~ .")
    sink.apply(batch(0, TableChanges(table, columns, ('a"b', "Größe x"), frame)))
    gone = frame.filter(pl.col('a"b') == 2).with_columns(pl.lit(value=True).alias(DELETED))
    sink.apply(batch(1, TableChanges(table, columns, ('a"b', "Größe x"), gone)))
    assert [row["note"] for row in lake.rows(table)] == ["one"]


def test_a_table_of_somebody_else_in_the_lake_is_left_alone(lake: DeltaTarget) -> None:
    pl.DataFrame({"id": [1], "note": ["theirs"]}).write_delta(lake.store.uri(place(TableName(lake.schema, "t"))))
    sink = lake.sink()
    sink.claim([ZERO])
    with pytest.raises(TableError, match="is there already, without a column '_lsn'"):
        sink.apply(batch(0, changes(lake, [("s", 1, False, 1, "a")])))


@pytest.mark.parametrize(("column", "words"), [("_shard", "a column '_shard'"), ("id", "has the key")])
def test_what_can_not_be_ones_table_is_said(lake: DeltaTarget, column: str, words: str) -> None:
    sink = lake.sink()
    sink.claim([ZERO])
    sink.apply(batch(0, changes(lake, [("s", 1, False, 1, "a")])))
    columns = (ID, TargetColumn(column, pg_type("TEXT"))) if column != "id" else (ID, NOTE)
    other = changes(lake, [("s", 1, False, 1, "a")], columns)
    with pytest.raises(TableError, match=words):
        sink.apply(batch(1, replace(other, key=("note",)) if column == "id" else other))


def test_an_update_of_a_row_that_was_never_in_the_lake_is_said_with_its_event(lake: DeltaTarget) -> None:
    sink = lake.sink()
    sink.claim([ZERO])
    with pytest.raises(IncompleteError, match="without a large unchanged value") as incomplete:
        sink.apply(batch(0, changes(lake, [("s", 1, False, 1, None)], masked={"note": [True]})))
    assert incomplete.value.events == {0}


WIDER: list[tuple[PgType, Any, PgType, Any, list[Any]]] = [
    (pg_type("INT4"), 7, pg_type("INT8"), 2**40, [7, 2**40]),
    (pg_type("NUMERIC", 10, 2), "1.50", pg_type("NUMERIC", 20, 4), "2.1234", [Decimal("1.50"), Decimal("2.1234")]),
    (pg_type("NUMERIC", 10, 2), "1.50", pg_type("NUMERIC"), "1e400", ["1.50", "1e400"]),
    (pg_type("FLOAT4"), 1.5, pg_type("FLOAT8"), 1e300, [1.5, 1e300]),
    (pg_type("_INT4"), "{1}", pg_type("_INT8"), "{5000000000}", [[1], [5000000000]]),
]


@pytest.mark.parametrize("case", WIDER, ids=[f"{o} {n}" for o, _, n, _, _ in WIDER])
def test_a_column_is_widened_with_its_source_and_narrower_events_are_still_taken(
    lake: DeltaTarget, case: tuple[PgType, Any, PgType, Any, list[Any]]
) -> None:
    old, first, new, second, held = case
    sink, beside = lake.sink(), lake.sink()
    sink.claim([ZERO])
    beside.claim([ONE])
    columns = [(ID, TargetColumn("v", of)) for of in (old, new)]
    sink.apply(batch(0, changes(lake, [("s", 1, False, 1, first), ("s", 1, False, 3, first)], columns[0])))
    sink.apply(batch(1, changes(lake, [("s", 2, False, 2, second)], columns[1])))
    beside.apply(batch(0, changes(lake, [("s", 3, False, 3, None)], columns[0]), partition=ONE))
    assert content(lake, "id", "v") == [(1, held[0]), (2, held[1]), (3, None)]


def test_an_integer_key_is_widened(lake: DeltaTarget) -> None:
    sink = lake.sink()
    sink.claim([ZERO])
    sink.apply(batch(0, changes(lake, [("s", 1, False, 1, "a")])))
    sink.apply(batch(1, changes(lake, [("s", 2, False, 2**40, "b")], (TargetColumn("id", pg_type("INT8")), NOTE))))
    sink.apply(batch(2, changes(lake, [("s", 3, True, 1, None)])))
    assert content(lake, "id", "note") == [(2**40, "b")]


# --- batches are whole, whoever dies ----------------------------------------------------------------


def two_tables(lake: DeltaTarget, start: int, note: str) -> Batch:
    one = changes(lake, [("shard0", start, False, 1, note), ("shard0", start, False, start + 10, note)])
    return batch(start, one, replace(one, table=TableName(lake.schema, "u")))


def notes(lake: DeltaTarget, name: str) -> dict[int, str]:
    return {row["id"]: row["note"] for row in lake.rows(TableName(lake.schema, name))}


class Died(BaseException):
    """As if the process had been killed."""


@contextmanager
def dying(monkeypatch: pytest.MonkeyPatch, after: int) -> Iterator[None]:
    """Let the process die at its n-th write of a table."""
    real, left = Target.write, [after]

    def write(self: Target, *given: Any) -> dict[str, Any]:
        left[0] -= 1
        if left[0] < 0:
            raise Died
        return real(self, *given)

    with monkeypatch.context() as patched:
        patched.setattr(Target, "write", write)
        yield


@pytest.mark.parametrize("written", [0, 1])
def test_a_batch_over_two_tables_whose_worker_dies_between_their_commits_is_completed_once(
    lake: DeltaTarget, monkeypatch: pytest.MonkeyPatch, written: int
) -> None:
    old = lake.sink()
    old.claim([ZERO])
    old.apply(two_tables(lake, 0, "first"))
    versions = [table_of(lake, name).version() for name in "tu"]
    with dying(monkeypatch, written), pytest.raises(Died):
        old.apply(two_tables(lake, 1, "second"))
    new = lake.sink()
    assert new.claim([ZERO]) == {ZERO: 2}
    assert notes(lake, "t") == notes(lake, "u") == {1: "second", 10: "first", 11: "second"}
    assert [table_of(lake, name).version() for name in "tu"] == [version + 1 for version in versions]
    new.apply(two_tables(lake, 2, "third"))
    assert notes(lake, "t") == notes(lake, "u") == {1: "third", 10: "first", 11: "second", 12: "third"}


def test_a_batch_that_is_decided_is_completed_when_it_is_applied_again(
    lake: DeltaTarget, monkeypatch: pytest.MonkeyPatch
) -> None:
    sink = lake.sink()
    sink.claim([ZERO])
    with dying(monkeypatch, 1), pytest.raises(Died):
        sink.apply(two_tables(lake, 0, "a"))
    sink.apply(two_tables(lake, 0, "a"))
    assert notes(lake, "t") == notes(lake, "u") == {1: "a", 10: "a"}
    assert list(lake.store.list(f"_afflux/{lake.schema}/g/pledges")) == []
    assert list(Path(lake.store.path).glob("_afflux/*/g/pledges/*")) == []


def test_a_worker_that_wakes_up_after_it_was_replaced_writes_nothing(
    lake: DeltaTarget, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = lake.sink()
    old.claim([ZERO])
    old.apply(two_tables(lake, 0, "first"))
    real = Target.write

    def write_late(self: Target, *given: Any) -> dict[str, Any]:
        """Between its look at the table and its write, others claim its partition and go on."""
        monkeypatch.setattr(Target, "write", real)
        new = lake.sink()
        assert new.claim([ZERO]) == {ZERO: 2}
        new.apply(two_tables(lake, 2, "third"))
        return real(self, *given)

    monkeypatch.setattr(Target, "write", write_late)
    old.apply(two_tables(lake, 1, "second"))
    assert notes(lake, "t") == notes(lake, "u") == {1: "third", 10: "first", 11: "second", 12: "third"}
    with pytest.raises(Fenced):
        old.apply(two_tables(lake, 3, "stale"))


def test_two_workers_write_one_table_side_by_side_and_no_row_is_lost(lake: DeltaTarget) -> None:
    workers = {ZERO: lake.sink(), ONE: lake.sink()}
    for partition, sink in workers.items():
        sink.claim([partition])
    together = threading.Barrier(2)

    def work(number: int) -> None:
        partition = (ZERO, ONE)[number]
        together.wait()
        for n in range(8):
            rows = [(f"shard{number}", n + 1, False, key * 2 + number, f"{n}") for key in range(n, n + 5)]
            workers[partition].apply(batch(n, changes(lake, rows), partition=partition))

    with ThreadPoolExecutor(2) as threads:
        list(threads.map(work, (0, 1)))
    found = {row["id"]: (row["_shard"], row["note"]) for row in lake.rows(TableName(lake.schema, "t"))}
    assert found == {key * 2 + n: (f"shard{n}", str(min(key, 7))) for n in (0, 1) for key in range(12)}


@pytest.mark.parametrize("how", ["compact", "z_order", "delete"])
def test_others_who_change_the_table_meanwhile_are_met_by_writing_again(
    lake: DeltaTarget, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    jobs: dict[str, Callable[[DeltaTable], Any]] = {
        "compact": lambda table: table.optimize.compact(),
        "z_order": lambda table: table.optimize.z_order(["id"]),
        "delete": lambda table: table.delete("id = 3"),
    }
    sink = lake.sink()
    sink.claim([ZERO])
    for n in range(3):
        sink.apply(batch(n, changes(lake, [("shard0", n, False, n + 1, "old")])))
    real = Target.write
    conflicts = []

    def write_late(self: Target, *given: Any) -> dict[str, Any]:
        if not conflicts:
            jobs[how](table_of(lake))
        try:
            return real(self, *given)
        except CommitFailedError as error:
            conflicts.append(error)
            raise

    monkeypatch.setattr(Target, "write", write_late)
    sink.apply(batch(3, changes(lake, [("shard0", 9, False, 1, "new"), ("shard0", 9, False, 3, "new")])))
    assert conflicts, "they did not meet"
    assert content(lake, "id", "note") == [(1, "new"), (2, "old"), (3, "new")]


def test_a_replay_that_died_is_completed_though_nobody_claims_anything(
    lake: DeltaTarget, monkeypatch: pytest.MonkeyPatch
) -> None:
    daemon = lake.sink()
    daemon.claim([ZERO])
    with dying(monkeypatch, 0), pytest.raises(Died):
        lake.sink().apply(Batch({}, (changes(lake, [("shard0", 1, False, 1, "replayed")]),)))
    monkeypatch.setattr("afflux.sinks.delta.pledges._PATIENCE_SECONDS", 0.0)
    daemon.rewound()  # which a daemon asks every few seconds
    daemon.rewound()
    assert content(lake, "id", "note") == [(1, "replayed")]


def test_odd_keys_of_two_tables_in_one_batch_are_settled_apart(lake: DeltaTarget) -> None:
    sink = lake.sink()
    sink.claim([ZERO])

    def both(start: int, rows: list[tuple[Any, ...]], **more: Any) -> Batch:
        one = changes(lake, rows, **more)
        return batch(start, one, replace(one, table=TableName(lake.schema, "u")))

    sink.apply(both(0, [("shard0", 1, False, n, f"below {n}") for n in range(20)]))
    sink.apply(both(1, [("shard1", 2, False, n, f"above {n}") for n in range(10, 20)]))
    sink.apply(both(2, [("shard0", 3, False, n, None) for n in range(5, 15)], masked={"note": [True] * 10}))
    expected = {n: f"above {n}" if n >= 15 else f"below {n}" for n in range(20)}
    assert notes(lake, "t") == notes(lake, "u") == expected
    sink.apply(both(3, [("shard1", 4, True, n, None) for n in range(12, 20)]))
    assert notes(lake, "t") == notes(lake, "u") == {n: f"below {n}" for n in range(20)}


def test_a_table_that_somebody_has_changed_stops_alone_and_gets_what_is_owed_when_that_is_undone(
    lake: DeltaTarget,
) -> None:
    sink = lake.sink()
    sink.claim([ZERO])
    sink.apply(two_tables(lake, 0, "first"))
    table_of(lake).alter.add_constraint({"picky": "note <> 'second'"})
    with pytest.raises(TableError, match=r"table contract_\d+\.t can't be written"):
        sink.apply(two_tables(lake, 1, "second"))
    assert notes(lake, "u") == {1: "second", 10: "first", 11: "second"}
    restarted = lake.sink()
    assert restarted.claim([ZERO]) == {ZERO: 2}
    with pytest.raises(TableError):
        restarted.apply(two_tables(lake, 2, "third"))
    table_of(lake).alter.drop_constraint("picky")
    restarted.apply(two_tables(lake, 2, "third"))
    assert notes(lake, "t") == notes(lake, "u") == {1: "third", 10: "first", 11: "second", 12: "third"}


# --- files in order ---------------------------------------------------------------------------------


def kept(lake: DeltaTarget, **wishes: Any) -> DeltaTarget:
    lake.config = lake.config.model_copy(update={"upkeep": Upkeep(**wishes)})
    return lake


def test_small_files_are_put_together_and_whoever_reads_an_older_version_goes_on(lake: DeltaTarget) -> None:
    sink = kept(lake, small_files=8).sink()
    sink.claim([ZERO])
    for n in range(12):
        sink.apply(batch(n, changes(lake, [("shard0", n, False, n, str(n))])))
        if n == 8:
            reader = table_of(lake)
    assert len(table_of(lake).file_uris()) < 8
    assert len(reader.file_uris()) == 9
    assert sorted(pl.read_delta(reader)["id"]) == list(range(9))
    assert content(lake, "id") == [(n,) for n in range(12)]


def test_files_are_compressed_alike_by_whatever_writes_them(lake: DeltaTarget) -> None:
    sink, found = kept(lake, small_files=3).sink(), set[str]()
    sink.claim([ZERO])
    for n in range(5):  # new rows, an update, a compaction, a wider column
        columns = (ID, TargetColumn("v", pg_type("INT8" if n == 4 else "INT4")))
        rows = [("s", 1, False, n, n), ("s", 2, False, 0, n)]
        sink.apply(batch(n, changes(lake, rows, columns)))
        found |= compressions(lake)
    target = Tables(lake.store, "_afflux", lake.config).at(place(TableName(lake.schema, "t")))
    Keeper(lake.store, lake.config.upkeep).order(target, ["id"])
    assert found | compressions(lake) == {"ZSTD"}


def test_files_are_left_as_they_are_where_another_program_sees_to_them(lake: DeltaTarget) -> None:
    sink = kept(lake, small_files=2, optimize=False).sink()
    sink.claim([ZERO])
    for n in range(11):
        sink.apply(batch(n, changes(lake, [("shard0", n, False, n, str(n))])))
    assert len(table_of(lake).file_uris()) == 11


def test_replaced_files_and_what_killed_writers_left_are_removed_after_the_retention(lake: DeltaTarget) -> None:
    sink = kept(lake, retention="1s").sink()
    sink.claim([ZERO])
    for n in range(3):
        sink.apply(batch(n, changes(lake, [("shard0", n, False, 1, str(n))])))
    folder = Path(lake.store.uri(place(TableName(lake.schema, "t"))))
    (folder / "part-0.parquet#1").write_bytes(b"half a file")
    (folder / "part-1.parquet").write_bytes(b"a file that no commit names")
    keeper = Keeper(lake.store, lake.config.upkeep)
    target = Tables(lake.store, "unused", lake.config).at(place(TableName(lake.schema, "t")))
    for path in folder.glob("part-*"):
        os.utime(path, (0, 0))
    wait_for(lambda: len(keeper.vacuum(target, dry_run=True)) == 4, 10, "a second")
    gone = {Path(file).name for file in keeper.vacuum(target)}
    assert {"part-0.parquet#1", "part-1.parquet"} < gone
    assert [path.name for path in folder.glob("*.parquet*")] == [Path(uri).name for uri in table_of(lake).file_uris()]
    assert content(lake, "note") == [("2",)]


def test_the_tables_properties_follow_the_topology(lake: DeltaTarget) -> None:
    sink = lake.sink()
    sink.claim([ZERO])
    sink.apply(batch(0, changes(lake, [("shard0", 1, False, 1, "a")])))
    again = kept(lake, retention="2h").sink()
    again.claim([ZERO])
    again.apply(batch(1, changes(lake, [("shard0", 2, False, 1, "b")])))
    properties = table_of(lake).metadata().configuration
    assert properties["delta.deletedFileRetentionDuration"] == "interval 7200 seconds"


def test_a_table_lies_in_the_lake_as_the_topology_says(lake: DeltaTarget) -> None:
    wanted = {"partition_by": ["note"], "order_by": ["id"], "change_data_feed": True}
    tables = [LakeTable(target=r"contract_\d+\.t", **wanted)]
    lake.config = lake.config.model_copy(update={"tables": tables})
    sink = lake.sink()
    sink.claim([ZERO])
    sink.apply(batch(0, changes(lake, [("shard0", 1, False, n, ("even", "odd")[n % 2]) for n in range(6)])))
    sink.apply(batch(1, changes(lake, [("shard0", 2, False, 0, "odd"), ("shard0", 2, True, 1, None)])))
    found = table_of(lake)
    assert found.metadata().partition_columns == ["note"]
    assert content(lake, "id", "note") == [(0, "odd"), (2, "even"), (3, "odd"), (4, "even"), (5, "odd")]
    sink.apply(batch(2, changes(lake, [("shard0", 3, False, n, "even") for n in (2, 5, 9)])))
    assert content(lake, "id", "note")[1:] == [(2, "even"), (3, "odd"), (4, "even"), (5, "even"), (9, "even")]
    written = table_of(lake)
    (deltas,) = [step for step in written.history(1) if step["operation"] == "MERGE"]
    assert deltas["operationMetrics"]["num_target_rows_copied"] < 4
    feed = pl.DataFrame(pa.table(found.load_cdf(2, 2).read_all())).sort("id", "_change_type")
    assert feed.select("id", "note", "_change_type").rows() == [
        (0, "odd", "update_postimage"),
        (0, "even", "update_preimage"),
        (1, "odd", "delete"),
    ]


# --- every mode -------------------------------------------------------------------------------------

few = settings(max_examples=3, suppress_health_check=[HealthCheck.function_scoped_fixture])


@few
@given(histories(keys=[NUMBER]), SIZES)
def test_a_lake_keeps_deleted_rows(lake: DeltaTarget, history: History, sizes: list[int]) -> None:
    rows = play(lake, history, sizes, Keeping(soft=True, lineage=True))
    assert seen([row for row in rows if not row["_deleted"]]) == shown(history.shards)
    graves = {key for shard in history.shards for key in shard.dead}
    assert {row["id"] for row in rows if row["_deleted"]} == graves - shown(history.shards).keys()
    assert all((row["_deleted_at"] is not None) == row["_deleted"] for row in rows)


@few
@given(histories(partitions=3, keys=[NUMBER]), SIZES)
def test_a_lake_keeps_every_change(lake: DeltaTarget, history: History, sizes: list[int]) -> None:
    rows = play(lake, history, sizes, Keeping(Mode.APPEND))
    found = [(*(row[name] for name in CHANGE), us(row["_source_ts"])) for row in rows]
    assert sorted(found, key=repr) == sorted((change(event) for event in history.events), key=repr)


@few
@given(histories(keys=[NUMBER]), SIZES)
def test_a_lake_keeps_every_version(lake: DeltaTarget, history: History, sizes: list[int]) -> None:
    found = [version(row) for row in play(lake, history, sizes, Keeping(Mode.HISTORY))]
    assert sorted(found, key=repr) == sorted((v for shard in history.shards for v in shard.versions), key=repr)


@pytest.mark.parametrize("mode", [Mode.APPEND, Mode.HISTORY])
@few
@given(history=histories(keys=[NUMBER]), sizes=SIZES)
def test_a_lake_is_cut_back_before_it_is_read_again(
    lake: DeltaTarget, mode: Mode, history: History, sizes: list[int]
) -> None:
    straight = play(lake, history, sizes, Keeping(mode))
    table = named(lake, history)
    sink = lake.sink()
    sink.claim(ends(history.events))
    apply(sink, table, history, sizes, Keeping(mode))
    to = {partition: end // 2 for partition, end in ends(history.events).items()}
    lake.state().rewind(to, {}, "me")
    sink.claim(to)
    again = [e for e in history.events if e["offset"] >= to[Partition(e["topic"], e["partition"])]]
    apply(sink, table, history._replace(events=again), sizes, Keeping(mode))
    found = lake.rows(table) if straight else []
    assert sorted(map(told, found), key=repr) == sorted(map(told, straight), key=repr)


def test_a_topic_made_anew_leaves_what_came_by_the_former_one_under_another_name(lake: DeltaTarget) -> None:
    sink = lake.sink()
    sink.claim([ZERO], {ZERO.topic: "old"})
    lineage = {OP: "c", TOPIC: ZERO.topic, PARTITION: 0, OFFSET: 5, TRANSACTION: 1}
    one = changes(lake, [("shard0", 1, False, 1, "a")])
    rows = one.rows.with_columns(pl.lit(value).alias(name) for name, value in lineage.items())
    sink.apply(batch(0, replace(one, rows=rows, key=(), keeping=Keeping(Mode.APPEND)), end=6))
    lake.state().rewind({ZERO: 0}, {ZERO.topic: "new"}, "me")
    assert content(lake, "id", "_topic", "_offset") == [(1, f"{ZERO.topic}@old", 5)]


# --- the state --------------------------------------------------------------------------------------


def test_every_part_of_a_memory_is_kept_or_known_not_to_be() -> None:
    assert {field.name for field in fields(Memory)} == codec.KINDS.keys() | codec.NOT_KEPT
    assert not codec.KINDS.keys() & codec.NOT_KEPT


def test_the_state_survives_being_written_anew_also_for_those_who_read_along(
    lake: DeltaTarget, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger, "_MOST_FILES", 5)
    sink, state = lake.sink(), lake.state()
    sink.claim([ZERO, ONE])
    for n in range(12):
        sink.apply(batch(n, changes(lake, [("shard0", n, False, n % 3, str(n))])))
        (first, _) = state.positions()
        assert first.next_offset == n + 1
    ledgers = lake.store.open(f"_afflux/{lake.schema}/g/ledger")
    assert ledgers is not None
    assert len(ledgers.file_uris()) <= 6
    assert lake.sink().claim([ZERO, ONE]) == {ZERO: 12, ONE: 0}
    assert content(lake, "id", "note") == [(0, "9"), (1, "10"), (2, "11")]


def test_a_state_of_a_newer_afflux_is_refused(lake: DeltaTarget, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as newer:
        newer.setattr(records, "VERSION", 2)
        lake.sink()
    with pytest.raises(SinkError, match="has layout 2, and this afflux knows 1"):
        lake.sink()


def test_a_lake_that_may_not_be_written_is_not_waited_for(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    store = Store(str(tmp_path / "file" / "lake"))
    config = Config(name="lake", type="delta", path=store.path)
    with pytest.raises(SinkError, match="could not open") as refused:
        DeltaSink(config=config, store=store, topology="x", group="g").open()
    assert not refused.value.transient


def test_positions_and_letters_in_a_lake_are_of_one_group_of_one_topology(tmp_path: Path) -> None:
    one, other = DeltaTarget(tmp_path), DeltaTarget(tmp_path)
    sink = one.sink()
    sink.claim([ZERO])
    sink.apply(Batch({ZERO: Span(0, 3)}))
    other.sink()
    assert other.state().positions() == []
    assert one.state().positions()[0].next_offset == 3

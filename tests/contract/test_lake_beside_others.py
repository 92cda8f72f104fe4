"""A lake's tables while others work on them: readers that never fail, and writers of other programs that lose nothing."""

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest
from deltalake import DeltaTable
from deltalake.exceptions import CommitFailedError
from deltalake.table import TableMerger, TableOptimizer

from afflux.sinks.batch import TableName, TargetColumn
from afflux.sinks.delta.keeper import Keeper
from afflux.sinks.delta.tables import Tables, place
from afflux.topology.sinks import Upkeep
from afflux.types.postgres import PgType, pg_type
from chaos.waiting import wait_for
from targets import NOTE, ZERO, DeltaTarget, batch, changes, content

ROWS = 40
"""Of the table, that every batch changes, all of them."""


@pytest.fixture
def lake(tmp_path: Path) -> DeltaTarget:
    return DeltaTarget(tmp_path)


def uri(lake: DeltaTarget) -> str:
    return lake.store.uri(place(TableName(lake.schema, "t")))


class Writer:
    """A sink whose batches give each row their number, and every second one of which adds a row besides, in a file."""

    def __init__(self, lake: DeltaTarget) -> None:
        self._lake, self._sink = lake, lake.sink()
        self._sink.claim([ZERO])
        self.batches = 0
        self.write()

    def write(self) -> None:
        n = self.batches
        rows: list[tuple[Any, ...]] = [("shard0", n, False, key, str(n)) for key in range(ROWS)]
        self._sink.apply(batch(2 * n, changes(self._lake, rows)))
        self._sink.apply(batch(2 * n + 1, changes(self._lake, [("shard0", n, False, ROWS + n, "added")])))
        self.batches += 1

    @property
    def written(self) -> list[tuple[int, str]]:
        """What the table holds."""
        added = [(ROWS + n, "added") for n in range(self.batches)]
        return [(key, str(self.batches - 1)) for key in range(ROWS)] + added


@contextmanager
def looping(*jobs: Callable[[], None]) -> Iterator[Callable[[], None]]:
    """Do each job again and again in a thread of its own; gives what raises the first error of any."""
    ended, errors = threading.Event(), list[Exception]()

    def loop(job: Callable[[], None]) -> None:
        try:
            while not ended.is_set():
                job()
        except Exception as error:  # noqa: BLE001 - raised in the test's own thread
            errors.append(error)

    def check() -> None:
        if errors:
            raise errors[0]

    threads = [threading.Thread(target=loop, args=(job,)) for job in jobs]
    for thread in threads:
        thread.start()
    try:
        yield check
    finally:
        ended.set()
        for thread in threads:
            thread.join()
    check()


def test_readers_see_whole_batches_and_never_fail_while_files_are_put_in_order_and_removed(lake: DeltaTarget) -> None:
    lake.config = lake.config.model_copy(update={"upkeep": Upkeep(retention="10s", small_files=2)})
    writer = Writer(lake)
    keeper, tables = Keeper(lake.store, lake.config.upkeep), Tables(lake.store, "unused", lake.config)
    seen: dict[str, set[str]] = {"polars": set(), "duckdb": set()}
    done: dict[str, int] = {"compacted": 0, "ordered": 0, "removed": 0}

    def read_by_polars() -> None:
        found = pl.read_delta(DeltaTable(uri(lake))).filter(pl.col("id") < ROWS)
        assert found.height == ROWS
        seen["polars"] |= {*found["note"].unique()}
        assert found["note"].n_unique() == 1, "half a batch was seen"

    def read_by_duckdb() -> None:
        files = DeltaTable(uri(lake)).file_uris()
        found = (
            duckdb.connect()
            .sql(f"SELECT count(*), min(note), max(note) FROM read_parquet({files}) WHERE id < {ROWS}")
            .fetchall()
        )
        ((count, least, greatest),) = found
        assert (count, least) == (ROWS, greatest), "half a batch was seen"
        seen["duckdb"].add(least)

    def tidy() -> None:
        target = tables.at(place(TableName(lake.schema, "t")))
        for job, count in (
            (lambda: keeper.compact(target), "compacted"),
            (lambda: keeper.order(target, ["id"]), "ordered"),
        ):
            with suppress(CommitFailedError):  # the writer was first
                done[count] += job()["numFilesAdded"]
        done["removed"] += len(keeper.vacuum(target))

    with looping(read_by_polars, read_by_duckdb, tidy) as check:

        def enough() -> bool:
            check()
            writer.write()
            return all(done.values()) and all(len(notes) > 3 for notes in seen.values())

        wait_for(enough, 120, lambda: f"readers and keepers beside the writer: {seen}, {done}")
    assert content(lake, "id", "note") == writer.written


@contextmanager
def meanwhile(
    monkeypatch: pytest.MonkeyPatch, of: type, name: str, what: Callable[[], object]
) -> Iterator[list[object]]:
    """Let something happen once, right before a method does its work; gives whose, each time that it does."""
    real, left, seen = getattr(of, name), [what], list[object]()

    def late(self: Any, *given: Any, **named: Any) -> Any:
        seen.append(self)
        while left:
            left.pop()()
        return real(self, *given, **named)

    with monkeypatch.context() as patched:
        patched.setattr(of, name, late)
        yield seen
    assert not left, "it did not happen"


def filled(lake: DeltaTarget, of: PgType, keys: list[Any]) -> Callable[[str], None]:
    """Make a table with a file a key; gives what writes a note into every second row."""
    columns = (TargetColumn("id", of), NOTE)
    sink = lake.sink()
    sink.claim([ZERO])
    for n, key in enumerate(keys):
        sink.apply(batch(n, changes(lake, [("shard0", n, False, key, "old")], columns)))

    def write(note: str) -> None:
        rows: list[tuple[Any, ...]] = [("shard0", 99, False, key, note) for key in keys[::2]]
        sink.apply(batch(len(keys), changes(lake, rows, columns)))

    return write


KEYS: list[tuple[PgType, list[Any]]] = [
    (pg_type("INT4"), list(range(6))),
    (pg_type("NUMERIC", 12, 4), [f"{n}.5000" for n in range(6)]),
    (pg_type("NUMERIC"), [f"1e{n}" for n in range(6)]),
    (pg_type("TEXT"), [f"{'a long beginning ' * 9}{n}" for n in range(6)]),
    (pg_type("BYTEA"), [bytes([n, 255]) for n in range(6)]),
    (pg_type("DATE"), [f"2024-01-0{n + 1}" for n in range(6)]),
    (pg_type("TIMESTAMPTZ", 35, 6), [f"2024-01-0{n + 1} 00:00:00+00" for n in range(6)]),
    (pg_type("FLOAT8"), [n / 7 for n in range(6)]),
]


@pytest.mark.parametrize(("of", "keys"), KEYS, ids=[str(of) for of, _ in KEYS])
def test_rows_are_there_once_whatever_their_key_when_files_are_put_together_under_a_merge(
    lake: DeltaTarget, monkeypatch: pytest.MonkeyPatch, of: PgType, keys: list[Any]
) -> None:
    write = filled(lake, of, keys)
    with meanwhile(monkeypatch, TableMerger, "execute", DeltaTable(uri(lake)).optimize.compact):
        write("new")
    assert sorted(content(lake, "note")) == [("new",)] * 3 + [("old",)] * 3


@pytest.mark.parametrize("by", ["another daemon", "another program"])
def test_rows_are_there_once_when_two_put_a_table_in_order_at_the_same_time(
    lake: DeltaTarget, monkeypatch: pytest.MonkeyPatch, by: str
) -> None:
    filled(lake, pg_type("INT4"), list(range(6)))
    where = place(TableName(lake.schema, "t"))
    one, two = (Tables(lake.store, "unused", lake.config).at(where) for _ in range(2))
    keeper = Keeper(lake.store, lake.config.upkeep)

    def other() -> None:
        if by == "another daemon":
            keeper.order(two, ["id"])
        else:
            DeltaTable(uri(lake)).optimize.z_order(["id"])

    with meanwhile(monkeypatch, TableOptimizer, "compact", other), pytest.raises(CommitFailedError):
        keeper.compact(one)
    assert content(lake, "id") == [(n,) for n in range(6)]
    assert len(DeltaTable(uri(lake)).file_uris()) == 1, "what was done first stays"
    keeper.compact(one)
    assert content(lake, "id") == [(n,) for n in range(6)]


OTHER = """
import sys
from deltalake import DeltaTable
from deltalake.exceptions import CommitFailedError
done = 0
for n, _ in enumerate(sys.stdin):
    try:
        table = DeltaTable(sys.argv[1])
        if n % 3 == 2:
            table.delete(f"id = {n}")
        else:
            (table.optimize.compact if n % 3 else lambda: table.optimize.z_order(["id"]))()
        done += 1
    except CommitFailedError:
        pass
    print(done, flush=True)
"""


def test_a_program_that_optimizes_and_deletes_in_another_process_loses_no_change_and_stops_nobody(
    lake: DeltaTarget,
) -> None:
    writer = Writer(lake)
    command = [sys.executable, "-c", OTHER, uri(lake)]
    environment = os.environ | {"RUST_LOG": "off"}
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment) as other:
        assert other.stdin is not None
        assert other.stdout is not None
        successes = 0
        for _ in range(30):
            other.stdin.write("\n")
            other.stdin.flush()
            writer.write()  # while it works
            successes = int(other.stdout.readline())
        other.stdin.close()
    assert successes > 0
    writer.write()
    assert content(lake, "id", "note") == writer.written
    history = DeltaTable(uri(lake)).history()
    assert {step["operation"] for step in history} >= {"OPTIMIZE", "MERGE"}

"""Values in databases other than PostgreSQL: each keeps its exact value, in whatever form the database has for it."""

import math
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from afflux.errors import SinkError, TableError, UsageError
from afflux.sinks.batch import TableName, TargetColumn
from afflux.sinks.sql.dialects.database import Database
from afflux.types.postgres import PgType, pg_type
from targets import ID, ZERO, DatabaseTarget, batch, changes, content

VALUES: list[tuple[PgType, Any, Any]] = [
    (pg_type("BOOL"), True, True),
    (pg_type("INT8"), 2**63 - 1, 2**63 - 1),
    (pg_type("FLOAT4"), 1.5, 1.5),
    (pg_type("FLOAT8"), 5e-324, 5e-324),
    (pg_type("NUMERIC", 12, 4), "1.5000", Decimal("1.5000")),
    (pg_type("NUMERIC", 38, 10), "1" * 28 + "." + "2" * 10, Decimal("1" * 28 + "." + "2" * 10)),
    (pg_type("NUMERIC"), "1" + "0" * 300 + ".50", "1" + "0" * 300 + ".50"),
    (pg_type("TEXT"), "naïve \\ \x01 ☃\t'\"\r\n\\N ", "naïve \\ \x01 ☃\t'\"\r\n\\N "),
    (pg_type("TEXT"), "", ""),
    (pg_type("BYTEA"), b"\x00\xff\n\\", b"\x00\xff\n\\"),
    (pg_type("DATE"), "0001-01-01", date(1, 1, 1)),
    (pg_type("TIMESTAMP", 29, 6), "9999-12-31 23:59:59.999999", datetime.max),  # noqa: DTZ901 - it has none
    (pg_type("TIMESTAMPTZ", 35, 6), "2024-02-29 12:34:56.1+00", datetime(2024, 2, 29, 12, 34, 56, 100000, UTC)),
    (pg_type("JSONB"), '{"a": 1.10}', '{"a": 1.10}'),
    (pg_type("_TEXT"), '{"a b",NULL,""}', ["a b", None, ""]),
]
EMBEDDED = ["duckdb", "sqlite"]


@pytest.mark.parametrize("kind", EMBEDDED)
def test_values_are_held_exactly(tmp_path: Path, kind: str) -> None:
    target = DatabaseTarget(f"{kind}:///{tmp_path}/w.db")
    sink = target.sink()
    sink.claim([ZERO])
    more = (pg_type("FLOAT8"), math.nan), (pg_type("FLOAT8"), math.inf), (pg_type("FLOAT4"), -0.0)
    values = [*((of, value) for of, value, _ in VALUES), *more]
    columns = (ID, *(TargetColumn(f"v{n}", of) for n, (of, _) in enumerate(values)))
    rows = [("s", 1, False, 1, *(value for _, value in values)), ("s", 1, False, 2, *(None for _ in values))]
    sink.apply(batch(0, changes(target, rows, columns)))
    one, two = target.rows(TableName(target.schema, "t"))
    for n, (_, value, held) in enumerate(VALUES):
        text = value if kind == "sqlite" and isinstance(held, list) else held
        assert (one[f"v{n}"], two[f"v{n}"]) == (text, None)
    nan, inf, zero = (one[f"v{n}"] for n in range(len(VALUES), len(values)))
    assert math.isnan(nan)
    assert inf == math.inf
    assert zero == 0
    assert math.copysign(1, zero) == {"duckdb": -1, "sqlite": 1}[kind]


@pytest.mark.parametrize("kind", EMBEDDED)
def test_a_column_is_widened_and_its_values_stay(tmp_path: Path, kind: str) -> None:
    target = DatabaseTarget(f"{kind}:///{tmp_path}/w.db")
    sink = target.sink()
    sink.claim([ZERO])
    for n, (of, value) in enumerate([(pg_type("NUMERIC", 4, 1), "1.5"), (pg_type("NUMERIC", 12, 3), "2.125")]):
        sink.apply(batch(n, changes(target, [("s", n, False, n, value)], (ID, TargetColumn("v", of)))))
    assert [row["v"] for row in target.rows(TableName(target.schema, "t"))] == [Decimal("1.500"), Decimal("2.125")]


@pytest.mark.parametrize("kind", EMBEDDED)
def test_a_table_of_somebody_elses_is_left_alone(tmp_path: Path, kind: str) -> None:
    target = DatabaseTarget(f"{kind}:///{tmp_path}/w.db")
    sink = target.sink()
    sink.claim([ZERO])
    database = Database(target.url, "w")
    schema, name = database.place(TableName(target.schema, "t"))
    prefix = f"{schema}." if schema else ""
    with database.reading("make a table") as connection:
        if schema:
            connection.exec_driver_sql(f"CREATE SCHEMA {schema}")
        connection.exec_driver_sql(f"CREATE TABLE {prefix}{name} (x integer)")
        connection.commit()
    with pytest.raises(TableError, match="that afflux has not made for it"):
        sink.apply(batch(0, changes(target, [("s", 1, False, 1, "a")])))


REFUSING = {
    "duckdb": "ALTER TABLE {} ALTER COLUMN note SET NOT NULL",
    "sqlite": "CREATE TRIGGER no BEFORE INSERT ON {} WHEN new.note IS NULL BEGIN SELECT raise(ABORT, 'no'); END",
}


@pytest.mark.parametrize("kind", EMBEDDED)
def test_rows_that_the_database_refuses_stop_their_table_and_nothing_is_written(tmp_path: Path, kind: str) -> None:
    target = DatabaseTarget(f"{kind}:///{tmp_path}/w.db")
    sink = target.sink()
    sink.claim([ZERO])
    sink.apply(batch(0, changes(target, [("s", 1, False, 1, "a")])))
    database = Database(target.url, "w")
    schema, name = database.place(TableName(target.schema, "t"))
    with database.reading("refuse rows") as connection:
        connection.exec_driver_sql(REFUSING[kind].format(f"{schema}.{name}" if schema else name))
        connection.commit()
    with pytest.raises(TableError, match="the database refuses rows of it") as refused:
        sink.apply(batch(1, changes(target, [("s", 2, False, 1, "b"), ("s", 2, False, 2, None)])))
    assert refused.value.table == f"{target.schema}.t"
    assert target.sink().claim([ZERO]) == {ZERO: 1}
    assert content(target, "id", "note") == [(1, "a")]


def test_a_driver_that_is_not_there_is_named_with_the_package() -> None:
    with pytest.raises(UsageError, match="needs a package that is not installed") as refused:
        Database("mysql+mysqldb://u@h/d", "w")
    assert "pip install" in refused.value.hint


def test_what_a_database_says_is_told_without_its_password(tmp_path: Path) -> None:
    target = DatabaseTarget(f"sqlite:///{tmp_path}/none/w.db")
    with pytest.raises(SinkError, match="could not open: unable to open database file") as refused:
        target.sink()
    assert refused.value.transient

"""Exact types: what a lake's columns hold is what PostgreSQL holds, or is refused."""

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from afflux.types.arrays import array_text, elements
from afflux.types.exact import exact, exact_type, is_wider
from afflux.types.postgres import PgType, pg_type

INSTANT = pl.Datetime("us", "UTC")
TYPES: list[tuple[PgType, pl.DataType]] = [
    (pg_type("BOOL"), pl.Boolean()),
    (pg_type("INT2"), pl.Int16()),
    (pg_type("OID"), pl.Int64()),
    (pg_type("FLOAT4"), pl.Float32()),
    (pg_type("NUMERIC", 12, 4), pl.Decimal(12, 4)),
    (pg_type("NUMERIC", 38, 38), pl.Decimal(38, 38)),
    (pg_type("NUMERIC", 39, 0), pl.String()),
    (pg_type("NUMERIC", 5, 2046), pl.Decimal(7, 0)),  # numeric(5,-2)
    (pg_type("NUMERIC", 3, 8), pl.Decimal(8, 8)),
    (pg_type("NUMERIC"), pl.String()),
    (pg_type("NUMERIC", 131089, 0), pl.String()),
    (pg_type("MONEY"), pl.Decimal(19, 2)),
    (pg_type("TEXT"), pl.String()),
    (pg_type("UUID"), pl.String()),
    (pg_type("JSONB"), pl.String()),
    (pg_type("BYTEA"), pl.Binary()),
    (pg_type("DATE"), pl.Date()),
    (pg_type("TIME", 15, 6), pl.String()),
    (pg_type("TIMESTAMP", 29, 6), pl.Datetime("us")),
    (pg_type("TIMESTAMPTZ", 35, 6), INSTANT),
    (pg_type("_INT4"), pl.List(pl.Int32())),
    (pg_type("_NUMERIC", 10, 2), pl.List(pl.Decimal(10, 2))),
    (pg_type("_NUMERIC"), pl.List(pl.String())),
]


@pytest.mark.parametrize(("of", "to"), TYPES, ids=[f"{of}-{n}" for n, (of, _) in enumerate(TYPES)])
def test_a_type_that_can_be_exact_is_and_any_other_is_text(of: PgType, to: pl.DataType) -> None:
    assert exact_type(of) == to


EXACT: list[tuple[PgType, list[Any], list[Any]]] = [
    (pg_type("NUMERIC", 12, 4), ["1.5000", "-99999999.9999", "0"], [Decimal("1.5"), Decimal("-99999999.9999"), 0]),
    (pg_type("DATE"), ["2024-02-29", "0001-01-01", "9999-12-31"], [date(2024, 2, 29), date.min, date.max]),
    (
        pg_type("TIMESTAMP", 29, 6),
        ["2024-02-29 12:34:56.1", "9999-12-31 23:59:59.999999", "2024-02-29 00:00:00"],
        [datetime.fromisoformat(t) for t in ("2024-02-29T12:34:56.1", "9999-12-31T23:59:59.999999", "2024-02-29")],
    ),
    (pg_type("TIMESTAMPTZ", 35, 6), ["2024-02-29 12:34:56+00"], [datetime(2024, 2, 29, 12, 34, 56, tzinfo=UTC)]),
    (pg_type("BYTEA"), [b"\x00\xff"], [b"\x00\xff"]),
    (pg_type("_INT4"), ["{1,NULL}", "{}"], [[1, None], []]),
    (pg_type("_BOOL"), ["{t,f}", "{true,NULL}"], [[True, False], [True, None]]),
    (
        pg_type("_TEXT"),
        ['{a,"b c",NULL,"NULL","","x\\"y\\\\z","{}"}'],
        [["a", "b c", None, "NULL", "", 'x"y\\z', "{}"]],
    ),
    (pg_type("_BYTEA"), ['{"\\\\x00ff"}'], [[b"\x00\xff"]]),
    (pg_type("_NUMERIC", 10, 2), ['{"1.50"}', "{1.5}"], [[Decimal("1.50")], [Decimal("1.50")]]),
    (pg_type("_BOX"), ["{(1,1),(0,0);(2,2),(1,1)}"], ["{(1,1),(0,0);(2,2),(1,1)}"]),
    (pg_type("_FLOAT8"), ["{5e-324,-Infinity}"], [[5e-324, float("-inf")]]),
]


@pytest.mark.parametrize(("of", "texts", "values"), EXACT, ids=[str(of) for of, _, _ in EXACT])
def test_values_are_exact_and_a_null_stays_one(of: PgType, texts: list[Any], values: list[Any]) -> None:
    found = exact(pl.Series([*texts, None], dtype=of.dtype), of, exact_type(of))
    assert found.dtype == exact_type(of)
    assert found.to_list() == [*values, None]


REFUSED: list[tuple[PgType, str]] = [
    (pg_type("NUMERIC", 12, 4), "NaN"),
    (pg_type("NUMERIC", 12, 4), "1.55555"),
    (pg_type("NUMERIC", 12, 4), "100000000"),
    (pg_type("DATE"), "infinity"),
    (pg_type("DATE"), "0044-03-15 BC"),
    (pg_type("DATE"), "10000-01-01"),
    (pg_type("TIMESTAMP", 29, 6), "-infinity"),
    (pg_type("TIMESTAMPTZ", 35, 6), "10000-01-01 00:00:00+00"),
    (pg_type("_INT4"), "{{1,2},{3,4}}"),
    (pg_type("_INT4"), "[0:1]={5,6}"),
    (pg_type("_DATE"), "{2024-01-01,infinity}"),
]


@pytest.mark.parametrize(("of", "text"), REFUSED, ids=[f"{of} {text}" for of, text in REFUSED])
def test_what_a_type_can_not_hold_is_refused_and_never_rounded(of: PgType, text: str) -> None:
    assert exact(pl.Series([text]), of, exact_type(of)).to_list() == [None]


@given(st.decimals(allow_nan=False, allow_infinity=False, places=4, min_value=-(10**8) + 1, max_value=10**8 - 1))
def test_a_decimal_comes_back_as_it_was(number: Decimal) -> None:
    of = pg_type("NUMERIC", 12, 4)
    assert exact(pl.Series([str(number)]), of, exact_type(of)).to_list() == [number]


@given(st.lists(st.one_of(st.none(), st.lists(st.one_of(st.none(), st.text(max_size=6)), max_size=4)), max_size=6))
def test_an_array_of_any_texts_comes_back_as_it_was(lists: list[list[str | None] | None]) -> None:
    given_lists = pl.Series(lists, dtype=pl.List(pl.String))
    texts = array_text(given_lists, given_lists.drop_nulls().filter(given_lists.drop_nulls().list.len() > 0).explode())
    assert elements(texts).to_list() == lists, json.dumps(texts.to_list())


@pytest.mark.parametrize(
    ("new", "old", "wider"),
    [
        (pl.Int64(), pl.Int32(), True),
        (pl.Int32(), pl.Int64(), False),
        (pl.Decimal(12, 4), pl.Decimal(10, 2), True),
        (pl.Decimal(12, 4), pl.Decimal(12, 2), False),
        (pl.Decimal(10, 0), pl.Int32(), True),
        (pl.Decimal(10, 1), pl.Int32(), False),
        (pl.Float64(), pl.Int64(), False),
        (pl.String(), pl.Decimal(10, 2), True),
        (pl.String(), pl.Float64(), False),
        (pl.List(pl.Int64()), pl.List(pl.Int32()), True),
    ],
)
def test_a_wider_type_holds_every_value_of_the_other(new: pl.DataType, old: pl.DataType, *, wider: bool) -> None:
    assert is_wider(new, old) is wider


@given(st.integers(-(2**63), 2**63 - 1))
def test_an_integer_that_is_no_double_is_refused(number: int) -> None:
    found = exact(pl.Series([number], dtype=pl.Int64), pg_type("INT8"), pl.Float64())[0]
    assert (found is None) == (int(float(number)) != number)

"""The plugin's wire, as the sink reads it."""

from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from afflux.errors import UnsupportedTypeError
from afflux.types.columns import Column, read_column
from afflux.types.wire import UNCHANGED, UNCHANGED_BYTES

TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
"""What PostgreSQL's text can be."""


def field(kind: str, avro: str = "string", *, wire: str = "1", source: str = "", **described: int) -> dict[str, Any]:
    parameters = {"afflux.wire": wire, "afflux.type": kind}
    parameters |= {f"__debezium.source.column.{name}": str(number) for name, number in described.items()}
    parameters |= {"__debezium.source.column.type": source or kind.upper(), "__debezium.source.column.name": "c"}
    return {"name": "c", "type": ["null", {"type": avro, "connect.parameters": parameters}], "default": None}


def stock(avro: dict[str, Any], source: str) -> dict[str, Any]:
    parameters = {"__debezium.source.column.type": source, "__debezium.source.column.name": "c"}
    return {"name": "c", "type": ["null", {**avro, "connect.parameters": parameters}], "default": None}


def read(column: Column, values: list[Any], dtype: Any) -> tuple[list[Any], list[bool]]:
    held, unchanged = column.read(pl.Series("c", values, dtype=dtype))
    return held.to_list(), [False] * len(values) if unchanged is None else unchanged.to_list()


@given(st.lists(st.one_of(st.none(), TEXTS, st.just(UNCHANGED))))
def test_texts_come_as_they_are_and_only_unchanged_ones_are_masked(values: list[str | None]) -> None:
    held, unchanged = read(read_column(field("text")), values, pl.String)
    assert unchanged == [value == UNCHANGED for value in values]
    assert held == [None if value == UNCHANGED else value for value in values]


@given(st.lists(st.one_of(st.none(), st.binary())), st.sets(st.integers(0, 9)))
def test_bytes_lose_their_leading_byte_and_nothing_else(values: list[bytes | None], large: set[int]) -> None:
    sent = [UNCHANGED_BYTES if at in large else None if v is None else b"\0" + v for at, v in enumerate(values)]
    held, unchanged = read(read_column(field("bytea", "bytes")), sent, pl.Binary)
    assert unchanged == [at in large for at in range(len(values))]
    assert held == [None if at in large else value for at, value in enumerate(values)]


@pytest.mark.parametrize(
    ("described", "ddl"),
    [
        (field("numeric", length=12, scale=4), "numeric(12,4)"),
        (field("numeric", length=0), "numeric"),
        (field("numeric", length=5, scale=2046), "numeric(5,-2)"),
        (field("numeric", source="PRICE", length=8, scale=2), "numeric(8,2)"),
        (field("_numeric", length=10, scale=2), "numeric(10,2)[]"),
        (field("varchar", length=20), "character varying(20)"),
        (field("timestamptz", length=35, scale=6), "timestamptz"),
        (field("timestamptz", length=32, scale=3), "timestamptz(3)"),
        (field("interval", length=49, scale=65535), "interval"),
        (field("varbit", length=5), "bit varying(5)"),
        (field("_interval"), "interval[]"),
        (field("int4multirange"), "int4multirange"),
        (field("polygon"), "polygon"),
        (field("money"), "numeric(19,2)"),
        (field("_money"), "text[]"),
        (field("enum", source="MOOD"), "text"),
        (field("_mood"), "text[]"),
        (field("composite", source="PAIR"), "text"),
        (field("hstore"), "text"),
        (field("bytea", "bytes"), "bytea"),
        (stock({"type": "int"}, "POSITIVE"), "integer"),
        (stock({"type": "int", "connect.type": "int16"}, "SMALL"), "smallint"),
        (stock({"type": "long"}, "BIG"), "bigint"),
        (stock({"type": "boolean"}, "YES"), "boolean"),
        (stock({"type": "double"}, "RATIO"), "double precision"),
        (stock({"type": "string", "connect.name": "io.debezium.data.Uuid"}, "TOKEN"), "uuid"),
    ],
)
def test_a_target_column_has_the_type_below_all_domains(described: dict[str, Any], ddl: str) -> None:
    assert read_column(described).type.ddl() == ddl


@pytest.mark.parametrize(
    "avro",
    [
        {"type": "int", "connect.name": "io.debezium.time.Date"},
        {"type": "string"},
        {"type": "bytes"},
    ],
)
def test_without_the_plugin_a_domain_over_another_type_is_refused_by_name(avro: dict[str, Any]) -> None:
    with pytest.raises(UnsupportedTypeError, match=r"column 'c': type happiness"):
        read_column(stock(avro, "HAPPINESS"))


def test_no_value_on_the_wire_hides_or_is_a_default() -> None:
    for kind in ("_float8", "varbit", "polygon", "numeric"):
        column = read_column(field(kind))
        assert not column.hides_unchanged
        assert not column.default


def test_another_version_of_the_wire_is_refused() -> None:
    with pytest.raises(UnsupportedTypeError, match="version 2 of the plugin's wire") as refused:
        read_column(field("text", wire="2"))
    assert "one release" in refused.value.hint

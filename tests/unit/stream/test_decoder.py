"""Decoding keeps every value, and refuses what it can't keep."""

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from afflux.errors import DecodeError, PoisonError, TableError
from afflux.sinks.batch import DELETED, LSN, SEQUENCE, SHARD, TableName, unchanged
from afflux.stream.decoder import Decoder
from afflux.stream.router import Router
from afflux.types.stock import PLACEHOLDER
from debezium import Wire, column
from declared import topology

ID = column("id", "int", "INT4", null=False)
NOTE = column("note", "string", "TEXT", length=2147483647)
AMOUNT = column("amount", "string", "NUMERIC", length=12, scale=4)


def decoder(wire: Wire) -> Decoder:
    return Decoder(wire.schema, Router(topology()), {"shard0": "shard0", "shard1": "shard1"})


def test_two_shards_of_one_table_decode_together_in_order_of_arrival() -> None:
    wire = Wire()
    columns = [ID, NOTE, AMOUNT]
    events = [
        wire.event("shard0", "public.orders", columns, "c", {"id": 1, "note": "a", "amount": "1.5000"}),
        wire.event("shard1", "public.orders", columns, "r", {"id": 2, "note": None, "amount": "NAN"}),
        wire.event("shard0", "public.orders", columns, "d", {"id": 1, "note": None, "amount": None}),
    ]
    events.append(wire.tombstone(events[-1]))
    (part,) = decoder(wire).decode(events)
    rows = part.rows.sort(SEQUENCE)
    assert part.table == TableName("public", "orders")
    assert part.key == ("id",)
    assert [str(c.type) for c in part.columns] == ["integer", "text", "numeric(12,4)"]
    assert rows[SHARD].to_list() == ["shard0", "shard1", "shard0"]
    assert rows[DELETED].to_list() == [False, False, True]
    assert rows["amount"].to_list() == ["1.5000", "NaN", None]


def test_an_unchanged_large_value_is_marked_and_not_written() -> None:
    wire = Wire()
    bytes_column = column("b", "bytes", "BYTEA")
    row = {"id": 1, "note": PLACEHOLDER, "b": PLACEHOLDER.encode()}
    (part,) = decoder(wire).decode([wire.event("shard0", "public.t", [ID, NOTE, bytes_column], "u", row)])
    assert part.rows[unchanged("note")].to_list() == [True]
    assert part.rows[unchanged("b")].to_list() == [True]


def test_a_row_of_an_incremental_snapshot_has_the_lsn_of_the_stream_then() -> None:
    wire = Wire()
    event = wire.event("shard0", "public.t", [ID], "r", {"id": 1}, incremental=True, sequence='["77","78"]')
    (part,) = decoder(wire).decode([event])
    assert part.rows[LSN].to_list() == [78]


def test_a_truncate_keeps_its_place_among_the_rows() -> None:
    wire = Wire()
    events = [
        wire.event("shard0", "public.t", [ID], "c", {"id": 1}, lsn=5),
        wire.event("shard0", "public.t", [ID], "t", None, lsn=6),
        wire.event("shard0", "public.t", [ID], "c", {"id": 1}, lsn=7),
    ]
    parts = decoder(wire).decode(events)
    truncates = [t for part in parts for t in part.truncates]
    assert [(t.shard, t.lsn, t.sequence) for t in truncates] == [("shard0", 6, 1)]


def test_a_registry_that_lost_its_ids_does_not_decode_into_nonsense() -> None:
    wire = Wire()
    event = wire.event("shard0", "public.orders", [ID], "c", {"id": 1})
    other = wire.event("shard0", "public.other", [ID], "c", {"id": 1})
    value_ids = [int.from_bytes((m.value() or b"")[1:5], "big") for m in (event, other)]
    wire.schemas[value_ids[0]], wire.schemas[value_ids[1]] = (wire.schemas[i] for i in reversed(value_ids))
    with pytest.raises(
        DecodeError, match=r"schema is of 'shard0.public.other', and the event is of 'shard0.public.orders'"
    ):
        decoder(wire).decode([event])


def test_bytes_that_are_no_event_name_their_place() -> None:
    wire = Wire()
    event = wire.event("shard0", "public.orders", [ID, NOTE], "c", {"id": 1, "note": "abc"})
    broken = wire.event("shard0", "public.orders", [ID, NOTE], "c", {"id": 1, "note": "abc"})
    broken._value = (broken._value or b"")[:12]
    with pytest.raises(PoisonError, match=r"topic 'shard0.public.orders' partition 0 offset"):
        decoder(wire).decode([event, broken])
    broken._value = b"{}"
    with pytest.raises(PoisonError, match=r"offset 1: the bytes do not begin with a schema id"):
        decoder(wire).decode([broken])


@pytest.mark.parametrize(
    ("avro", "source"),
    [("string", "TIMETZ"), ("bytes", "VARBIT"), ("string", "POSINT"), ("bytes", "ADDRESS"), ("string", "HSTORE")],
)
def test_a_type_without_an_exact_form_is_refused_by_name(avro: str, source: str) -> None:
    wire = Wire()
    value = b"" if avro == "bytes" else ""
    event = wire.event("shard0", "public.t", [ID, column("odd", avro, source)], "c", {"id": 1, "odd": value})
    with pytest.raises(TableError, match=rf"shard0.public.t.*column 'odd': type {source.lower()}"):
        decoder(wire).decode([event])


def test_what_a_delete_says_besides_its_key_is_not_taken_for_a_value() -> None:
    wire = Wire()
    columns = [ID, column("ref", "string", "UUID", null=False), column("b", "bytes", "BYTEA"), NOTE]
    event = wire.event("shard0", "public.t", columns, "d", {"id": 7, "ref": "", "b": None, "note": None})
    (part,) = decoder(wire).decode([event])
    assert part.rows.select("id", "ref", "b", "note").rows() == [(7, None, None, None)]


def test_a_table_that_is_not_declared_is_left_out() -> None:
    wire = Wire()
    event = wire.event("shard0", "audit.log", [ID], "c", {"id": 1})
    assert decoder(wire).decode([event]) == []


SCALARS = {
    "i2": (column("i2", "int", "INT2"), st.integers(-(2**15), 2**15 - 1)),
    "i8": (column("i8", "long", "INT8"), st.integers(-(2**63), 2**63 - 1)),
    "f8": (column("f8", "double", "FLOAT8"), st.floats()),
    "b": (column("b", "boolean", "BOOL"), st.booleans()),
    "t": (column("t", "string", "TEXT"), st.text(st.characters(exclude_categories=["Cs"]))),
    "x": (column("x", "bytes", "BYTEA"), st.binary()),
}


@settings(max_examples=40)
@given(st.lists(st.fixed_dictionaries({n: st.none() | s for n, (_, s) in SCALARS.items()}), min_size=1, max_size=20))
def test_every_value_of_a_plain_type_comes_through(rows: list[dict[str, Any]]) -> None:
    wire = Wire()
    columns = [ID, *(c for c, _ in SCALARS.values())]
    events = [wire.event("shard0", "public.t", columns, "c", {"id": i, **row}) for i, row in enumerate(rows)]
    (part,) = decoder(wire).decode(events)
    for found, row in zip(part.rows.iter_rows(named=True), rows, strict=True):
        for name, value in row.items():
            same = found[name] == value or (isinstance(value, float) and math.isnan(value) and math.isnan(found[name]))
            assert same, (name, value, found[name])


ARRAYS = [
    (
        column("a", {"type": "array", "items": ["null", "string"]}, "_TEXT"),
        ["a", None, 'q"\\', ""],
        '{"a",NULL,"q\\"\\\\",""}',
    ),
    (column("a", {"type": "array", "items": ["null", "int"]}, "_INT4"), [1, None, -2], "{1,NULL,-2}"),
    (column("a", {"type": "array", "items": ["null", "long"]}, "_TIMESTAMP"), [0], '{"1970-01-01 00:00:00.000000"}'),
    (column("a", {"type": "array", "items": ["null", "boolean"]}, "_BOOL"), [True, False], "{true,false}"),
    (column("a", {"type": "array", "items": ["null", "bytes"]}, "_BYTEA"), [b"\x00\xff"], '{"\\\\x00ff"}'),
]


@pytest.mark.parametrize(("declared", "value", "text"), ARRAYS)
def test_an_array_becomes_postgresqls_text(declared: Any, value: list[Any], text: str) -> None:
    wire = Wire()
    events = [
        wire.event("shard0", "public.t", [ID, declared], "c", {"id": i, "a": v})
        for i, v in enumerate([value, None, []])
    ]
    (part,) = decoder(wire).decode(events)
    assert part.rows["a"].to_list() == [text, None, "{}"]

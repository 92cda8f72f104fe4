"""afflux's Connect plugin on the real stack: what the source says is what arrives, value by value."""

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import psycopg
import pytest
import requests
from psycopg import sql

from afflux.stack import Addresses, plugin
from afflux.types.columns import Column, read_column
from capture import PLUGIN, Capture, Event, capture
from postgres_values import LARGE, TYPES, VALUES, WHERE_THERE

pytestmark = pytest.mark.stack

SESSION = "set timezone = 'UTC'; set datestyle = 'ISO'; set intervalstyle = 'postgres'; set bytea_output = 'hex'"
MODES = ("snapshot", "stream", "incremental")


@dataclass(frozen=True)
class Everything:
    """A table with a column of every type: what its server says of it, and its events."""

    types: list[str]
    texts: dict[int, list[str | None]]
    events: list[Event]


@pytest.fixture(scope="module")
def everything(addresses: Addresses) -> Iterator[Everything]:
    with capture(addresses, "every_type") as connector, psycopg.connect(connector.url, autocommit=True) as source:
        _strange_settings(source)
        values = VALUES | _where_there(source)
        source.execute(TYPES)
        types = list(values)
        source.execute(f"create table t (id int primary key, {_columns(types)})")
        count = max(map(len, values.values())) + 1  # the last row is all NULL
        for row in range(count):
            _insert(source, types, row, [values[kind][row] if row < len(values[kind]) else None for kind in types])
        connector.start(**PLUGIN)
        connector.events("t", count)
        names = ", ".join(f"c{number}" for number in range(len(types)))
        source.execute(f"insert into t select id + 1000, {names} from t")
        connector.events("t", 2 * count)
        connector.snapshot("public.t")
        events = connector.events("t", 4 * count)
        yield Everything(types, _texts(source, types), events)


@pytest.mark.parametrize("mode", MODES)
def test_every_type_arrives_as_postgresqls_own_text(everything: Everything, mode: str) -> None:
    events = [event for event in everything.events if event.mode == mode]
    assert len(events) in (len(everything.texts), len(everything.texts) // 2)
    columns = _read(events)
    for number, kind in enumerate(everything.types):
        column, values, unchanged = columns[f"c{number}"]
        assert unchanged is None, kind
        expected = [_held(everything.texts[event.value["after"]["id"]][number], column) for event in events]
        assert [_comparable(value, column) for value in values] == expected, f"{kind} as {column.type}"


def test_snapshot_and_stream_have_one_schema(everything: Everything) -> None:
    assert all(event.value_schema == everything.events[0].value_schema for event in everything.events)


def test_every_type_has_a_target_column_that_gives_the_text_back(everything: Everything, addresses: Addresses) -> None:
    columns = _read(everything.events[:1])
    with psycopg.connect(addresses.warehouse_url, autocommit=True, prepare_threshold=None) as target:
        for number, kind in enumerate(everything.types):
            ddl = columns[f"c{number}"][0].type.ddl()
            texts = sorted({row[number] for row in everything.texts.values()} - {None})
            assert _of_type(target, ddl, texts) == texts, f"{kind} in a column of type {ddl}"


@pytest.fixture(scope="module")
def hard(addresses: Addresses) -> Iterator[Capture]:
    """A connector that follows tables with large values, with defaults, and with keys of many types."""
    with capture(addresses, "hard_rows") as connector, psycopg.connect(connector.url, autocommit=True) as source:
        source.execute(TYPES)
        source.execute(DEFAULTS)
        for number, (kind, value, _) in enumerate(KEYS):
            source.execute(f"create table key{number} ({_key_columns(kind)}, v int, primary key ({_names(kind)}))")
            source.execute(f"insert into key{number} values ({value}, 1)")
        source.execute(_large_table("loose", ""))
        source.execute(_large_table("strict", "not null"))
        connector.start(**PLUGIN)
        connector.events("defaults", 1)
        yield connector


@pytest.mark.parametrize("table", ["loose", "strict"])
def test_an_unchanged_large_value_is_marked_whatever_its_type(hard: Capture, table: str) -> None:
    with psycopg.connect(hard.url, autocommit=True) as source:
        source.execute(f"insert into {table} select 1, 0, {', '.join(LARGE.values())}")
        source.execute(f"update {table} set n = 1")
        source.execute(f"update {table} set id = 2, n = 2, c0 = 'small'")
    inserted, updated, deleted, tombstone, moved = hard.events(table, 5)
    for number, kind in enumerate(LARGE):
        _, _, unchanged = _read([inserted])[f"c{number}"]
        assert unchanged is None, kind
        for event in (updated, moved):
            column, values, unchanged = _read([event])[f"c{number}"]
            if event is moved and number == 0:
                assert list(values) == ["small"]
                continue
            assert unchanged is not None, f"{kind} as {column.type}"
            assert unchanged.all(), kind
            assert values.null_count() == 1, kind
    assert [event.value and event.value["op"] for event in (updated, deleted, tombstone, moved)] == [
        "u",
        "d",
        None,
        "c",
    ]
    assert "__debezium.newkey" in deleted.headers
    assert "__debezium.oldkey" in moved.headers


DEFAULTS = """
create sequence numbers;
create table defaults (
    id serial primary key,
    a int default 7, b bool default true, c float8 default 1.5, d uuid default gen_random_uuid(),
    e int8 default nextval('numbers'), f text default 'x', g timestamptz default now(), h numeric default 1.50,
    i jsonb default '{}', j mood default 'sad', k bytea default '\\x00', l date default current_date,
    m int[] default '{1}', n interval default '1 day', o d_int4 default 3, p varchar(5) default 'y',
    q int not null default 9, r text not null default 'z'
);
insert into defaults values (1, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null);
"""


def test_a_null_in_a_column_with_a_default_stays_null(hard: Capture) -> None:
    nullable = "abcdefghijklmnop"
    nulls = ", ".join(["null"] * len(nullable))
    with psycopg.connect(hard.url, autocommit=True) as source:
        source.execute(f"insert into defaults values (2, {nulls})")
        source.execute("insert into defaults (id) values (3)")
        source.execute(f"update defaults set {', '.join(f'{name} = null' for name in nullable)} where id = 3")
        source.execute("delete from defaults where id = 2")
    first, inserted, filled, updated, deleted, _ = hard.events("defaults", 6)
    for event in (first, inserted, updated):
        assert {name: event.value["after"][name] for name in nullable} == dict.fromkeys(nullable), event.value["op"]
        assert (event.value["after"]["q"], event.value["after"]["r"]) == (9, "z")
    assert None not in filled.value["after"].values()
    assert deleted.value["op"] == "d"
    for field in _row(first.value_schema):
        column = read_column(field)
        assert not column.default, column.name


KEYS: list[tuple[str, str, dict[str, Any]]] = [
    ("text", "'a b'", {"k0": "a b"}),
    ("text default 'x'", "'x'", {"k0": "x"}),
    ("char(4)", "'ab'", {"k0": "ab  "}),
    ("varchar(9)", "'x'", {"k0": "x"}),
    ("numeric", "1.50", {"k0": "1.50"}),
    ("numeric", "'NaN'", {"k0": "NaN"}),
    ("date", "'infinity'", {"k0": "infinity"}),
    ("date", "'0044-03-15 BC'", {"k0": "0044-03-15 BC"}),
    ("timestamptz", "'2024-01-01 00:00:00.5+01'", {"k0": "2023-12-31 23:00:00.5+00"}),
    ("timestamp", "'-infinity'", {"k0": "-infinity"}),
    ("time", "'24:00'", {"k0": "24:00:00"}),
    ("interval", "'1 mon -1 day'", {"k0": "1 mon -1 days"}),
    ("mood", "'so so'", {"k0": "so so"}),
    ("uuid", "'6f1c2f0e-3d5b-4c57-9a51-2f3f8d1d3a10'", {"k0": "6f1c2f0e-3d5b-4c57-9a51-2f3f8d1d3a10"}),
    ("bytea", "'\\x00ff'", {"k0": b"\0\0\xff"}),
    ("int4[]", "'{{1,2},{3,4}}'", {"k0": "{{1,2},{3,4}}"}),
    ("int4range", "'[1,4]'", {"k0": "[1,5)"}),
    ("inet", "'10.0.0.1/8'", {"k0": "10.0.0.1/8"}),
    ("d_int4", "5", {"k0": 5}),
    ("d_date", "'0001-01-01'", {"k0": "0001-01-01"}),
    ("int8, numeric, date", "1, 2.0, '2024-01-01'", {"k0": 1, "k1": "2.0", "k2": "2024-01-01"}),
    ("bool, bytea, text", "true, '\\x', ''", {"k0": True, "k1": b"\0", "k2": ""}),
]


def test_a_row_has_one_key_in_snapshot_and_stream_whatever_its_type(hard: Capture) -> None:
    with psycopg.connect(hard.url, autocommit=True) as source:
        for number in range(len(KEYS)):
            source.execute(f"update key{number} set v = 2")
            source.execute(f"delete from key{number}")
    for number, (kind, _, key) in enumerate(KEYS):
        events = hard.events(f"key{number}", 4)
        assert [event.value and event.value["op"] for event in events] == ["r", "u", "d", None], kind
        assert [event.key for event in events] == [key] * 4, kind
        assert all(event.key_schema == events[0].key_schema for event in events), kind
        assert {name: events[2].value["before"][name] for name in key} == key, kind


def test_dates_that_the_driver_mixes_up_stop_the_snapshot_and_say_why(addresses: Addresses) -> None:
    with capture(addresses, "mixed_up") as connector, psycopg.connect(connector.url, autocommit=True) as source:
        source.execute("create table t (id int primary key, day date)")
        source.execute("insert into t values (1, '1582-10-10')")
        connector.start(**PLUGIN)
        with pytest.raises(AssertionError, match=r"value of public\.t\.day: dates from 1582-10-05 to 1582-10-24"):
            connector.events("t", 1)


def test_connect_lists_the_plugin(addresses: Addresses) -> None:
    answer = requests.get(f"{addresses.connect[0]}/connector-plugins?connectorsOnly=false", timeout=10).json()
    found = {entry["class"]: entry for entry in answer}["io.afflux.connect.WithoutDefaults"]
    assert (found["type"], found["version"]) == ("transformation", "1.1.0")


def test_the_same_sources_make_the_same_jar(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    jar = plugin.plugin_jar()
    made = jar.stat().st_mtime_ns
    assert plugin.plugin_jar().stat().st_mtime_ns == made
    monkeypatch.setattr(plugin, "cache_folder", lambda: tmp_path)
    again = plugin.plugin_jar()
    assert again != jar
    assert again.read_bytes() == jar.read_bytes()


def _strange_settings(source: psycopg.Connection) -> None:
    """Make the database's own settings such that text would differ, if a connector went by them."""
    name = sql.Identifier(source.info.dbname)
    settings = {
        "intervalstyle": "sql_standard",
        "bytea_output": "escape",
        "datestyle": "German",
        "timezone": "Asia/Tokyo",
    }
    for key, value in {**settings, "extra_float_digits": "-3"}.items():
        source.execute(sql.SQL("alter database {} set {} = {}").format(name, sql.Identifier(key), sql.Literal(value)))


def _where_there(source: psycopg.Connection) -> dict[str, list[str]]:
    """Choose the types that this server can be given, and give them to it."""
    there = {str(row[0]) for row in source.execute("select name from pg_available_extensions")}
    for extension in there & {needs for needs, _ in WHERE_THERE.values()}:
        source.execute(sql.SQL("create extension {}").format(sql.Identifier(extension)))
    try:
        source.execute("select '<a/>'::xml")
        there.add("libxml")
    except psycopg.errors.FeatureNotSupported:
        pass
    return {kind: values for kind, (needs, values) in WHERE_THERE.items() if needs in there}


def _columns(types: Sequence[str]) -> str:
    return ", ".join(f"c{number} {kind}" for number, kind in enumerate(types))


def _insert(source: psycopg.Connection, types: Sequence[str], row: int, values: Sequence[str | None]) -> None:
    through = {"money": "numeric::money", "money[]": "numeric[]::money[]"}
    places = ", ".join(f"%s::text::{through.get(kind, kind)}" for kind in types)
    source.execute(f"insert into t values ({row}, {places})", values)


def _texts(source: psycopg.Connection, types: Sequence[str]) -> dict[int, list[str | None]]:
    """Read what each type's output function writes; money as its number, as the wire has it."""
    source.execute(SESSION)
    names = ", ".join(f"c{number}{'::numeric' if kind == 'money' else ''}" for number, kind in enumerate(types))
    cursor = source.execute(f"select id, {names} from t")
    result = cursor.pgresult
    assert result is not None
    rows = [[result.get_value(row, at) for at in range(len(types) + 1)] for row in range(result.ntuples)]
    return {int(row[0] or 0): [None if text is None else text.decode() for text in row[1:]] for row in rows}


def _of_type(target: psycopg.Connection, ddl: str, texts: Sequence[str]) -> list[str]:
    """Write texts into a column of a type, and read them back."""
    target.execute(SESSION)
    target.execute(f"create temporary table held (n serial, v {ddl})")
    for text in texts:
        target.execute(f"insert into held (v) values (%s::text::{ddl})", [text])
    result = target.execute("select v from held order by n").pgresult
    assert result is not None
    held = [(result.get_value(row, 0) or b"").decode() for row in range(result.ntuples)]
    target.execute("drop table held")
    return held


def _row(schema: dict[str, Any] | None) -> list[dict[str, Any]]:
    assert schema is not None
    before = next(field for field in schema["fields"] if field["name"] == "before")
    (row,) = [branch for branch in before["type"] if isinstance(branch, dict)]
    fields: list[dict[str, Any]] = row["fields"]
    return fields


def _read(events: Sequence[Event]) -> dict[str, tuple[Column, pl.Series, pl.Series | None]]:
    """Read the rows after some changes as the sink does, by column."""
    read = {}
    for field in _row(events[0].value_schema):
        column = read_column(field)
        values = [event.value["after"][field["name"]] for event in events if event.value]
        read[column.name] = (column, *column.read(pl.Series(column.name, values)))
    return read


def _held(text: str | None, column: Column) -> Any:
    """Give a text as a frame holds it."""
    dtype = column.type.dtype
    if text is None or dtype == pl.String:
        return text
    if dtype == pl.Boolean:
        return text == "t"
    if dtype == pl.Binary:
        return bytes.fromhex(text.removeprefix("\\x"))
    return _comparable(float(text), column) if dtype.is_float() else int(text)


def _comparable(value: Any, column: Column) -> Any:
    """Give floats as their bytes, which tell -0 from 0 and NaN from nothing."""
    width = {pl.Float32: "f", pl.Float64: "d"}.get(column.type.dtype)
    return struct.pack(width, value) if width and value is not None else value


def _large_table(name: str, constraint: str) -> str:
    columns = ", ".join(f"c{number} {kind} {constraint}" for number, kind in enumerate(LARGE))
    external = ", ".join(f"alter c{number} set storage external" for number in range(len(LARGE)))
    return f"create table {name} (id int primary key, n int, {columns}); alter table {name} {external}"


def _key_columns(kinds: str) -> str:
    return ", ".join(f"k{number} {kind}" for number, kind in enumerate(kinds.split(", ")))


def _names(kinds: str) -> str:
    return ", ".join(f"k{number}" for number in range(len(kinds.split(", "))))

"""The directory of shards on a real PostgreSQL."""

import re
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from structlog.testing import capture_logs

from afflux.errors import SourceError, TopologyError
from afflux.topology.load import load, load_resolved
from afflux.topology.watch import Watched

pytestmark = pytest.mark.stack

TEXT = """\
name: orders
kafka: {bootstrap_servers: "127.0.0.1:9092"}
registry: {url: "http://127.0.0.1:8081"}
connect: {url: "http://127.0.0.1:8083"}
source:
  database: app
  user: cdc
  password: ${env:CDC_PASSWORD}
  shards: {query: {url: "${env:DIRECTORY}", sql: "SQL"}}
tables:
  - {source: public.orders, target: public.orders}
sinks:
  - {name: warehouse, type: postgresql, url: "${env:DW}"}
"""
SQL = "select name, host, port, database from directory.shards;"


@pytest.fixture
def directory(warehouse_url: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(warehouse_url, autocommit=True) as connection:
        connection.execute("create schema directory")
        connection.execute("create table directory.shards (name text, host inet, port int, database text, extra int)")
        connection.execute(
            "insert into directory.shards values ('shard1', '10.0.0.2', 5433, 'other'), ('shard0', '10.0.0.1', null, null)"
        )
        yield connection
        connection.execute("drop schema directory cascade")


def written(tmp_path: Path, sql: str = SQL) -> Path:
    path = tmp_path / "topology.yaml"
    path.write_text(TEXT.replace("SQL", sql))
    return path


@pytest.mark.usefixtures("directory")
def test_rows_become_shards_in_the_order_of_their_names(tmp_path: Path, warehouse_url: str) -> None:
    topology = load_resolved(written(tmp_path), environ={"DIRECTORY": warehouse_url})
    assert [(s.name, s.host, s.port, s.database) for s in topology.shards] == [
        ("shard0", "10.0.0.1", 5432, None),
        ("shard1", "10.0.0.2", 5433, "other"),
    ]


def test_the_file_alone_loads_without_the_directory(tmp_path: Path) -> None:
    assert load(written(tmp_path), environ={}).name == "orders"


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("select name, host, port, extra from directory.shards", "a column 'extra'; the columns are name, host, port"),
        ("select name, host, port as prot from directory.shards", "a column 'prot'; did you mean 'port'?"),
        ("select name, port from directory.shards", "row 1 ('shard1'): key 'host' is missing"),
        ("select 'Shard', 'h'", "a column '?column?'"),
        ("select 'Shard' as name, 'h' as host", "row 1 ('Shard'): name must be 1 to 48 lower case letters"),
        ("select 'a' as name, 'h:5' as host", "row 1 ('a'): host holds a port"),
        ("select 'a' as name, 'h' as host, 0 as port", "row 1 ('a'): port must be at least 1, not 0"),
        ("select 'a' as name, '${env:HOME}' as host", "row 1 ('a'): host holds a reference"),
        ("select 'a' as name, 'h' as host from generate_series(1, 2)", "shard 'a' is there twice"),
        ("select 'a' as name, 'h' as host where false", "the query gives no row"),
        (
            "select name, 'h' as host from (values ('a-b'), ('a_b')) v (name)",
            "makes 'afflux_orders_a_b' for shard 'a-b' and for shard 'a_b'",
        ),
        ("select n::text as name, 'h' as host from generate_series(1, 10001) n", "more than 10000 rows"),
    ],
)
@pytest.mark.usefixtures("directory")
def test_rows_that_can_be_no_shards_are_refused(tmp_path: Path, warehouse_url: str, sql: str, said: str) -> None:
    with pytest.raises(TopologyError, match=re.escape(said)) as caught:
        load_resolved(written(tmp_path, sql), environ={"DIRECTORY": warehouse_url})
    assert "directory of shards" in caught.value.message
    assert _password(warehouse_url) not in caught.value.message + caught.value.hint


@pytest.mark.parametrize(
    "sql",
    [
        "insert into directory.shards values ('x') returning name, host",
        "delete from directory.shards",
        "select name, host from directory.shards; drop table directory.shards",
        "select directory.grow() as name, 'h' as host",
        "select nothing from directory.shards",
    ],
)
def test_the_query_can_only_read(tmp_path: Path, warehouse_url: str, directory: psycopg.Connection, sql: str) -> None:
    directory.execute(
        "create function directory.grow() returns text language sql as "
        "$$ insert into directory.shards values ('x') returning name $$"
    )
    with pytest.raises(SourceError, match=r"directory of shards at \$\{env:DIRECTORY\}: ") as caught:
        load_resolved(written(tmp_path, sql), environ={"DIRECTORY": warehouse_url})
    assert not caught.value.transient
    assert directory.execute("select count(*) from directory.shards").fetchall() == [(2,)]


def test_a_directory_that_does_not_answer_may_answer_later(tmp_path: Path, warehouse_url: str) -> None:
    away = re.sub(r":\d+/", ":1/", warehouse_url)
    with pytest.raises(SourceError, match="refused") as caught:
        load_resolved(written(tmp_path), environ={"DIRECTORY": away})
    assert caught.value.transient
    assert _password(warehouse_url) not in caught.value.message + caught.value.hint


def test_a_wrong_password_is_told_without_the_password(tmp_path: Path, warehouse_url: str) -> None:
    wrong = warehouse_url.replace(_password(warehouse_url), "hunter2")
    with pytest.raises(SourceError, match="password authentication failed") as caught:
        load_resolved(written(tmp_path), environ={"DIRECTORY": wrong})
    assert "hunter2" not in caught.value.message + caught.value.hint


def test_a_url_that_postgresql_does_not_understand_shows_nothing_of_itself(tmp_path: Path) -> None:
    with pytest.raises(TopologyError, match="is not one that PostgreSQL understands") as caught:
        load_resolved(written(tmp_path), environ={"DIRECTORY": "postgresql://u:hunter2%zz@h/d"})
    assert "hunter2" not in caught.value.message + caught.value.hint


def test_a_changed_directory_is_followed_and_a_lost_one_reported_once(
    tmp_path: Path, warehouse_url: str, directory: psycopg.Connection
) -> None:
    environ = {"DIRECTORY": warehouse_url}
    watched = Watched(written(tmp_path), environ)
    watched.load()
    assert watched.poll() is None
    directory.execute("insert into directory.shards values ('shard2', '10.0.0.3')")
    changed = watched.poll()
    assert changed is not None
    assert [shard.name for shard in changed.shards] == ["shard0", "shard1", "shard2"]
    environ["DIRECTORY"] = re.sub(r":\d+/", ":1/", warehouse_url)
    with capture_logs() as logs:
        assert watched.poll() is None
        assert watched.poll() is None
        environ["DIRECTORY"] = warehouse_url
        assert watched.poll() is None
    assert [entry["event"] for entry in logs] == ["topology wrong, the old one stays", "topology right again"]


def _password(url: str) -> str:
    found = re.search(r"://[^:]+:([^@]+)@", url)
    assert found is not None
    return found[1]

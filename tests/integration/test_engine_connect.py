"""A sink inside Kafka Connect: rows of two shards, by Debezium's JDBC sink, planned and looked after like the rest."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from afflux.clients.connect import Connect
from afflux.control.wanted.sink_settings import SINK_CLASS
from afflux.stack import Addresses, Stack
from chaos.waiting import wait_for
from estate import PATIENCE, Estate, estate

pytestmark = pytest.mark.stack

BENCH = Path(__file__).parents[2] / "bench"
ITEMS = "SELECT id, note, amount, large FROM $.items"


@pytest.fixture(scope="module")
def own(addresses: Addresses, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Addresses]:
    """The shared stack where its Connect has the JDBC sink, or one that has."""
    if SINK_CLASS in Connect(addresses.connect[0]).plugins():
        yield addresses
        return
    stack = Stack(tmp_path_factory.mktemp("jdbc"))
    try:
        yield stack.up(shards=2, jdbc_sink=True)
    finally:
        stack.down(purge=True)


@pytest.fixture(scope="module")
def home(own: Addresses, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Estate]:
    """Two shards with equal keys in `items`, which was made in the target with its types, and others in `orders`."""
    tables = [{"source": r".*\.items", "key": "with_shard"}, {"source": r"engine\d*\..*"}]
    with estate(own, tmp_path_factory.mktemp("engine"), "engine", tables=tables, engine="connect") as made:
        made.sql(
            "CREATE TABLE $.items (id int PRIMARY KEY, note text DEFAULT 'none', amount numeric(12, 4), large text)",
            "ALTER TABLE $.items ALTER large SET STORAGE EXTERNAL",
            "INSERT INTO $.items SELECT n, 'first', n * 1.5, repeat(md5(n::text), 100) FROM generate_series(1, 100) n",
            "CREATE TABLE $.orders (id int PRIMARY KEY, at timestamptz)",
        )
        for shard in made.shards:
            made.sql(f"INSERT INTO $.orders SELECT n, now() FROM generate_series({shard}, 99, 2) n", shard=shard)
        made.target(
            "CREATE SCHEMA $",
            "CREATE TABLE $.items (_shard text, id int, note text, amount numeric(12, 4), large text, PRIMARY KEY (_shard, id))",
        )
        made.apply()
        yield made


def equal(home: Estate) -> None:
    items = sorted((f"shard{n}", *row) for n in home.shards for row in home.sql(ITEMS, shard=n))
    orders = sorted(row for n in home.shards for row in home.sql("SELECT id, at FROM $.orders", shard=n))
    there = "SELECT _shard, id, note, amount, large FROM $.items ORDER BY 1, 2"
    home_has = "SELECT to_regclass('$.orders') IS NOT NULL"

    def same() -> bool:
        return (
            home.target(there) == items
            and home.target(home_has) == [(True,)]
            and home.target("SELECT id, at FROM $.orders ORDER BY 1") == orders
        )

    wait_for(same, PATIENCE, lambda: f"{len(items)} rows, and not {len(home.target(there))}: {statuses(home)}")


def statuses(home: Estate) -> list[tuple[str, str]]:
    return [(each["shard"], each["verdict"]) for each in home.ask("connectors", "status", code=None)]


def test_rows_of_all_shards_arrive_and_a_second_plan_is_empty(home: Estate) -> None:
    equal(home)
    plan = home.ask("connectors", "plan")
    assert (plan["actions"], plan["problems"]) == ([], [])


def test_changes_arrive_exactly(home: Estate) -> None:
    home.sql(
        "UPDATE $.items SET note = NULL, amount = 0.0001 WHERE id % 3 = 0",  # the large value is unchanged
        "DELETE FROM $.items WHERE id % 10 = 0",
        "UPDATE $.orders SET at = at + interval '1 us'",
    )
    home.sql("UPDATE $.items SET id = id + 1000 WHERE id < 20", shard=1)
    equal(home)


def test_a_sink_that_was_deleted_by_hand_is_drift_and_goes_on_where_it_stood(home: Estate) -> None:
    name = f"{home.name}-shard0.warehouse"
    Connect(home.addresses.connect[0]).delete(name)
    home.sql("INSERT INTO $.items VALUES (5000, 'while there was none', 1, NULL)", shard=0)
    drift = home.ask("connectors", "drift", code=3)
    assert name in str(drift)
    assert dict(statuses(home))["shard0"] == "missing"
    home.apply()
    equal(home)


def test_what_afflux_does_not_keep_there_is_said(home: Estate) -> None:
    with pytest.raises(Exception, match="engine: connect"):
        home.operate("positions", "show", code=None)


def test_the_benchmark_beside_it_ends_with_equal_tables(own: Addresses) -> None:
    command = [
        sys.executable,
        str(BENCH / "jdbc.py"),
        "--state",
        str(own.topology.parent),
        "--rows",
        "1000",
        "--runs",
        "1",
        "--warm",
        "0",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["equal"] is True
    assert found["events"] == 1000 + 1000 + 0 + 64

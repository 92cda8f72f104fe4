"""Tables and partitions that come while others stream, from the shard to the target."""

import itertools
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from afflux.stack import Addresses
from estate import Estate, estate

pytestmark = pytest.mark.stack


@pytest.fixture
def place(addresses: Addresses, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Estate]:
    with estate(addresses, tmp_path, str(request.param), shards=1) as made:
        yield made


@contextmanager
def busy(place: Estate) -> Iterator[None]:
    """Change rows all the while, also of a table that is being copied: copies beside changes fail now and then."""
    ended = threading.Event()

    def change() -> None:
        with psycopg.connect(place.addresses.shards[0].admin_url, autocommit=True) as connection:
            for turn in itertools.takewhile(lambda _: not ended.wait(0.002), itertools.count()):
                connection.execute(f"update {place.name}.first set note = 'turn {turn}'")
                connection.execute(f"update {place.name}.plain set note = 'turn' where id % 50 = {turn % 50}")

    thread = threading.Thread(target=change)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


@pytest.mark.parametrize("place", ["parted"], indirect=True)
def test_a_partitioned_table_is_one_table_whatever_becomes_of_its_partitions(place: Estate) -> None:
    place.sql(
        "create table $.events (id int, region text, note text, primary key (id, region)) partition by list (region)",
        "create table $.events_eu partition of $.events for values in ('eu')",
        "create table $.events_us partition of $.events for values in ('us')",
        "insert into $.events select n, case n % 2 when 0 then 'eu' else 'us' end, 'old' from generate_series(1, 50) n",
    )
    place.apply()
    place.daemon.start()
    place.await_equal("events")
    place.sql(
        "update $.events set region = 'us', note = 'moved' where id = 2",
        "create table $.events_asia partition of $.events for values in ('asia')",
        "insert into $.events values (100, 'asia', 'born in a new partition')",
        "create table $.africa (like $.events including all)",
        "insert into $.africa values (200, 'africa', 'older than its place')",
        "alter table $.events attach partition $.africa for values in ('africa')",
        "insert into $.events values (201, 'africa', 'younger')",
    )
    # A partition that was made as one needs nothing; the rows that one was attached with are in no change.
    (action,) = place.ask("connectors", "drift", code=3)["actions"]
    assert action["kind"] == "copy tables"
    assert "africa was attached" in action["reason"]
    place.apply()
    place.await_equal("events")
    place.operate("connectors", "drift")

    # To PostgreSQL detaching deletes nothing: the rows stay in the target until the table is read anew.
    place.sql("alter table $.events detach partition $.events_us", "update $.events_us set note = 'alone'")
    assert "set publication" in {each["kind"] for each in place.ask("connectors", "drift", code=3)["actions"]}
    place.apply()
    place.await_equal("events_us")
    assert place.compare("events").equal is False
    place.operate("tables", "resync", f"{place.name}.events")
    place.await_equal("events")


@pytest.mark.parametrize("place", ["added"], indirect=True)
def test_a_table_that_comes_later_brings_its_rows_into_the_target(place: Estate) -> None:
    place.tables = [{"source": f"{place.name}.first"}]
    place.write()
    place.sql("create table $.first (id int primary key, note text)", "insert into $.first values (1, 'old')")
    place.apply()
    place.daemon.start()
    place.await_equal("first")
    place.sql(
        "create table $.plain (id int primary key, note text)",
        "create table $.made (id int primary key, note text, twice int generated always as (2 * id) stored)",
        "insert into $.plain select n, 'old' from generate_series(1, 3000) n",
        "insert into $.made select n, 'old' from generate_series(1, 500) n",
        "create table $.log (line text)",
        "alter table $.log replica identity full",
        "insert into $.log select 'old' from generate_series(1, 100) n",
    )
    place.operate("connectors", "drift")
    place.tables = [{"source": f"{place.name}.log", "mode": "append"}, {"source": rf"{place.name}\..*"}]
    place.write()
    assert {each["object"] for each in place.ask("connectors", "plan", code=3)["actions"]} >= {
        f"rows of {place.name}.plain",
        f"rows of {place.name}.log, {place.name}.made",
    }
    with busy(place):
        place.operate("connectors", "apply")
    (shard,) = place.ask("connectors", "status")
    assert (shard["verdict"], shard["copying"]) == ("streaming", [])
    place.sql("insert into $.plain values (4000, 'new')", "update $.made set note = 'new' where id = 7")
    for table in ("first", "plain"):
        place.await_equal(table)
    place.await_target("select count(*), max(note) filter (where id = 7) from $.made", [(500, "new")])
    place.await_target("select count(*) from $.log", [(100,)])
    place.operate("connectors", "drift")

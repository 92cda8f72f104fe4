"""Tables read anew on the real parts: whatever went wrong in between, the target ends equal, under load."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest

from afflux.stack import Addresses
from chaos.waiting import wait_for
from estate import PATIENCE, Estate, estate

pytestmark = pytest.mark.stack

TABLES = ("orders", "Odd Name", "sums", "vacant")
LARGE = "repeat(md5(n::text), 200)"


@pytest.fixture(scope="module")
def home(addresses: Addresses, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Estate]:
    """Two shards with tables of several kinds, a daemon, and all of it in the target."""
    with estate(addresses, tmp_path_factory.mktemp("resync"), "resync") as made:
        made.sql(
            "CREATE TABLE $.orders (id int PRIMARY KEY, note text, doc text)",
            "ALTER TABLE $.orders ALTER doc SET STORAGE EXTERNAL",
            'CREATE TABLE $."Odd Name" (id int PRIMARY KEY, note text)',
            "CREATE TABLE $.sums (id int PRIMARY KEY, note text, twice int GENERATED ALWAYS AS (id * 2) STORED)",
            "CREATE TABLE $.vacant (id int PRIMARY KEY, note text)",
        )
        for shard in made.shards:
            numbers = f"generate_series({shard}, 5999, 2) n"
            made.sql(
                f"INSERT INTO $.orders SELECT n, 'first', CASE WHEN n % 50 < 2 THEN {LARGE} END FROM {numbers}",
                shard=shard,
            )
            made.sql(f"INSERT INTO $.\"Odd Name\" SELECT n, 'first' FROM {numbers} WHERE n < 60", shard=shard)
            made.sql(f"INSERT INTO $.sums (id, note) SELECT n, 'first' FROM {numbers} WHERE n < 60", shard=shard)
            made.sql(f"INSERT INTO $.vacant VALUES ({shard}, 'last')", shard=shard)
        made.apply()
        made.daemon.start()
        for table in TABLES:
            made.await_equal(table)
        yield made


@contextmanager
def load(home: Estate) -> Iterator[None]:
    """Change rows of `orders` on both shards all the while."""
    ended = threading.Event()
    failed: list[Exception] = []

    def change(shard: int) -> None:
        turn = 0
        try:
            with psycopg.connect(home.addresses.shards[shard].admin_url, autocommit=True) as connection:
                while not ended.wait(0.01):
                    turn += 1
                    some = f"id % 500 = {turn * 2 % 500 + shard}"
                    connection.execute(f"UPDATE {home.name}.orders SET note = 'turn {turn}' WHERE {some}")
                    connection.execute(f"DELETE FROM {home.name}.orders WHERE id = {(turn * 14) % 6000 + shard}")
                    connection.execute(
                        f"INSERT INTO {home.name}.orders VALUES ({turn * 2 + 10_000 + shard}, 'born', NULL) ON CONFLICT DO NOTHING"
                    )
        except Exception as error:  # noqa: BLE001 - told by the main thread
            failed.append(error)

    threads = [threading.Thread(target=change, args=[shard]) for shard in home.shards]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        ended.set()
        for thread in threads:
            thread.join()
    assert not failed, failed


def states(home: Estate) -> set[str]:
    return {state for (state,) in home.target("SELECT state FROM afflux.resyncs WHERE topology = '$'")}


def test_a_target_that_was_changed_by_hand_is_read_anew_under_load(home: Estate) -> None:
    """Tables of all kinds, one of which is empty at the shards."""
    home.sql("DELETE FROM $.vacant")
    home.await_equal("vacant")
    home.target(
        "DELETE FROM $.orders WHERE id % 7 = 0",
        "UPDATE $.orders SET note = 'wrong', doc = NULL WHERE id % 11 = 0",
        "INSERT INTO $.orders (id, note, _shard, _lsn) VALUES (900000, 'of nobody', 'shard0', 1)",
        "INSERT INTO $.sums (id, note, _shard, _lsn) VALUES (900, 'of nobody', 'shard1', 1)",
        "DELETE FROM $.sums WHERE id < 20",
        'DELETE FROM $."Odd_Name" WHERE id < 20',
        "INSERT INTO $.vacant (id, note, _shard, _lsn) VALUES (5, 'of nobody', 'shard0', 1)",
    )
    with load(home):
        found = home.ask("tables", "resync", "--all", "--wait", "90")
    assert ({each["state"] for each in found}, len(found)) == ({"done"}, 8), found
    for table in TABLES:
        home.await_equal(table)
    home.daemon.await_line("resynchronised", times=8)


def test_what_changed_while_the_slot_was_gone_is_in_the_target_and_what_was_deleted_is_not(home: Estate) -> None:
    slot = f"afflux_{home.name}_shard0"
    reader = f"SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = '{slot}' AND active"
    drop = f"SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = '{slot}' AND NOT active"

    def gone() -> bool:
        home.sql(reader, drop, shard=0)
        return home.sql(f"SELECT FROM pg_replication_slots WHERE slot_name = '{slot}'", shard=0) == []

    wait_for(gone, PATIENCE, "the slot to be gone")
    home.sql(
        "DELETE FROM $.orders WHERE id % 4 = 0",
        "UPDATE $.orders SET doc = repeat('changed unseen', 500) WHERE id % 6 = 2",
        "UPDATE $.orders SET id = id + 100000 WHERE id % 10 = 6",
        "INSERT INTO $.orders SELECT n, 'born unseen' FROM generate_series(200000, 200020, 2) n",
        'TRUNCATE $."Odd Name"',
        shard=0,
    )
    with load(home):
        home.operate("connectors", "resync", "shard0", "--yes")
    for table in ("orders", "Odd Name", "sums"):
        home.await_equal(table)
    wait_for(lambda: states(home) == {"done"}, PATIENCE, lambda: f"its end\n{home.daemon.tail()}")
    home.sql("UPDATE $.orders SET note = 'after it'", shard=0)
    home.await_equal("orders")

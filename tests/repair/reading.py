"""Tables read anew on the real parts, in longer: one shard alone, between changes, with a daemon that comes later."""

from collections.abc import Iterator

import pytest

from afflux.stack import Addresses
from chaos.waiting import wait_for
from estate import PATIENCE, Estate, estate

pytestmark = pytest.mark.stack


@pytest.fixture(scope="module")
def home(addresses: Addresses, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Estate]:
    with estate(addresses, tmp_path_factory.mktemp("reading"), "reading") as made:
        made.sql(
            "CREATE TABLE $.orders (id int PRIMARY KEY, note text)",
            "CREATE TABLE $.sums (id int PRIMARY KEY, note text)",
        )
        for shard in made.shards:
            made.sql(f"INSERT INTO $.orders SELECT n, 'first' FROM generate_series({shard}, 5999, 2) n", shard=shard)
            made.sql(f"INSERT INTO $.sums SELECT n, 'first' FROM generate_series({shard}, 59, 2) n", shard=shard)
        made.apply()
        made.daemon.start()
        made.await_equal("orders")
        made.await_equal("sums")
        yield made


def states(home: Estate) -> set[str]:
    return {state for (state,) in home.target("SELECT state FROM afflux.resyncs WHERE topology = '$'")}


def test_a_table_is_read_between_its_changes(home: Estate) -> None:
    """Debezium may fail at the start of it (`control.reread`): then it is asked again, as a person would."""
    home.target("UPDATE $.orders SET note = 'wrong' WHERE id < 2000", "DELETE FROM $.orders WHERE id > 4000")

    def done() -> bool:
        home.apply()
        asked = home.ask("tables", "resync", f"{home.name}.orders", "--incremental", "--wait", "30", code=None)
        return {each["state"] for each in asked} == {"done"}

    wait_for(done, PATIENCE, home.daemon.tail)
    home.await_equal("orders")


def test_one_shard_alone_is_read_anew(home: Estate) -> None:
    home.target("UPDATE $.sums SET note = 'wrong' WHERE id < 10")
    home.operate("tables", "resync", f"{home.name}.sums", "--shard", "shard1", "--wait", "90")
    wrong = "SELECT DISTINCT _shard FROM $.sums WHERE note = 'wrong'"
    assert home.target(wrong) == [("shard0",)]
    home.operate("tables", "resync", f"{home.name}.sums", "--shard", "shard0", "--wait", "90")
    home.await_equal("sums")


def test_a_daemon_that_comes_later_ends_what_was_asked_for_without_it(home: Estate) -> None:
    home.target("INSERT INTO $.sums (id, note, _shard, _lsn) VALUES (901, 'of nobody', 'shard0', 1)")
    home.daemon.leave()
    home.operate("tables", "resync", f"{home.name}.sums", "--shard", "shard0")
    assert "asked" in states(home)
    home.daemon.start()
    wait_for(lambda: states(home) == {"done"}, PATIENCE, lambda: f"its end\n{home.daemon.tail()}")
    home.await_equal("sums")

"""Equal keys of two shards, on the real parts: seen by the daemon, told by `verify`, over when one goes."""

from collections.abc import Iterator

import pytest

from afflux.stack import Addresses
from chaos.waiting import wait_for
from estate import PATIENCE, Estate, estate

pytestmark = pytest.mark.stack


@pytest.fixture
def home(addresses: Addresses, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Estate]:
    more = {"source": {"move_window": "1s"}}
    with estate(addresses, tmp_path_factory.mktemp("collisions"), "collisions", **more) as made:
        made.sql("CREATE TABLE $.orders (id int PRIMARY KEY, note text)", "CREATE TABLE $.calm (id int PRIMARY KEY)")
        for shard in made.shards:
            made.sql(f"INSERT INTO $.orders VALUES ({shard}, 'mine'), (7, 'of shard {shard}')", shard=shard)
            made.sql(f"INSERT INTO $.calm VALUES ({shard})", shard=shard)
        made.apply()
        made.daemon.start()
        made.await_equal("calm")
        yield made


def test_equal_keys_of_two_shards_are_told_and_are_over_when_one_goes(home: Estate) -> None:
    told = home.daemon.await_line("collision")
    assert (told["table"], told["key"], told["shards"]) == (f"{home.name}.orders", '["7"]', ["shard0", "shard1"])
    wait_for(lambda: home.daemon.metric("afflux_sink_collisions") == 1, PATIENCE, "the gauge")
    found = {each["table"]: each for each in home.ask("verify", code=3)}
    assert (found[f"{home.name}.calm"]["equal"], found[f"{home.name}.calm"]["collisions"]) == (True, 0)
    orders = found[f"{home.name}.orders"]
    assert (orders["source_rows"], orders["target_rows"], orders["missing"], orders["collisions"]) == (4, 3, 1, 1)
    assert orders["colliding"] == [{"key": '["7"]', "shards": ["shard0", "shard1"]}]
    home.ask("verify", "--table", f"{home.name}.calm")
    home.sql("DELETE FROM $.orders WHERE id = 7", shard=0)
    home.await_target("SELECT note FROM $.orders WHERE id = 7", [("of shard 1",)])
    wait_for(lambda: home.daemon.metric("afflux_sink_collisions") == 0, PATIENCE, "the gauge")
    home.ask("verify", "--wait", "30")
    assert len(home.daemon.lines("collision")) == 1

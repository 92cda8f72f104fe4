"""Shards join and leave a running daemon's topology, on the real parts."""

from signal import SIGHUP

import pytest

from afflux.control import Extent, remove
from afflux.stack import Addresses
from afflux.topology.load import load_resolved
from estate import Estate, estate

pytestmark = pytest.mark.stack


def rows_of(home: Estate) -> set[str]:
    return {shard for (shard,) in home.target("SELECT DISTINCT _shard FROM $.orders")}


def test_a_shard_joins_a_table_that_has_rows_and_one_leaves_with_its_rows(
    addresses: Addresses, tmp_path_factory: pytest.TempPathFactory
) -> None:
    more = {"source": {"on_shard_removed": "delete"}}
    with estate(addresses, tmp_path_factory.mktemp("shards"), "shards", **more) as home:
        for shard in range(3):
            home.sql("CREATE TABLE $.orders (id int PRIMARY KEY, note text)", shard=shard)
            home.sql(
                f"INSERT INTO $.orders SELECT n, 'of {shard}' FROM generate_series({shard}, 299, 3) n", shard=shard
            )
        home.apply()
        home.daemon.start()
        home.await_equal("orders")

        home.shards.append(2)
        home.write()
        home.daemon.send(SIGHUP)
        home.apply()
        home.await_equal("orders")
        home.sql("INSERT INTO $.orders VALUES (7, 'on two shards')", shard=2)
        home.await_target("SELECT note FROM $.orders WHERE id = 7", [("on two shards",)])

        home.shards.remove(2)
        home.write()
        home.daemon.send(SIGHUP)
        home.daemon.await_line("shard not in the topology any more")
        assert rows_of(home) == {"shard0", "shard1", "shard2"}, "other workers may have it yet"
        home.target(
            "UPDATE afflux.shards SET seen_at = seen_at - interval '1 hour' WHERE topology = '$' AND shard = 'shard2'"
        )
        home.daemon.await_line("rows deleted")
        home.await_equal("orders")
        assert home.target("SELECT note FROM $.orders WHERE id = 7") == [("of 1",)]
        remove(load_resolved(home.path), ["shard2"], Extent(slot=True, publication=True, offsets=True))
        home.sql("UPDATE $.orders SET note = 'and on it goes'")
        home.await_equal("orders")
        home.ask("verify", "--wait", "30")

"""A truncate that meets the read of an incremental snapshot, on the real parts: no row that it removed comes back."""

import time

import psycopg
import pytest

from afflux.clients.catalog import Relation
from afflux.clients.servers import servers
from afflux.control.wanted.settings import include_list
from afflux.stack import Addresses
from afflux.topology.load import load_resolved
from chaos.waiting import wait_for
from estate import PATIENCE, Estate, estate

pytestmark = pytest.mark.stack

TRIES = 8
OVERTAKEN = "rows of a snapshot were overtaken by a truncate"
READING = "SELECT FROM pg_stat_activity WHERE state = 'active' AND query LIKE %s AND pid <> pg_backend_pid()"


def truncate_while_it_is_read(home: Estate, turn: int) -> None:
    """Ask for a snapshot, and truncate when the server is at work on its rows."""
    to = servers(load_resolved(home.path))
    to.signals.snapshot(f"{home.name}-shard0", id=f"turn{turn}", tables=[include_list([Relation(home.name, "wide")])])
    reading, give_up = f'SELECT * FROM "{home.name}"."wide"%LIMIT%', time.monotonic() + 20
    with psycopg.connect(home.addresses.shards[0].admin_url, autocommit=True) as shard:
        while not shard.execute(READING, [reading]).fetchall() and time.monotonic() < give_up:
            time.sleep(0.001)
        shard.execute(f"TRUNCATE {home.name}.wide")
        shard.execute(f"INSERT INTO {home.name}.wide SELECT n, 'after it' FROM generate_series(1, 2000, 7) n")


def test_rows_that_a_truncate_has_removed_do_not_come_back_by_a_snapshot(
    addresses: Addresses, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with estate(addresses, tmp_path_factory.mktemp("truncate"), "truncate", shards=1) as home:
        home.sql(
            "CREATE TABLE $.wide (id int PRIMARY KEY, note text)", "ALTER TABLE $.wide ALTER note SET STORAGE EXTERNAL"
        )
        home.apply()
        home.daemon.start()
        for turn in range(TRIES):
            home.sql(
                "INSERT INTO $.wide SELECT n, repeat('wide', 2500) FROM generate_series(1, 1200) n ON CONFLICT DO NOTHING"
            )
            home.await_equal("wide")
            truncate_while_it_is_read(home, turn)
            told = f"turn{turn}"

            def ended(wanted: str = told) -> bool:
                notices = servers(load_resolved(home.path)).notifications.since(0)
                return any(n.id == wanted and n.kind in {"COMPLETED", "ABORTED"} for n in notices)

            wait_for(ended, PATIENCE, "the snapshot's end", every=0.5)
            home.apply()  # Debezium may have given its task up with the snapshot
            home.sql(f"INSERT INTO $.wide VALUES ({10_000 + turn}, 'marker')")
            home.await_target(f"SELECT id FROM $.wide WHERE id = {10_000 + turn}", [(10_000 + turn,)])
            home.await_equal("wide")
            if home.daemon.lines(OVERTAKEN):
                return
    pytest.fail(f"no truncate met the read of a snapshot in {TRIES} tries")

"""A lake on the real stack: what the shards commit is in Delta tables, row for row, beside a warehouse."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from afflux.sinks.delta.store import Store
from afflux.stack import Addresses
from chaos.waiting import wait_for
from chaos.worker import Worker
from estate import PATIENCE, Estate, estate

pytestmark = pytest.mark.stack

MAKE = """
CREATE TABLE $.things (
  id bigint PRIMARY KEY, price numeric(12,4), tags text[], made timestamptz, local timestamp, day date,
  body text, raw bytea, data jsonb, half real, whole double precision, ok boolean, at time, gap interval, free numeric)"""
FILL = """
INSERT INTO $.things SELECT n, n / 7.0, ARRAY['a "q"', NULL, 'b,' || n], timestamptz '2024-02-29 12:34:56.123456+01' + n * interval '1 h',
  '9999-12-31 23:59:59.999999', date '0001-01-01' + n, repeat('large ' || n, 900), decode('00ff', 'hex'), '{{"a": 1.10}}',
  1.1, 1e23, n % 2 = 0, '24:00', '1 mon -2 days', 1e40 + n FROM generate_series({first}, {last}) n"""


@pytest.fixture(scope="module")
def home(addresses: Addresses, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Estate]:
    folder = tmp_path_factory.mktemp("lake")
    with estate(addresses, folder, "lake", lake=folder / "lake", shards=2) as made:
        made.sql(MAKE)
        for shard in (0, 1):
            made.sql(FILL.format(first=1 + shard * 1000, last=300 + shard * 1000), shard=shard)
        made.apply()
        for daemon in made.daemons:
            daemon.start()
        yield made


def test_a_lake_and_a_warehouse_hold_the_same_each_from_its_own_positions(home: Estate) -> None:
    home.await_equal("things", lake=True)
    home.await_equal("things")
    home.sql("UPDATE $.things SET price = -price, ok = NOT ok WHERE id % 3 = 0")
    home.sql("DELETE FROM $.things WHERE id % 5 = 0")
    home.sql("UPDATE $.things SET id = id + 100000 WHERE id % 7 = 0")
    home.sql("ALTER TABLE $.things ADD COLUMN more int8", "INSERT INTO $.things (id, more) VALUES (500000, 2)", shard=0)
    home.await_equal("things", lake=True)
    home.await_equal("things")
    groups = [home.ask("positions", "show", "--sink", sink) for sink in ("warehouse", "lake")]
    assert all(groups)


def test_two_daemons_share_a_lake_and_one_goes_on_alone(home: Estate) -> None:
    (first,) = (daemon for daemon in home.daemons if daemon.name.endswith(" lake"))
    second = Worker("second daemon", first.topology, first.log.with_name("second.log"), "lake")
    second.start()
    try:
        for daemon in (first, second):
            wait_for(daemon.holds, PATIENCE, lambda: f"partitions for both\n{first.tail()}\n{second.tail()}")
        for turn in range(4):
            home.sql(f"UPDATE $.things SET body = 'turn {turn}' || body, half = {turn} WHERE id % 2 = 0")
            home.sql(f"DELETE FROM $.things WHERE id % 100 = {turn}")
        wait_for(lambda: home.compare("things", lake=True).equal, PATIENCE, lambda: f"{second.tail()}\n{first.tail()}")
        home.sql("UPDATE $.things SET ok = NOT ok")
    finally:
        second.kill()
    home.sql("UPDATE $.things SET half = -1")
    home.await_equal("things", lake=True)


def test_a_run_that_ends_by_itself_waits_for_no_batch_to_fill(
    home: Estate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home.await_equal("things", lake=True)
    path, topology = str(tmp_path / "lake"), tmp_path / "slow.yaml"
    slow = {"name": "slow", "type": "delta", "path": path, "batch": {"rows": 10_000_000, "seconds": 86_400}}
    topology.write_text(home.path.read_text().replace(json.dumps(home.sinks), json.dumps([slow])))
    command = [sys.executable, "-m", "afflux", "run", "-t", str(topology), "--until-caught-up"]
    subprocess.run(command, check=True, timeout=PATIENCE)
    monkeypatch.setattr(home, "lake", type(home.lake)(Store(path)))
    assert home.compare("things", lake=True).equal

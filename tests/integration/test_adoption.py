"""Connectors made by hand through Connect's own REST API are adopted as they are: nothing is made or copied again."""

import secrets
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
import requests
from tenacity import Retrying, retry_if_result, stop_after_delay, wait_fixed

from afflux import control
from afflux.clients.connect import Connect
from afflux.stack import Addresses
from afflux.topology.load import load

pytestmark = pytest.mark.stack

NAME = f"byhand{secrets.token_hex(3)}"


def config(addresses: Addresses, shard: int) -> dict[str, str]:
    at = addresses.shards[shard]
    registry = addresses.registry.replace("/apis/ccompat/v7", "/apis/registry/v2")
    return {
        "connector.class": "io.debezium.connector.postgresql.PostgresConnector",
        "plugin.name": "pgoutput",
        "database.hostname": at.host,
        "database.port": str(at.port),
        "database.dbname": at.database,
        "database.user": "cdc",
        "database.password": f"${{file:{addresses.secrets}:cdc_password}}",
        "topic.prefix": f"{NAME}-{at.name}",
        "slot.name": f"{NAME}_{at.name}",
        "publication.name": NAME,
        "publication.autocreate.mode": "filtered",
        "table.include.list": rf"{NAME}\.orders",
        "key.converter.apicurio.registry.url": registry,
        "value.converter.apicurio.registry.url": registry,
        "topic.creation.default.partitions": "1",
        "topic.creation.default.replication.factor": "1",
    }


@pytest.fixture
def by_hand(addresses: Addresses) -> Iterator[list[str]]:
    """Two connectors that run, each with a slot, a publication and a topic; their names."""
    connect = addresses.connect[0]
    names = [f"{shard.name}.{NAME}" for shard in addresses.shards[:2]]
    for shard in addresses.shards[:2]:
        with psycopg.connect(shard.admin_url, autocommit=True) as source:
            source.execute(f"create schema {NAME}")
            source.execute(f"create table {NAME}.orders (id int primary key)")
            source.execute(f"insert into {NAME}.orders values (1)")
    for number, name in enumerate(names):
        made = requests.put(f"{connect}/connectors/{name}/config", json=config(addresses, number), timeout=60)
        assert made.ok, made.text
    yield names
    for number, shard in enumerate(addresses.shards[:2]):
        Connect(connect).delete(names[number])
        with psycopg.connect(shard.superuser_url, autocommit=True) as source:
            source.execute(
                "select pg_terminate_backend(active_pid) from pg_replication_slots where slot_name = %s and active",
                [f"{NAME}_{shard.name}"],
            )
            dropped = "select pg_drop_replication_slot(slot_name) from pg_replication_slots where slot_name = %s"
            Retrying(stop=stop_after_delay(30), wait=wait_fixed(0.5))(source.execute, dropped, [f"{NAME}_{shard.name}"])
            source.execute(f"drop publication if exists {NAME}")
            source.execute(f"drop schema {NAME} cascade")


def test_adopted_connectors_keep_running_and_nothing_is_copied_again(
    by_hand: list[str], addresses: Addresses, tmp_path: Path
) -> None:
    connect = Connect(addresses.connect[0])
    slots = _await_slots(addresses)
    path = tmp_path / "topology.yaml"
    words = [
        "init",
        "--from-connect",
        addresses.connect[0],
        "--connector",
        f"*{NAME}",
        "--name",
        NAME,
        "--to",
        str(path),
    ]
    done = subprocess.run([sys.executable, "-m", "afflux", *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    path.write_text(_only_ours(path.read_text(), addresses))
    topology = load(path)
    before = {name: connect.connectors()[name].config for name in by_hand}
    report = control.apply_topology(topology, wait=60)
    assert report.ok, report.plan.problems
    again = control.plan_topology(topology)
    assert again.actions == ()
    assert {name: connect.connectors()[name].config for name in by_hand} == before
    assert _await_slots(addresses) == slots


def _only_ours(text: str, addresses: Addresses) -> str:
    return text.replace("bootstrap_servers: 127.0.0.1:9092", f"bootstrap_servers: {addresses.kafka}")


def _await_slots(addresses: Addresses) -> list[Any]:
    """Wait until each slot is read, and return what tells it from one made anew."""
    found = []
    for shard in addresses.shards[:2]:
        with psycopg.connect(shard.superuser_url, autocommit=True) as source:

            def ask(source: psycopg.Connection = source, name: str = f"{NAME}_{shard.name}") -> Any:
                query = "select slot_name, catalog_xmin is not null from pg_replication_slots where slot_name = %s and active"
                return source.execute(query, [name]).fetchone()

            patient = Retrying(
                retry=retry_if_result(lambda row: row is None), stop=stop_after_delay(90), wait=wait_fixed(0.5)
            )
            found.append(patient(ask))
    return found

"""The printed rights are enough: roles made by them, and by nothing else, set up a connector and fill a target."""

import os
import secrets
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import psycopg
import pytest
import yaml
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from afflux import control
from afflux.onboarding.rights import sink_rights, source_rights
from afflux.stack import Addresses
from afflux.topology import properties
from afflux.topology.load import load
from afflux.topology.model import Topology

pytestmark = pytest.mark.stack

NAME = f"granted{secrets.token_hex(3)}"
SOURCE, TARGET = f"{NAME}_cdc", f"{NAME}_sink"
TABLE = sql.Identifier(NAME, "odd \"name'")
PASSWORD = secrets.token_urlsafe(12)


@contextmanager
def as_superuser(url: str, addresses: Addresses, **other: str) -> Iterator[psycopg.Connection]:
    password = properties.parse(addresses.secrets.read_text())["postgres_password"]
    at = {**conninfo_to_dict(url), "user": "postgres", "password": password, **other}
    with psycopg.connect(**at, autocommit=True) as connection:  # type: ignore[arg-type] # all of them are texts
        yield connection


def run(connection: psycopg.Connection, statements: Sequence[str], role: str) -> None:
    for _twice in range(2):
        for statement in statements:
            connection.execute(statement.encode())
    connection.execute(sql.SQL("alter role {} password {}").format(sql.Identifier(role), sql.Literal(PASSWORD)))


@pytest.fixture
def topology(addresses: Addresses, tmp_path: Path) -> Iterator[tuple[Path, Topology]]:
    """Of one shard and one table with an odd name, read and written by roles that do not exist yet."""
    (tmp_path / "secrets").write_text(f"password={PASSWORD}\n")
    secret = f"${{file:{tmp_path / 'secrets'}:password}}"
    server = conninfo_to_dict(addresses.warehouse_url)
    at = f"{server['host']}:{server['port']}/{NAME}"
    declared = yaml.safe_load(addresses.topology.read_text())
    declared["name"] = NAME
    declared["source"] |= {"user": SOURCE, "password": secret, "shards": declared["source"]["shards"][:1]}
    declared["source"]["names"] = {"topic_prefix": f"{NAME}-{{shard}}"}
    declared["tables"] = [{"source": f"{NAME}.odd \"name'", "target": f"{NAME}.items"}]
    declared["sinks"][0]["url"] = f"postgresql://{TARGET}:{secret}@{at}"
    path = tmp_path / "topology.yaml"
    path.write_text(yaml.safe_dump(declared))
    loaded = load(path)
    schema = sql.Identifier(NAME)
    shard = addresses.shards[0].superuser_url
    with as_superuser(shard, addresses) as source, as_superuser(addresses.warehouse_url, addresses) as warehouses:
        # of its own, for the state of other topologies belongs to another role
        warehouses.execute(sql.SQL("create database {}").format(sql.Identifier(NAME)))
        source.execute(sql.SQL("create schema {}").format(schema))
        source.execute(sql.SQL("create table {} (id int primary key, item text)").format(TABLE))
        source.execute(sql.SQL("insert into {} values (1, 'there before')").format(TABLE))
        try:
            yield path, loaded
        finally:
            everything = control.Extent(slot=True, publication=False, offsets=True)
            control.remove(loaded, None, everything)
            source.execute(sql.SQL("drop publication {}").format(sql.Identifier(f"afflux_{NAME}_shard0")))
            source.execute(sql.SQL("drop schema {} cascade").format(schema))
            source.execute(sql.SQL("drop owned by {0}").format(sql.Identifier(SOURCE)))
            source.execute(sql.SQL("drop role {0}").format(sql.Identifier(SOURCE)))
            warehouses.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(NAME)))
            warehouses.execute(sql.SQL("drop role {}").format(sql.Identifier(TARGET)))


def warehouse(addresses: Addresses) -> AbstractContextManager[psycopg.Connection]:
    return as_superuser(addresses.warehouse_url, addresses, dbname=NAME)


def test_roles_made_by_the_printed_rights_set_up_a_shard_and_fill_a_target(
    topology: tuple[Path, Topology], addresses: Addresses
) -> None:
    path, loaded = topology
    shard = addresses.shards[0].superuser_url
    with as_superuser(shard, addresses) as source, warehouse(addresses) as target:
        run(source, source_rights(loaded, loaded.shards[0], monitor=False).statements, SOURCE)
        run(target, sink_rights(loaded, loaded.sinks[0]).statements, TARGET)
        report = control.apply_topology(loaded, wait=90)
        assert report.ok, report
        source.execute(sql.SQL("insert into {} values (2, 'came later')").format(TABLE))
        command = [sys.executable, "-m", "afflux", "run", "-t", str(path), "--until-caught-up"]
        wanted = {(1, "there before"), (2, "came later")}
        rows: set[tuple[object, ...]] = set()
        for _again in range(30):
            done = subprocess.run(command, capture_output=True, text=True, check=False, env=dict(os.environ))
            assert done.returncode == 0, done.stderr
            rows = set(target.execute(sql.SQL("select id, item from {}").format(sql.Identifier(NAME, "items"))))
            if rows == wanted:
                break
        assert rows == wanted


def test_the_source_role_may_neither_write_nor_make_anything(
    topology: tuple[Path, Topology], addresses: Addresses
) -> None:
    _path, loaded = topology
    at = addresses.shards[0]
    with as_superuser(at.superuser_url, addresses) as source, warehouse(addresses) as other:
        run(source, source_rights(loaded, loaded.shards[0], monitor=True).statements, SOURCE)
        run(other, sink_rights(loaded, loaded.sinks[0]).statements, TARGET)
        own = conninfo_to_dict(at.superuser_url) | {"user": SOURCE, "password": PASSWORD}
        with psycopg.connect(**own, autocommit=True) as role:  # type: ignore[arg-type] # all of them are texts
            for statement in ("delete from {}", "drop table {}", "truncate {}"):
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    role.execute(sql.SQL(statement).format(TABLE))
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                role.execute("create schema mine")

"""What the running stack is to those who use it."""

import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import psutil
import psycopg
import pytest
import requests

from afflux.stack import Addresses, Stack
from afflux.stack.state import PASSWORDS, State
from afflux.topology.load import load

pytestmark = pytest.mark.stack

AFFLUX = str(Path(sys.executable).parent / "afflux")


def processes(stack: Stack) -> list[psutil.Process]:
    mains = [psutil.Process(part.pid) for part in stack.status() if part.pid]
    return [process for main in mains for process in (main, *main.children(recursive=True))]


def test_every_part_answers(stack: Stack) -> None:
    assert {part.part: part.state for part in stack.status()} == dict.fromkeys(
        ["kafka", "registry-db", "registry", "connect-0", "shard0", "shard1", "shard2", "warehouse"], "ready"
    )


def test_a_second_up_changes_nothing(stack: Stack, addresses: Addresses) -> None:
    def world() -> tuple[object, ...]:
        files = sorted(str(path) for path in stack.folder.glob("*"))
        contents = [path.read_text() for path in (addresses.topology, addresses.secrets)]
        return [(part.part, part.pid) for part in stack.status()], files, contents

    before = world()
    assert stack.up() == addresses
    assert world() == before


def test_every_part_listens_on_loopback_only(stack: Stack) -> None:
    listening: set[str] = set()
    for process in processes(stack):
        with suppress(psutil.NoSuchProcess):  # sessions of PostgreSQL come and go
            connections = process.net_connections("tcp")
            listening |= {at.laddr.ip for at in connections if at.status == psutil.CONN_LISTEN}
    assert listening <= {"127.0.0.1", "::ffff:127.0.0.1"}


def test_no_password_is_on_a_command_line_or_in_a_log_or_in_an_open_file(stack: Stack) -> None:
    state = State.load(stack.folder)
    assert state is not None
    seen = ""
    for process in processes(stack):
        with suppress(psutil.NoSuchProcess):  # sessions of PostgreSQL come and go
            seen += " ".join(process.cmdline())
    for path in stack.folder.rglob("*"):
        with suppress(FileNotFoundError):  # files of the broker come and go
            if path.is_file() and path.stat().st_mode & 0o077 and path.stat().st_size < 1 << 20:
                seen += path.read_text(errors="ignore")
    assert "kafka.Kafka" in seen
    assert not [whose for whose in PASSWORDS if state.password(whose) in seen]


def test_debeziums_role_publishes_and_reads_the_owners_tables_and_is_no_superuser(
    stack: Stack, addresses: Addresses
) -> None:
    state = State.load(stack.folder)
    assert state is not None
    shard = addresses.shards[0]
    with psycopg.connect(shard.admin_url, autocommit=True) as owner:
        owner.execute("create table stack_roles (id int primary key)")
        owner.execute("insert into stack_roles values (1)")
        login = {"host": shard.host, "port": shard.port, "dbname": shard.database}
        with psycopg.connect(**login, user="cdc", password=state.password("cdc"), autocommit=True) as cdc:  # type: ignore[arg-type] # a port is a number
            cdc.execute("create publication stack_roles for table stack_roles")
            assert cdc.execute("select id from stack_roles").fetchall() == [(1,)]
            cdc.execute("select pg_create_logical_replication_slot('stack_roles', 'pgoutput')")
            cdc.execute("select pg_drop_replication_slot('stack_roles')")
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                cdc.execute("set role app")
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                cdc.execute("select pg_read_file('PG_VERSION')")
            cdc.execute("drop publication stack_roles")
        owner.execute("drop table stack_roles")


def test_connect_resolves_the_references_that_the_topology_holds(addresses: Addresses) -> None:
    topology = load(addresses.topology)
    shard = topology.shards[0]
    config = {
        "name": "stack-references",
        "connector.class": "io.debezium.connector.postgresql.PostgresConnector",
        "database.hostname": shard.host,
        "database.port": str(shard.port),
        "database.dbname": topology.source.database,
        "database.user": topology.source.user,
        "database.password": topology.source.password,
        "topic.prefix": "stack_references",
        "plugin.name": "pgoutput",
    }
    url = f"{addresses.connect[0]}/connector-plugins/PostgresConnector/config/validate"
    answer = requests.put(url, json=config, timeout=30).json()
    assert answer["error_count"] == 0, answer
    config["database.password"] = config["database.password"].replace("cdc_password", "app_password")
    assert requests.put(url, json=config, timeout=30).json()["error_count"] > 0


def test_the_converter_is_among_connects_plugins(addresses: Addresses) -> None:
    plugins = requests.get(f"{addresses.connect[0]}/connector-plugins?connectorsOnly=false", timeout=30).json()
    assert "io.apicurio.registry.utils.converter.AvroConverter" in {plugin["class"] for plugin in plugins}


def test_psql_finds_the_databases_by_what_env_prints_and_no_password_is_printed(stack: Stack) -> None:
    state = State.load(stack.folder)
    assert state is not None
    script = f"""eval "$({AFFLUX} stack env --state '{stack.folder}')"
        for url in $SHARD0_URL $SHARD2_URL $WAREHOUSE_URL; do psql -w -At "$url" -c 'select current_user'; done
        {AFFLUX} stack env"""
    environment = {"PATH": os.environ["PATH"], "HOME": "/nonexistent"}
    done = subprocess.run(["/bin/sh", "-c", script], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[:3] == ["app", "app", "afflux"]
    assert not [whose for whose in PASSWORDS if state.password(whose) in done.stdout + done.stderr]


def test_a_part_that_is_not_there_is_refused_with_those_there_are(stack: Stack) -> None:
    done = subprocess.run(
        [AFFLUX, "stack", "logs", "shard9", "--state", str(stack.folder)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "'shard9'" in done.stderr
    assert "shard2" in done.stderr

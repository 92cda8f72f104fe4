"""The life of a stack of its own: interrupted, brought up, killed in parts, grown, taken down. The tests tell it in order."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import pytest
import requests

from afflux.errors import StackError
from afflux.stack import AskedPorts, Stack
from afflux.stack.ports import HOST, find_free
from afflux.stack.state import State

pytestmark = pytest.mark.stack

AFFLUX = str(Path(sys.executable).parent / "afflux")
SCHEMA = {"schema": '{"type": "record", "name": "Kept", "fields": []}'}


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    stack = Stack(tmp_path_factory.mktemp("life") / "state")
    yield stack
    stack.down(purge=True)


def left(stack: Stack) -> list[str]:
    """Every process that has to do with the stack, whoever started it."""
    state = State.load(stack.folder)
    folders = {str(stack.folder)}
    if state and state.spec.postgres_folder:
        folders.add(str(state.spec.postgres_folder))
    found = []
    for process in psutil.process_iter(["cmdline", "cwd", "status"]):
        about = " ".join([*(process.info["cmdline"] or []), process.info["cwd"] or ""])
        if process.info["status"] != psutil.STATUS_ZOMBIE and any(folder in about for folder in folders):
            found.append(about)
    return found


def pids(stack: Stack) -> dict[str, int | None]:
    return {part.part: part.pid for part in stack.status()}


@pytest.mark.parametrize("moment", ["kafka: starting", "connect-0: starting"])
def test_ctrl_c_while_it_comes_up_leaves_no_process(own: Stack, moment: str) -> None:
    command = [AFFLUX, "stack", "up", "--shards", "1", "--state", str(own.folder)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as up:
        assert up.stderr is not None
        for line in up.stderr:
            if moment in line:
                up.send_signal(signal.SIGINT)
                break
        rest = up.stderr.read()
    assert up.returncode == 130, rest
    assert "Traceback" not in rest
    assert left(own) == []


def test_a_port_in_use_is_named_with_its_part_and_its_holder_and_nothing_is_left(own: Stack) -> None:
    with subprocess.Popen(
        [
            sys.executable,
            "-c",
            f"import socket; s = socket.create_server(('{HOST}', 0)); print(s.getsockname()[1], flush=True); input()",
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as stranger:
        assert stranger.stdout is not None
        port = int(stranger.stdout.readline())
        with pytest.raises(StackError, match=rf"port {port}, which warehouse .* python\S* \(pid {stranger.pid}\)"):
            own.up(1, ports=AskedPorts(warehouse=port))
        stranger.communicate("\n")
    assert left(own) == []
    own.up(1, ports=AskedPorts(warehouse=find_free(str(own.folder), [])))


@pytest.mark.parametrize("part", ["kafka", "registry", "registry-db", "connect-0", "shard0", "warehouse"])
def test_after_kill_9_of_a_part_up_heals_exactly_that_part(own: Stack, part: str) -> None:
    own.up()
    before = pids(own)
    own.kill(part)
    assert [status.part for status in own.status() if status.state == "stopped"] == [part]
    own.up()
    after = pids(own)
    assert {name for name in before if before[name] != after[name]} == {part}
    assert {status.state for status in own.status()} == {"ready"}


def test_the_registry_keeps_its_ids_through_kill_9(own: Stack) -> None:
    registry = own.addresses().registry
    headers = {"Content-Type": "application/vnd.schemaregistry.v1+json"}
    url = f"{registry}/subjects/kept-value/versions"
    made = requests.post(url, json=SCHEMA, headers=headers, timeout=30).json()["id"]
    own.kill("registry")
    own.kill("registry-db")
    own.up()
    kept = requests.get(f"{registry}/schemas/ids/{made}", timeout=30).json()["schema"]
    assert '"Kept"' in kept


def test_rows_survive_kill_9_of_their_server(own: Stack) -> None:
    url = own.addresses().shards[0].admin_url
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("create table kept as select generate_series(1, 1000) as id")
    own.kill("shard0")
    own.start("shard0")
    with psycopg.connect(url) as connection:
        assert connection.execute("select count(*) from kept").fetchone() == (1000,)


def test_a_shard_and_a_worker_more_join_those_that_run(own: Stack) -> None:
    before = pids(own)
    addresses = own.up(shards=2, workers=2)
    after = pids(own)
    assert after.items() >= before.items()
    assert set(after) - set(before) == {"shard1", "connect-1"}
    assert [shard.name for shard in addresses.shards] == ["shard0", "shard1"]
    first, second = addresses.connect
    state = State.load(own.folder)
    assert state is not None
    config = {
        "connector.class": "io.debezium.connector.postgresql.PostgresConnector",
        "database.hostname": HOST,
        "database.port": str(addresses.shards[1].port),
        "database.dbname": "app",
        "database.user": "cdc",
        "database.password": f"${{file:{state.secrets_file}:cdc_password}}",
        "topic.prefix": "life",
        "plugin.name": "pgoutput",
    }
    made = requests.post(
        f"{first}/connectors", json={"name": "life", "config": config, "initial_state": "STOPPED"}, timeout=60
    )
    assert made.status_code == 201, made.text
    own.kill("connect-0")
    assert requests.get(f"{second}/connectors", timeout=60).json() == ["life"]


def test_down_leaves_no_process_and_up_goes_on_with_the_same_data(own: Stack) -> None:
    ports = {part.part: part.port for part in own.status()}
    own.down()
    assert left(own) == []
    status = subprocess.run(
        [AFFLUX, "stack", "status", "--state", str(own.folder)], capture_output=True, text=True, check=False
    )
    assert status.returncode == 1
    assert status.stdout.count("stopped") == len(ports)
    own.start("shard0")
    with psycopg.connect(own.addresses().shards[0].admin_url) as connection:
        assert connection.execute("select count(*) from kept").fetchone() == (1000,)
    assert {part.part: part.port for part in own.status()} == ports


def test_purge_leaves_no_process_and_no_file(own: Stack) -> None:
    state = State.load(own.folder)
    assert state is not None
    assert state.spec.postgres_folder is not None
    own.down(purge=True)
    assert left(own) == []
    assert not own.folder.exists()
    assert not state.spec.postgres_folder.exists()
    own.down(purge=True)

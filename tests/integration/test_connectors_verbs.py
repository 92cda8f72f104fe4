"""What a person does to connectors by hand: states, copies, offsets, checks, taking away."""

import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from afflux.clients.connect import Connect
from afflux.clients.topics import Topics
from afflux.stack import Addresses
from afflux.stack.ports import find_free
from afflux.topology.load import load_resolved
from afflux.topology.names import shard_names
from chaos.waiting import wait_for
from estate import PATIENCE, Estate, estate

pytestmark = pytest.mark.stack


@pytest.fixture(scope="module")
def home(addresses: Addresses, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Estate]:
    """Two shards that stream into the target."""
    with estate(addresses, tmp_path_factory.mktemp("verbs"), "verbs") as made:
        made.sql("create table $.orders (id int primary key, note text, made int generated always as (id + 1) stored)")
        made.sql("create table $.plain (id int primary key, note text)")
        for shard in made.shards:
            made.sql(f"insert into $.plain select n, 'old' from generate_series({shard}, 999, 2) n", shard=shard)
        made.apply()
        made.daemon.start()
        made.await_equal("plain")
        yield made


def states(home: Estate) -> dict[str, str]:
    return {status["shard"]: status["verdict"] for status in home.ask("connectors", "status", code=None)}


def test_what_is_paused_or_stopped_misses_nothing(home: Estate) -> None:
    home.operate("connectors", "pause", "shard[0]")
    home.operate("connectors", "stop", "*1")
    assert states(home) == {"shard0": "paused", "shard1": "paused"}
    home.operate("connectors", "plan")  # whoever paused it meant it
    for shard in home.shards:
        home.sql(f"insert into $.plain values ({5000 + shard}, 'meanwhile')", shard=shard)
    changed = home.ask("connectors", "resume", "*")
    assert [(each["before"], each["after"]) for each in changed] == [("PAUSED", "RUNNING"), ("STOPPED", "RUNNING")]
    home.await_equal("plain")


def test_only_what_failed_is_restarted(home: Estate) -> None:
    connect = Connect(home.addresses.connect[0])
    topology = load_resolved(home.path)
    names = shard_names(topology, topology.shards[0])
    config = connect.connectors()[names.connector].config
    connect.put_config(names.connector, config | {"publication.name": f"{home.name}_later"})
    wait_for(lambda: states(home)["shard0"] == "failed", PATIENCE, "the task does not fail")
    with psycopg.connect(home.addresses.shards[0].superuser_url, autocommit=True) as connection:
        connection.execute(f"create publication {home.name}_later for table {home.name}.plain")
        (restarted,) = home.ask("connectors", "restart")
        assert (restarted["shard"], restarted["before"], restarted["after"]) == ("shard0", "FAILED", "RUNNING")
        home.operate("connectors", "apply")
        connection.execute(f"drop publication {home.name}_later")
    assert home.ask("connectors", "restart") == []
    (restarted,) = home.ask("connectors", "restart", "--all", "shard1")
    assert restarted["after"] == "RUNNING"


def test_a_restart_asks_nothing_of_the_leader_which_may_have_lost_its_right_to_write(home: Estate) -> None:
    def written() -> int:
        (end,) = Topics(home.addresses.kafka).end_offsets(["connect-configs"]).values()
        return end

    before = written()
    home.ask("connectors", "restart", "--all", "shard[01]")
    wait_for(lambda: {*states(home).values()} == {"streaming"}, PATIENCE, "the slots are not read again")
    assert written() == before


def test_tables_are_read_again_in_chunks_or_at_once_whole_or_in_part(home: Estate) -> None:
    for shard in home.shards:
        home.sql(f"insert into $.orders (id) select n from generate_series({shard}, 99, 2) n", shard=shard)
    read = home.ask("connectors", "snapshot", "shard0", "--table", f"{home.name}.*", "--where", "id < 40")
    assert {(each["table"], each["blocking"], each["status"], each["rows"]) for each in read} == {
        (f"{home.name}.plain", False, "SUCCEEDED", 20),
        (f"{home.name}.orders", True, "SUCCEEDED", 20),  # a generated column can't be read in chunks
    }
    # What somebody has taken out of the target comes back.
    home.target("delete from $.plain where id < 500")
    table = f"{home.name}.plain"
    read = home.ask("connectors", "snapshot", "*", "--table", table, "--blocking")
    assert {(each["blocking"], each["status"]) for each in read} == {(True, "SUCCEEDED")}
    home.await_equal("plain")
    home.operate("connectors", "snapshot", "shard0", "--table", f"{home.name}.nothing", code=1)


def test_offsets_are_shown_and_reset(home: Estate) -> None:
    (stands, _) = home.ask("connectors", "offsets", "show")
    assert re.fullmatch("[0-9A-F]+/[0-9A-F]+", stands["lsn"])
    assert re.fullmatch("[0-9A-F]+/[0-9A-F]+", stands["slot_lsn"])
    home.target("delete from $.plain where _shard = 'shard0'")
    (reset,) = home.ask("connectors", "offsets", "reset", "shard0", "--yes")
    assert reset["started"]
    home.await_equal("plain")  # all rows were read anew
    home.operate("connectors", "drift")


def test_connect_s_validation_and_afflux_s_own_are_one(home: Estate) -> None:
    home.operate("connectors", "validate")
    text = home.path.read_text()
    home.path.write_text(text.replace("config: {", "config: {snapshot.max.threads: none, "))
    home.sql("create table $.keyless (line text)", shard=1)
    found = {each["shard"]: each["problems"] for each in home.ask("connectors", "validate", code=1)}
    home.path.write_text(text)
    home.sql("drop table $.keyless", shard=1)
    assert "property snapshot.max.threads" in {problem["object"] for problem in found["shard0"]}
    assert f"table {home.name}.keyless" in {problem["object"] for problem in found["shard1"]}


def test_where_the_first_connector_fails_with_a_new_config_the_others_keep_theirs(home: Estate) -> None:
    text = home.path.read_text()
    home.path.write_text(text.replace("config: {", "config: {producer.override.acks: 0, "))
    home.operate("connectors", "apply", "--wait", "20", code=1)
    assert states(home) == {"shard0": "failed", "shard1": "streaming"}
    connect = Connect(home.addresses.connect[0])
    theirs = {
        name: of.config for name, of in connect.connectors().items() if of.config.get("afflux.topology") == home.name
    }
    assert {name for name, config in theirs.items() if "producer.override.acks" in config} == {f"{home.name}-shard0"}
    home.path.write_text(text)
    home.operate("connectors", "apply")
    home.operate("connectors", "drift")


def test_a_dead_shard_is_forgotten_only_when_asked_to(home: Estate) -> None:
    text = home.path.read_text()
    home.path.write_text(text.replace(str(home.addresses.shards[1].port), str(find_free(home.name, set()))))
    take_away = ("connectors", "remove", "shard1", "--drop-slot", "--drop-publication", "--delete-offsets", "--yes")
    (failed,) = home.ask(*take_away, code=1)
    assert "--forget" in failed["hint"]
    (gone,) = home.ask(*take_away, "--forget")
    home.path.write_text(text)
    slot = f"slot afflux_{home.name}_shard1"
    assert (slot in gone["kept"], any("connector" in each for each in gone["removed"])) == (True, True)
    # It comes back after all, and all of its rows are read anew.
    home.operate("connectors", "apply")
    assert states(home) == {"shard0": "streaming", "shard1": "streaming"}


def test_watch_tells_each_change_where_there_is_no_terminal(home: Estate) -> None:
    command = [str(Path(sys.executable).with_name("connectors")), "watch", "-t", str(home.path), "--every", "0.5"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as watching:
        assert watching.stdout is not None
        lines = [watching.stdout.readline().split(maxsplit=1)[1].strip() for _ in home.shards]
        watching.send_signal(signal.SIGINT)
        watching.stdout.read()
    assert lines == ["shard0  streaming", "shard1  streaming"]
    assert watching.returncode == 130

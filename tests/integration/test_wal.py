"""WAL that fills on real servers: seen, foretold, told in time, and at last the shard is saved where that is allowed."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from afflux import control
from afflux.clients.connect import Connect
from afflux.clients.servers import login
from afflux.clients.topics import Topics
from afflux.clients.wal import Gauge, Wal
from afflux.control.done import audit
from afflux.control.done.audit import Audit
from afflux.control.seen.status import Verdict
from afflux.monitor.guard import LastResort
from afflux.monitor.health import exposition
from afflux.monitor.slots import ShardReading, Slots
from afflux.monitor.station import Station
from afflux.stack import Addresses
from afflux.stack.ports import find_free
from afflux.supervise import last_resort
from afflux.topology.model import Topology
from lone_shard import LoneShard, lone_shard

pytestmark = [pytest.mark.stack, pytest.mark.usefixtures("stack")]

PATIENCE = 90.0
EVERYTHING = control.Extent(slot=True, publication=True, offsets=True)
MB = 2**20


def until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.2)


# --- what a server says ---------------------------------------------------------------------------


@pytest.fixture(scope="module", params=[16, 18])
def quiet(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LoneShard]:
    folder = tmp_path_factory.mktemp(f"quiet{request.param}")
    with lone_shard(folder, version=request.param, max_prepared_transactions="5") as made:
        made.sql("select pg_create_logical_replication_slot('s', 'pgoutput')")
        yield made


def gauge(shard: LoneShard, addresses: Addresses, user: str = "cdc") -> Gauge:
    topology = shard.topology("quiet", addresses)
    source = topology.source.model_copy(update={"user": user})
    return Gauge(login(topology.model_copy(update={"source": source}), topology.shards[0]), "s")


def read(shard: LoneShard, addresses: Addresses) -> Wal:
    asking = gauge(shard, addresses)
    try:
        return asking.read()
    finally:
        asking.close()


def test_a_slot_is_read_as_the_server_tells_it(quiet: LoneShard, addresses: Addresses) -> None:
    quiet.sql("alter system set max_slot_wal_keep_size = '256MB'", "select pg_reload_conf()")
    until(lambda: read(quiet, addresses).keep_limit == 256 * MB)
    quiet.write(20)
    wal = read(quiet, addresses)
    assert wal.slot is not None
    assert (wal.slot.active, wal.slot.wal_status, wal.slot.plugin) == (False, "reserved", "pgoutput")
    assert wal.retained is not None
    assert wal.retained > 19 * MB
    assert wal.slot.safe_wal_size is not None
    assert 256 * MB - wal.retained <= wal.slot.safe_wal_size <= 256 * MB + 16 * MB
    assert wal.files is not None
    assert wal.files >= wal.retained
    assert wal.slot.total_bytes == 0
    newer = wal.version >= 170000
    assert (wal.slot.inactive_since is not None) == newer
    assert (wal.slot.failover, wal.slot.synced) == ((False, False) if newer else (None, None))
    quiet.sql("alter system reset max_slot_wal_keep_size", "select pg_reload_conf()")
    until(lambda: read(quiet, addresses).keep_limit is None)


def test_who_holds_the_slot_back_is_named(quiet: LoneShard, addresses: Addresses) -> None:
    quiet.sql("create table if not exists held (id int)")
    with psycopg.connect(quiet.address.admin_url, application_name="forgetful") as forgotten:
        forgotten.execute("create table forgotten (id int)")
        quiet.sql("begin; insert into held values (1); prepare transaction 'half done'")
        try:
            session, prepared = read(quiet, addresses).holders
        finally:
            quiet.sql("rollback prepared 'half done'")
        assert session.words == f"session {forgotten.info.backend_pid} (user app, forgetful, idle in transaction)"
        assert prepared.words == "prepared transaction 'half done' (user postgres)"
        assert session.since is not None
        assert prepared.since is not None
        forgotten.rollback()
    assert read(quiet, addresses).holders == ()


def test_a_role_without_rights_still_sees_the_slot(quiet: LoneShard, addresses: Addresses) -> None:
    quiet.sql("drop role if exists poor", "create role poor login password 'x'")
    asking = gauge(quiet, addresses, "poor")
    quiet.sql(f"alter role poor password '{asking.login.password}'")
    with psycopg.connect(quiet.address.admin_url) as other:
        other.execute("create table unseen (id int)")
        wal = asking.read()
        asking.close()
        assert wal.slot is not None
        assert wal.retained is not None
        assert wal.files is None
        (holder,) = wal.holders
        assert (holder.name, holder.state, holder.since) == (str(other.info.backend_pid), None, None)


def test_a_server_that_hangs_is_one_red_row_and_comes_back(
    quiet: LoneShard, addresses: Addresses, monkeypatch: pytest.MonkeyPatch
) -> None:
    topology = quiet.topology("quiet", addresses)
    topology = topology.model_copy(
        update={
            "source": topology.source.model_copy(
                update={"names": topology.source.names.model_copy(update={"slot": "s"})}
            )
        }
    )
    slots = Slots()

    def look() -> ShardReading:
        return slots.look(topology)["shard0"]

    assert look().state == "reserved"
    monkeypatch.setattr("afflux.monitor.slots.LOOK_SECONDS", 1.0)
    with psycopg.connect(quiet.address.superuser_url) as holder:
        # Whoever reads the slots' view waits for this lock, as for a server that hangs.
        holder.execute("lock table pg_catalog.pg_settings, pg_catalog.pg_replication_slots in access exclusive mode")
        hung = look()
        assert (hung.state, hung.problem) == ("away", "no answer within 1 s")
        holder.rollback()
    until(lambda: look().state == "reserved")
    slots.close()


def test_a_person_sees_the_slot_and_whose_fault_it_is_when_not(
    quiet: LoneShard, addresses: Addresses, tmp_path: Path
) -> None:
    path = tmp_path / "topology.yaml"
    text = quiet.text("quiet", addresses).replace("{topic_prefix:", "{slot: s, topic_prefix:")
    path.write_text(text)
    command = [sys.executable, "-m", "afflux", "slots", "--looks", "1", "-t", str(path)]
    told = subprocess.run([*command, "-o", "json"], capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stderr
    (slot,) = json.loads(told.stdout)
    assert (slot["state"], slot["active"], slot["walsender"]["state"]) == ("reserved", False, None)
    assert slot["restart_lsn"].startswith("0/")
    path.write_text(text.replace(f"port: {quiet.address.port}", f"port: {find_free('nobody', [])}"))
    told = subprocess.run(command, capture_output=True, text=True, check=False)
    assert told.returncode == 1
    assert "away" in told.stdout
    assert "onnection refused" in told.stderr


def shown() -> str:
    return exposition("text/plain")[0].decode()


def test_who_does_not_lead_keeps_silent_unless_the_broker_is_away(
    quiet: LoneShard, addresses: Addresses, monkeypatch: pytest.MonkeyPatch
) -> None:
    topology = quiet.topology("quiet", addresses)
    nowhere = topology.kafka.model_copy(update={"bootstrap_servers": f"127.0.0.1:{find_free('nowhere', [])}"})
    station = Station(topology, leads=lambda: False)
    try:
        station.turn()
        assert "afflux_shard_up{" not in shown()
        monkeypatch.setattr("afflux.monitor.watch.ANSWER_SECONDS", 1.0)
        station.follow(topology.model_copy(update={"kafka": nowhere}))
        readings = station.turn()
        assert readings.parts["kafka"].problem
        assert readings.shards["shard0"].wal is not None
        assert 'afflux_shard_up{shard="shard0"} 1.0' in shown()
        assert 'afflux_part_up{part="kafka"} 0.0' in shown()
    finally:
        station.close()
    assert "afflux_shard_up{" not in shown()


# --- a connector that is gone ---------------------------------------------------------------------


@pytest.fixture
def filling(
    addresses: Addresses, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[tuple[LoneShard, Topology]]:
    """A shard with a connector that has been stopped, as by somebody who forgot it."""
    guard, settings = request.param
    name = f"wal{request.node.name.removeprefix('test_')[:12].replace('_', '')}"
    with lone_shard(tmp_path / "shard", **settings) as shard:
        shard.sql("set role app", "create table public.orders (id int primary key)")
        with psycopg.connect(shard.address.admin_url, autocommit=True) as owner:
            owner.execute("create table if not exists public.orders (id int primary key)")
        topology = shard.topology(name, addresses, guard)
        topics = Topics(addresses.kafka)
        try:
            assert control.apply_topology(topology, wait=PATIENCE).ok
            connect = Connect(addresses.connect[0])
            connect.change_state(f"{name}-shard0", "stop")
            until(lambda: not control.status(topology)[0].slot_active)
            yield shard, topology
        finally:
            control.remove(topology, None, EVERYTHING)
            topics.delete(topic for topic in topics.names() if name in topic)


LIMITED = ("{warn: {within: 1h, used: 50}, page: {within: 1s, used: 80}}", {"max_slot_wal_keep_size": "128MB"})


@pytest.mark.parametrize("filling", [LIMITED], indirect=True)
def test_a_loss_is_foretold_then_warned_of_then_paged_before_it_comes(
    filling: tuple[LoneShard, Topology],
) -> None:
    shard, topology = filling
    station = Station(topology)
    order: list[str] = []

    def note(what: str, seen: bool) -> None:
        if seen and what not in order:
            order.append(what)

    try:
        for _ in range(100):
            shard.write(4)
            shard.sql("checkpoint")  # only a checkpoint takes WAL away
            reading = station.turn().shards["shard0"]
            severities = {alert.severity for alert in station.alerts if alert.name == "AffluxWalRunningOut"}
            note("forecast", reading.room is not None and reading.room.forecast is not None)
            note("warning", "warning" in severities)
            note("page", "page" in severities)
            note("lost", reading.state == "lost")
            if reading.state == "lost":
                break
        assert order == ["forecast", "warning", "page", "lost"]
        assert "AffluxSlotLost" in {alert.name for alert in station.alerts if alert.severity == "page"}
        assert control.status(topology)[0].verdict is Verdict.LOST
    finally:
        station.close()


SMALL_DISK = ("{disk: 200MiB, last_resort: {shards: [shard0], within: 1s, used: 90}}", {"max_wal_size": "64MB"})


@pytest.mark.parametrize("filling", [SMALL_DISK], indirect=True)
def test_a_shard_whose_disk_fills_is_saved_only_where_that_is_allowed_and_that_is_written_down(
    filling: tuple[LoneShard, Topology], addresses: Addresses
) -> None:
    shard, topology = filling
    audit.prepare(topology)
    told = Audit(audit.journal(topology), audit.me())
    acted: list[LastResort] = []

    def act(last: LastResort) -> None:
        acted.append(last)
        last_resort.save(topology, topology.shards[0], Connect(addresses.connect[0]), told, last)

    unallowed = topology.source.model_copy(
        update={"guard": topology.source.guard.model_copy(update={"last_resort": None})}
    )
    station = Station(topology.model_copy(update={"source": unallowed}), act=act)
    try:
        for _ in range(100):
            shard.write(8)
            shard.sql("checkpoint")
            full = station.turn().shards["shard0"]
            if full.room is not None and full.room.used > 0.95:
                break
        station.turn()
        assert acted == []
        station.follow(topology)
        station.turn()
        assert acted == [], "one look may err"
        station.turn()
        assert [last.shard for last in acted] == ["shard0"]
        assert full.wal is not None
        assert full.wal.files is not None
        shard.sql("select pg_switch_wal()", "checkpoint", "select pg_switch_wal()", "checkpoint")
        ((left,),) = shard.sql("select sum(size) from pg_ls_waldir()")
        assert left < full.wal.files / 1.5
        assert shard.sql("select count(*) from pg_replication_slots") == [(0,)]
        assert control.status(topology)[0].verdict is Verdict.LOST
        (record,) = audit.records(audit.journal(topology).entries())
        assert (record.deed.action, record.deed.cause, record.result) == ("drop slot", "last resort", "done")
        assert record.deed.why == acted[0].reason
        station.turn()
        assert len(acted) == 1
    finally:
        station.close()

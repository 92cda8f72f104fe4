"""The control plane against the real servers. Each test has a schema, a topology and topics of its own."""

import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
from confluent_kafka import Consumer, TopicPartition

from afflux import control
from afflux.clients.catalog import Relation
from afflux.clients.connect import Connect
from afflux.clients.registry import Registry
from afflux.clients.servers import servers
from afflux.clients.topics import Topics
from afflux.control.done.carry import carry_out
from afflux.control.seen.neighbours import UNFINISHED
from afflux.control.wanted.desired import desired
from afflux.stack import Addresses
from afflux.stack.ports import find_free
from afflux.topology.load import loads
from afflux.topology.model import Topology
from afflux.topology.names import shard_names
from chaos.waiting import wait_for

pytestmark = pytest.mark.stack

PATIENCE = 90.0
"""Seconds for what takes a few when the machine is busy."""
EVERYTHING = control.Extent(slot=True, publication=True, offsets=True)

TEXT = """
name: {name}
kafka: {{bootstrap_servers: "{kafka}"}}
registry: {{url: "{registry}"}}
connect: {{url: "{connect}"}}
source:
  database: app
  user: cdc
  password: "${{file:{secrets}:cdc_password}}"
  names: {{topic_prefix: "{name}.{{shard}}"}}
  shards: {shards}
tables:
{tables}
transforms:
  - {{type: RegexRouter, regex: '.*\\.shard[0-9]+\\.(.*)', replacement: '$1'}}
sinks:
  - {{name: warehouse, type: postgresql, url: "postgresql://127.0.0.1/dw"}}
"""


class Lab:
    """One test's own corner of the stack: schema and topology carry its name."""

    def __init__(self, addresses: Addresses, name: str) -> None:
        self.addresses, self.name = addresses, name
        self.connect = Connect(addresses.connect[0])
        self.topics = Topics(addresses.kafka)

    def text(self, *tables: str, shards: int = 1, more: tuple[dict[str, Any], ...] = ()) -> str:
        listed = [{"name": s.name, "host": s.host, "port": s.port} for s in self.addresses.shards[:shards]]
        return TEXT.format(
            name=self.name,
            kafka=self.addresses.kafka,
            registry=self.addresses.registry,
            connect=self.addresses.connect[0],
            secrets=self.addresses.secrets,
            shards=json.dumps([*listed, *more]),
            tables="\n".join(f"  - {{source: '{self.name}.{table}'}}" for table in tables or ("orders",)),
        )

    def topology(self, *tables: str, shards: int = 1, more: tuple[dict[str, Any], ...] = ()) -> Topology:
        return loads(self.text(*tables, shards=shards, more=more))

    def sql(self, *statements: str, shard: int | None = None) -> list[tuple[Any, ...]]:
        rows: list[tuple[Any, ...]] = []
        for number, address in enumerate(self.addresses.shards):
            if shard in (None, number):
                with psycopg.connect(address.admin_url, autocommit=True) as connection:
                    for statement in statements:
                        cursor = connection.execute(statement.replace("$", self.name))
                        rows = cursor.fetchall() if cursor.description else []
        return rows

    def made(self, shard: int = 0) -> tuple[bool, bool]:
        """Whether a shard has the test's slot and publication."""
        name = f"afflux_{self.name}_shard{shard}"
        (row,) = self.sql(
            f"select exists(select from pg_replication_slots where slot_name = '{name}'),"
            f" exists(select from pg_publication where pubname = '{name}')",
            shard=shard,
        )
        return bool(row[0]), bool(row[1])

    def reader(self) -> int | None:
        """The server's process that sends to the first shard's connector."""
        ((pid,),) = self.sql(
            f"select max(active_pid) from pg_replication_slots where slot_name = 'afflux_{self.name}_shard0'", shard=0
        )
        return int(pid) if pid else None

    def arrives(self, *texts: str, table: str = "orders", shard: int = 0) -> list[bytes]:
        """Wait until each text is in a value of a table's topic; return all values."""
        settings = {"bootstrap.servers": self.addresses.kafka, "group.id": self.name, "enable.auto.commit": False}
        consumer = Consumer({**settings, "isolation.level": "read_committed"})
        consumer.assign([TopicPartition(f"{self.name}.shard{shard}.{self.name}.{table}", 0, 0)])
        values: list[bytes] = []
        missing, until = list(texts), time.monotonic() + PATIENCE
        while missing:
            assert time.monotonic() < until, f"{missing} did not arrive; {len(values)} events did"
            message = consumer.poll(0.5)
            if message is not None and message.error() is None:
                values.append(message.value() or b"")
                missing = [text for text in missing if text.encode() not in values[-1]]
        consumer.close()
        return values


@pytest.fixture
def lab(addresses: Addresses, request: pytest.FixtureRequest) -> Iterator[Lab]:
    made = Lab(addresses, re.sub(r"\W", "", request.node.name.removeprefix("test_"))[:30])
    made.sql("create schema $", "create table $.orders (id int primary key, note text)")
    made.sql("insert into $.orders values (1, 'from before')")
    try:
        yield made
    finally:
        control.remove(made.topology(shards=len(addresses.shards)), None, EVERYTHING)
        made.sql("drop schema $ cascade")
        made.topics.delete(name for name in made.topics.names() if made.name in name)


def apply(topology: Topology) -> control.Report:
    return control.apply_topology(topology, wait=PATIENCE)


def apply_well(topology: Topology) -> None:
    report = apply(topology)
    assert report.ok, wanting(report)


def wanting(report: control.Report) -> object:
    """What keeps a report from being well: actions left undone, problems, shards that do not stream."""
    left = [(o.action.kind, o.error, o.skipped) for o in report.outcomes if not o.done]
    return left, report.plan.problems, [status for status in report.statuses if not status.good]


def verdicts(statuses: Any) -> dict[str, str]:
    return {status.shard: str(status.verdict) for status in statuses}


def test_rows_flow_and_a_second_apply_changes_nothing(lab: Lab) -> None:
    topology = lab.topology(shards=2)
    first = apply(topology)
    assert first.ok
    assert first.changed
    assert verdicts(control.status(topology)) == {"shard0": "streaming", "shard1": "streaming"}
    lab.sql("insert into $.orders values (2, 'from after')")
    for shard in (0, 1):
        lab.arrives("from before", "from after", shard=shard)
    second = apply(topology)
    assert second.ok
    assert not second.changed


def test_a_connector_s_config_holds_no_secret(lab: Lab) -> None:
    topology = lab.topology()
    apply(topology)
    config = lab.connect.connectors()[shard_names(topology, topology.shards[0]).connector].config
    assert config["database.password"].startswith("${file:")
    password = dict(line.split("=", 1) for line in lab.addresses.secrets.read_text().splitlines())["cdc_password"]
    assert password not in json.dumps(config)


def test_the_workers_own_converter_will_do(lab: Lab) -> None:
    topology = lab.topology()
    workers = topology.connect.model_copy(update={"converter": "worker"})
    topology = topology.model_copy(update={"connect": workers})
    apply_well(topology)
    config = lab.connect.connectors()[shard_names(topology, topology.shards[0]).connector].config
    assert not [key for key in config if ".converter" in key]
    for value in lab.arrives("from before"):
        schema = Registry(lab.addresses.registry).schema(int.from_bytes(value[1:5]))
        assert schema is not None
        assert (value[0], schema["name"]) == (0, "Envelope")


def test_only_the_new_shard_is_made(lab: Lab) -> None:
    apply(lab.topology(shards=1))
    report = apply(lab.topology(shards=2))
    assert report.ok
    assert {outcome.action.shard for outcome in report.outcomes} == {"shard1"}


def test_connectors_that_others_make_miss_no_row_of_a_table_that_comes_later(lab: Lab) -> None:
    lab.sql("create table $.plain (id int primary key, note text)", "insert into $.plain values (1, 'plain before')")

    def given(*tables: str) -> Topology:
        made = lab.topology(*tables)
        return made.model_copy(update={"connect": made.connect.model_copy(update={"connectors": "given"})})

    def operator_makes(*tables: str) -> None:
        relations = [Relation(lab.name, table, primary_key=("id",)) for table in tables]
        topology = given(*tables)
        wanted = desired(topology, topology.shards[0], relations, exact=True)
        lab.connect.put_config(wanted.connector, wanted.config)

    first = control.apply_topology(given("orders"), wait=0)
    assert verdicts(first.statuses) == {"shard0": "missing"}
    operator_makes("orders")
    apply_well(given("orders"))
    lab.arrives("from before")

    control.apply_topology(given("orders", "plain"), wait=0)
    before = lab.reader()
    operator_makes("orders", "plain")
    wait_for(lambda: lab.reader() not in {None, before}, PATIENCE, "the task with both tables")
    report = apply(given("orders", "plain"))
    assert report.ok, wanting(report)
    lab.sql("insert into $.plain values (2, 'plain after')")
    lab.arrives("plain before", "plain after", table="plain")
    assert not apply(given("orders", "plain")).changed


def test_a_shard_that_is_down_keeps_no_other_from_being_set_up(lab: Lab) -> None:
    away = {"name": "shard9", "host": "127.0.0.1", "port": find_free(lab.name, set())}
    report = apply(lab.topology(more=(away,)))
    assert not report.ok
    assert verdicts(report.statuses) == {"shard0": "streaming", "shard9": "unreachable"}
    (problem,) = report.plan.problems
    assert (problem.shard, bool(problem.hint)) == ("shard9", True)
    assert "Connection refused" in problem.message


def test_nothing_is_made_for_a_table_without_a_key(lab: Lab) -> None:
    lab.sql("create table $.log (line text)")
    topology = lab.topology("orders", "log")
    report = apply(topology)
    assert not report.ok
    (problem,) = report.plan.problems
    assert problem.object == f"table {lab.name}.log"
    assert lab.made() == (False, False)
    assert shard_names(topology, topology.shards[0]).connector not in lab.connect.connectors()
    assert not [name for name in lab.topics.names() if name.startswith(f"{lab.name}.")]


def test_a_connector_made_again_misses_nothing(lab: Lab) -> None:
    topology = lab.topology()
    apply(topology)
    lab.arrives("from before")
    (removal,) = control.remove(topology, ["shard0"], control.Extent())
    assert f"slot afflux_{lab.name}_shard0" in removal.kept
    lab.sql("insert into $.orders values (2, 'in between')", shard=0)
    apply_well(topology)
    values = lab.arrives("in between")
    assert sum(b"from before" in value for value in values) == 1  # it went on, and did not begin anew


def test_all_of_a_shard_can_be_removed_and_made_anew(lab: Lab) -> None:
    topology = lab.topology()
    apply(topology)
    lab.arrives("from before")
    control.remove(topology, None, control.Extent(slot=True, publication=True))
    assert lab.made() == (False, False)
    # The offsets of the first connector are still there, and point into a slot that is gone.
    report = apply(topology)
    assert verdicts(report.statuses) == {"shard0": "streaming"}


def test_a_shard_that_left_the_topology_can_be_removed(lab: Lab) -> None:
    apply(lab.topology(shards=2))
    left = lab.topology(shards=1)
    (refusal,) = control.plan_topology(left).refused
    assert "`connectors remove shard1`" in refusal.hint
    (removal,) = control.remove(left, ["shard1"], EVERYTHING)
    assert not removal.error
    assert lab.made(1) == (False, False)
    assert verdicts(control.status(left)) == {"shard0": "streaming"}


def test_a_shard_s_subjects_go_with_it_softly_or_for_good(lab: Lab) -> None:
    topology = lab.topology()
    apply(topology)
    lab.arrives("from before")
    registry = Registry(lab.addresses.registry)

    def subjects(*, deleted: bool) -> set[str]:
        return {name for name in registry.subjects(deleted=deleted) if f"{lab.name}.shard0" in name}

    assert f"{lab.name}.shard0.{lab.name}.orders-value" in subjects(deleted=False)
    everything = control.Extent(slot=True, publication=True, offsets=True, subjects=control.Subjects.SOFT)
    (removal,) = control.remove(topology, ["shard0"], everything)
    made = subjects(deleted=True)
    assert f"{lab.name}.shard0.{lab.name}.orders-value" in made
    assert f"{len(made)} subjects" in removal.removed
    assert subjects(deleted=False) == set()
    (removal,) = control.remove(topology, ["shard0"], control.Extent(subjects=control.Subjects.HARD))
    assert removal.removed == (f"{len(made)} subjects for good",)
    assert subjects(deleted=True) == set()


def test_runs_at_the_same_time_end_as_one(lab: Lab) -> None:
    topology = lab.topology(shards=2)
    with ThreadPoolExecutor(3) as pool:
        reports = list(pool.map(lambda _: apply(topology), range(3)))
    assert all(report.ok for report in reports), [wanting(report) for report in reports]
    assert not control.plan_topology(topology).actions


class Outrun(Connect):
    """Kafka Connect, where another run begins each connector just after it was made."""

    def create_stopped(self, name: str, config: dict[str, str]) -> None:
        super().create_stopped(name, config)
        self.put_config(name, {key: value for key, value in config.items() if key != UNFINISHED})
        self.change_state(name, "resume")


def test_a_connector_that_another_run_started_a_moment_ago_is_taken_as_it_is(lab: Lab) -> None:
    topology = lab.topology()
    (made,) = [action for action in control.plan_topology(topology).actions if action.kind == "create connector"]
    to = replace(servers(topology), connect=Outrun(lab.addresses.connect[0]))
    for _ in range(10):  # Connect refuses because of a start before its status tells of it
        carry_out(topology, to, made)
        lab.connect.delete(made.name)
    apply_well(topology)


def test_a_failed_connector_is_restarted_once_its_cause_is_mended(lab: Lab) -> None:
    topology = lab.topology()
    (shard,) = topology.shards
    names = shard_names(topology, shard)
    plan = control.plan_topology(topology)
    (made,) = [action for action in plan.actions if action.kind == "create connector"]
    lab.connect.put_config(names.connector, made.config)  # without a publication it fails
    until = time.monotonic() + PATIENCE
    while verdicts(control.status(topology)) != {"shard0": "failed"}:
        assert time.monotonic() < until
        time.sleep(0.2)
    assert "Publication autocreation is disabled" in control.status(topology)[0].detail
    report = apply(topology)
    assert {"set publication", "restart connector"} <= {outcome.action.kind for outcome in report.outcomes}
    assert report.ok


def test_a_rule_of_the_registry_does_not_stop_a_schema_change(lab: Lab) -> None:
    Registry(lab.addresses.registry).set_compatibility(f"{lab.name}.shard0.{lab.name}.orders-value", "BACKWARD")
    apply_well(lab.topology())
    lab.arrives("from before")
    lab.sql(
        "alter table $.orders add code int not null default 1",
        "insert into $.orders values (2, 'from after', 2)",
        shard=0,
    )
    lab.arrives("from after")


def test_large_rows_come_through(lab: Lab) -> None:
    apply_well(lab.topology())
    lab.sql("insert into $.orders values (2, 'large' || repeat(md5('x'), 200000))", shard=0)
    lab.arrives("large")


def test_a_killed_apply_is_completed_by_the_next(lab: Lab, tmp_path: Path) -> None:
    file = tmp_path / "topology.yaml"
    file.write_text(lab.text(shards=2))
    command = [str(Path(sys.executable).with_name("connectors")), "apply", "-t", str(file)]
    for word in ("create topic", "set publication", "create connector"):
        with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as running:
            assert running.stderr is not None
            for line in running.stderr:
                if word in line:
                    running.send_signal(signal.SIGKILL)
                    break
            running.stderr.read()
    apply_well(lab.topology(shards=2))
    assert not control.plan_topology(lab.topology(shards=2)).actions


def test_the_commands_tell_by_their_exit_codes(lab: Lab, tmp_path: Path) -> None:
    file = tmp_path / "topology.yaml"
    file.write_text(lab.text())

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        program = str(Path(sys.executable).with_name("connectors"))
        command = [program, *words, "-t", str(file)]
        return subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)

    assert run("plan").returncode == 3
    assert run("status").returncode == 1
    applied = run("apply")
    assert applied.returncode == 0, applied.stderr
    again = run("apply", "-o", "json")
    assert (again.returncode, "nothing to do" in again.stderr) == (0, True)
    assert json.loads(again.stdout)[0]["verdict"] == "streaming"
    assert run("plan").returncode == 0
    assert json.loads(run("plan", "-o", "json").stdout)["actions"] == []
    assert run("status").returncode == 0
    assert run("remove", "--all").returncode == 2  # nobody there to ask
    assert run("remove", "shard7", "--yes").returncode == 2
    assert run("remove", "--all", "--yes", "--drop-publication").returncode == 2
    assert run("remove", "--all", "--yes", "--drop-slot").returncode == 0
    assert run("drift").returncode == 3

"""A topology of its own under a supervisor and a sink, to hurt and to see healed."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg

from afflux.clients.connect import Connect
from afflux.clients.registry import Registry
from afflux.clients.topics import Topics
from afflux.control import Extent, ShardStatus, Verdict, remove, status
from afflux.control.verbs.resync import resynchronise
from afflux.stack import Stack
from afflux.topology.load import loads
from afflux.topology.model import Topology
from afflux.topology.names import ShardNames, shard_names
from chaos.waiting import wait_for
from chaos.worker import Worker

EVERYTHING = Extent(slot=True, publication=True, offsets=True)
PATIENCE = 150.0
"""Seconds for what takes a few when the machine is busy."""

TEXT = """
name: {name}
kafka: {{bootstrap_servers: "{kafka}", topics: {{max_message_bytes: {largest}}}}}
registry: {{url: "{registry}"}}
connect: {{url: "{connect}"}}
source:
  database: app
  user: {role}
  password: "${{file:{passwords}:password}}"
  config: {{heartbeat.interval.ms: 2000}}
  names: {{topic_prefix: "{name}.{{shard}}"}}
  shards: {shards}
tables:
  - {{source: '{name}\\..*'}}
transforms:
  - {{type: RegexRouter, regex: '.*\\.shard[0-9]+\\.(.*)', replacement: '$1'}}
sinks:
  - {{name: warehouse, type: postgresql, url: "postgresql://afflux:${{file:{secrets}:warehouse_password}}@{target}"}}
"""


class Clinic:
    """One patient: shard0 of a topology, with a role, a schema and topics of its own.

    Args:
        stack: runs, with one shard at least.
        folder: for the topology, passwords and logs.
        name: the topology's, the schema's, and the role's.
    """

    def __init__(self, stack: Stack, folder: Path, name: str) -> None:
        self.stack, self.name = stack, name
        self.addresses = stack.addresses()
        self.folder = folder
        self.file = folder / f"{name}.yaml"
        self.passwords = folder / f"{name}.properties"
        self.connect = Connect(",".join(self.addresses.connect))
        self.topics = Topics(self.addresses.kafka)
        self.registry = Registry(self.addresses.registry)
        self._row = 0
        self._largest = 1024 * 1024
        self._shards = [0]
        self.spoilt = False
        """Whether the last failure has not ended well, so that nothing more can be learnt here."""
        self.killed = ""
        """The part of the stack that a failure has killed."""
        self.supervisor = Worker(f"{name}-supervisor", self.file, folder / f"{name}-supervisor.log")
        self.supervisor.verb = ("supervise", "--resynchronise")
        self.sink = Worker(f"{name}-sink", self.file, folder / f"{name}-sink.log")

    # --- the whole ------------------------------------------------------------------------------

    def open(self) -> None:
        """Make the role and the table, and begin to supervise: that makes the rest."""
        self.set_password("right")
        self.superuser(
            "create role $ login replication password 'right'", "grant app to $ with inherit true, set false"
        )
        self.sql("create schema $", "create table $.orders (id int primary key, note text)")
        self.write()
        self.supervisor.start()
        self.sink.start()
        self.await_well()
        self.flows()

    def close(self) -> None:
        """End the processes, and leave nothing behind."""
        self.supervisor.kill()
        self.sink.kill()
        remove(self.topology(), None, EVERYTHING)
        self.topics.delete(name for name in self.topics.names() if self.name in name)
        for number in self._shards:
            self.discard(number)
        with psycopg.connect(self.addresses.warehouse_url, autocommit=True) as target:
            target.execute(f"drop schema if exists {self.name} cascade")

    def write(self) -> None:
        """Write the topology as it is to be now."""
        shards = [
            {"name": shard.name, "host": shard.host, "port": shard.port}
            for number, shard in enumerate(self.addresses.shards)
            if number in self._shards
        ]
        text = TEXT.format(
            name=self.name,
            kafka=self.addresses.kafka,
            registry=self.addresses.registry,
            connect=",".join(self.addresses.connect),
            role=self.name,
            passwords=self.passwords,
            secrets=self.addresses.secrets,
            shards=json.dumps(shards),
            target=self.addresses.warehouse_url.rpartition("@")[2],
            largest=self._largest,
        )
        fresh = self.file.with_suffix(".new")
        fresh.write_text(text)
        fresh.rename(self.file)

    def declare(self, *, largest: int | None = None, shards: list[int] | None = None) -> None:
        """Change the topology."""
        self._largest = largest or self._largest
        self._shards = self._shards if shards is None else shards
        self.write()

    def topology(self) -> Topology:
        """Give the topology as it is."""
        return loads(self.file.read_text())

    def furnish(self, shard: int) -> None:
        """Give a further shard what a patient needs, and nothing else; it is not declared yet."""
        if shard in self._shards:
            both = self.topology()
            self.declare(shards=[number for number in self._shards if number != shard])
            self.supervisor.send(signal.SIGHUP)
            self.supervisor.await_line("topology reread")
            remove(both, [f"shard{shard}"], EVERYTHING)
            self.discard(shard)
        self.sql("create schema $", "create table $.orders (id int primary key, note text)", shard=shard)
        self.superuser(
            "create role $ login replication password 'right'", "grant app to $ with inherit true", shard=shard
        )

    def discard(self, shard: int) -> None:
        """Remove what a patient has had on a shard, and what the target has of it."""
        self.superuser("drop schema if exists $ cascade", shard=shard)
        if self.superuser("select 1 from pg_roles where rolname = '$'", shard=shard):
            self.superuser("drop owned by $", "drop role $", shard=shard)
        with psycopg.connect(self.addresses.warehouse_url, autocommit=True) as target:
            if target.execute(f"select to_regclass('{self.name}.orders')").fetchone() != (None,):
                target.execute(f"delete from {self.name}.orders where _shard = 'shard{shard}'")

    # --- its parts ------------------------------------------------------------------------------

    @property
    def names(self) -> ShardNames:
        """What the patient's things are called."""
        topology = self.topology()
        return shard_names(topology, topology.shards[0])

    @property
    def topic(self) -> str:
        """The table's topic."""
        return f"{self.name}.shard0.{self.name}.orders"

    def status(self) -> ShardStatus:
        """Say what the patient's stream is doing."""
        return status(self.topology())[0]

    def config(self) -> dict[str, str]:
        """Give the connector's config."""
        return self.connect.connectors()[self.names.connector].config

    def set_password(self, password: str) -> None:
        """Write the password where the topology's reference points to."""
        self.passwords.touch(mode=0o600)
        self.passwords.write_text(f"password={password}\n")

    def afflux(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a command of afflux on the topology."""
        command = [sys.executable, "-m", "afflux", *words, "-t", str(self.file)]
        return subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)

    def sql(self, *statements: str, shard: int = 0) -> list[tuple[Any, ...]]:
        """Run statements as the tables' owner; `$` is the patient's name."""
        return self._run(self.addresses.shards[shard].admin_url, statements)

    def superuser(self, *statements: str, shard: int = 0) -> list[tuple[Any, ...]]:
        """Run statements as superuser."""
        return self._run(self.addresses.shards[shard].superuser_url, statements)

    def _run(self, url: str, statements: tuple[str, ...]) -> list[tuple[Any, ...]]:
        rows: list[tuple[Any, ...]] = []
        with psycopg.connect(url, autocommit=True) as connection:
            for statement in statements:
                cursor = connection.execute(statement.replace("$", self.name))
                rows = cursor.fetchall() if cursor.description else []
        return rows

    def end_sessions(self) -> None:
        """End all sessions of the connector on its shard."""
        self.superuser("select pg_terminate_backend(pid) from pg_stat_activity where usename = '$'")

    def drop_slot(self) -> None:
        """Drop the slot, whoever reads it."""

        def dropped() -> bool:
            try:
                self.superuser(
                    f"select pg_terminate_backend(active_pid) from pg_replication_slots where slot_name = '{self.names.slot}'",
                    f"select pg_drop_replication_slot('{self.names.slot}')",
                )
            except psycopg.errors.ObjectInUse:
                return False
            return True

        wait_for(dropped, 30, "the slot to be free")

    def stop(self) -> None:
        """Stop the connector, so that nobody reads the slot."""
        self.connect.change_state(self.names.connector, "stop")
        wait_for(lambda: not self.slot_active(), PATIENCE, "the slot to be free")

    def resume(self) -> None:
        """Let the connector go on."""
        self.connect.change_state(self.names.connector, "resume")

    def slot_active(self) -> bool:
        """Whether somebody reads the slot."""
        ((active,),) = self.superuser(
            f"select exists (select from pg_replication_slots where slot_name = '{self.names.slot}' and active)"
        )
        return bool(active)

    # --- what is done to the data, and what comes of it -----------------------------------------

    def insert(self, note: str = "'a row'") -> None:
        """Insert a row whose note is an SQL expression."""
        self._row += 1
        self.sql(f"insert into $.orders values ({self._row}, {note})")

    def delete_oldest(self) -> int:
        """Delete the oldest row, and return its id."""
        ((row,),) = self.sql("delete from $.orders where id = (select min(id) from $.orders) returning id")
        return int(row)

    def equal(self) -> bool:
        """Whether the target has what the shards have, no more and no less."""
        rows: list[tuple[Any, ...]] = []
        for number in self._shards:
            rows += [(f"shard{number}", *row) for row in self.sql("select id, note from $.orders", shard=number)]
        with psycopg.connect(self.addresses.warehouse_url, autocommit=True) as target:
            if target.execute(f"select to_regclass('{self.name}.orders')").fetchone() == (None,):
                return False
            there = target.execute(f"select _shard, id, note from {self.name}.orders").fetchall()
        return sorted(rows) == sorted(there)

    def flows(self) -> None:
        """See that a row which is inserted now comes, and all others with it."""
        self.insert()
        wait_for(self.equal, PATIENCE, lambda: f"the target to be equal\n{self.tails()}", every=0.5)

    def await_cause(self, cause: str, shard: str = "shard0", patience: float = PATIENCE) -> dict[str, Any]:
        """Wait until the supervisor names a cause, and return its line."""

        def found() -> list[dict[str, Any]]:
            lines = self.supervisor.lines("shard fails")
            return [line for line in lines if line["cause"] == cause and line["shard"] == shard]

        return wait_for(found, patience, lambda: f"{cause!r}\n{self.supervisor.tail(25)}")[0]

    def await_well(self, patience: float = PATIENCE) -> None:
        """Wait until the supervisor calls every shard well, and each streams."""

        def well() -> bool:
            told = self.supervisor.metric("afflux_supervisor_shard_well")
            return told == len(self._shards) and all(s.verdict is Verdict.STREAMING for s in status(self.topology()))

        wait_for(well, patience, lambda: f"all to be well\n{self.supervisor.tail(25)}", every=0.5)

    def await_deed(self, action: str) -> dict[str, Any]:
        """Wait until the supervisor has done something, and return its line."""

        def found() -> list[dict[str, Any]]:
            return [line for line in self.supervisor.lines("done") if line["action"] == action]

        return wait_for(found, PATIENCE, lambda: f"{action!r}\n{self.supervisor.tail(25)}")[0]

    def resync(self) -> None:
        """What a person does with `connectors resync`."""
        done, report = resynchronise(self.topology(), ["shard0"], wait=PATIENCE)
        assert all(each.prepared for each in done), done
        assert report.ok, report.statuses

    @contextmanager
    def unseen(self) -> Iterator[None]:
        """Hold the supervisor still, so that it finds everything at once as it was brought about."""
        self.supervisor.send(signal.SIGSTOP)
        try:
            yield
        finally:
            self.supervisor.send(signal.SIGCONT)

    def await_failed(self) -> None:
        """Wait until Connect gives the task up."""
        wait_for(lambda: self.status().task_state == "FAILED", PATIENCE, "the task to fail", every=0.5)

    def tails(self) -> str:
        """Give the ends of the logs, for messages."""
        return f"{self.supervisor.tail(10)}\n{self.sink.tail(10)}"

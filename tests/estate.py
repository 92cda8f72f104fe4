"""One topology on the real stack with a daemon of its own, and an operator beside it."""

import contextlib
import io
import json
import os
import re
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psycopg
from confluent_kafka import Consumer, Message, Producer, TopicPartition

from afflux.cli import app
from afflux.clients.topics import Topics
from afflux.control import Extent, apply_topology, remove
from afflux.sinks.batch import TableName
from afflux.sinks.delta.store import Store
from afflux.stack import Addresses
from afflux.topology.load import load_resolved
from afflux.verify import Comparison, compare
from afflux.verify.lake import Lake
from chaos.waiting import wait_for
from chaos.worker import Worker

TOPOLOGY = """\
name: {name}
kafka:
  bootstrap_servers: "{kafka}"
  topics: {{partitions: {partitions}}}
  properties: {{session.timeout.ms: {session_ms}, heartbeat.interval.ms: 1000}}
registry: {{url: "{registry}"}}
connect: {{url: "{connect}"}}
source:
  database: app
  user: cdc
  password: "${{file:{secrets}:cdc_password}}"
  names: {{topic_prefix: "{name}-{{shard}}"}}
  config: {connector}
{source}  shards: {shards}
tables: {tables}
transforms:
  - {{type: RegexRouter, regex: '{name}-shard[0-9]+\\.(.*)', replacement: '$1'}}
sinks: {sinks}
"""
PATIENCE = 90.0
"""Seconds for what takes a few when the machine is busy."""


class Estate:
    """One topology on a stack: a schema on each shard, its connectors, a daemon, and an operator.

    In statements, `$` stands for the schema, which has the topology's name.

    Args:
        addresses: of the stack.
        folder: for the topology and the daemon's log.
        name: the topology's; also the schema's at the shards and in the target.
        shards: how many of the stack's shards it has at first.
        tables: its `tables`, as in the file; all of the schema by default.
        source: more keys of its `source`.
        partitions: of each table's topic.
        lake: where a sink of type delta is to write, beside or instead of the warehouse.
        warehouse: whether there is a sink into the warehouse.
        connector: more of `source.config`.
        engine: what writes the warehouse.
        session_ms: after which a daemon that is silent loses its partitions.
    """

    def __init__(
        self,
        addresses: Addresses,
        folder: Path,
        name: str,
        *,
        shards: int = 2,
        tables: list[dict[str, Any]] | None = None,
        source: dict[str, Any] | None = None,
        partitions: int = 1,
        lake: Path | None = None,
        warehouse: bool = True,
        connector: dict[str, Any] | None = None,
        engine: str = "afflux",
        session_ms: int = 6000,
    ) -> None:
        self.addresses, self.name, self.partitions, self.session_ms = addresses, name, partitions, session_ms
        self.shards = list(range(shards))
        self.tables = tables or [{"source": rf"{name}\..*"}]
        self.source = source or {}
        self.connector = {"heartbeat.interval.ms": 1000} | (connector or {})
        self.sinks = [self._warehouse(engine)] if warehouse else []
        self.sinks += [{"name": "lake", "type": "delta", "path": str(lake), "batch": {"seconds": 0.1}}] if lake else []
        self.path = folder / f"{name}.yaml"
        self.kafka = Topics(addresses.kafka)
        self.lake = Lake(Store(str(lake)))
        self.daemons = [
            Worker(f"{name} {s['name']}", self.path, folder / f"{s['name']}.log", s["name"]) for s in self.sinks
        ]
        self.daemon = self.daemons[0]
        self.write()
        for number in range(len(addresses.shards)):
            self.sql("CREATE SCHEMA $", shard=number)

    def _warehouse(self, engine: str) -> dict[str, Any]:
        port = psycopg.conninfo.conninfo_to_dict(self.addresses.warehouse_url)["port"]
        login = f"afflux:${{file:{self.addresses.secrets}:warehouse_password}}"
        url = f"postgresql://{login}@127.0.0.1:{port}/dw"
        own = {"batch": {"seconds": 0.1}} if engine == "afflux" else {"engine": engine}
        return {"name": "warehouse", "type": "postgresql", "url": url, **own}

    def write(self) -> None:
        """Write the topology as it is now; a daemon that runs sees it in time."""
        listed = [{"name": s.name, "host": s.host, "port": s.port} for s in self.addresses.shards]
        text = TOPOLOGY.format(
            name=self.name,
            kafka=self.addresses.kafka,
            partitions=self.partitions,
            session_ms=self.session_ms,
            registry=self.addresses.registry,
            connect=self.addresses.connect[0],
            secrets=self.addresses.secrets,
            source="".join(f"  {key}: {json.dumps(value)}\n" for key, value in self.source.items()),
            connector=json.dumps(self.connector),
            shards=json.dumps([listed[number] for number in self.shards]),
            tables=json.dumps(self.tables),
            sinks=json.dumps(self.sinks),
        )
        self.path.write_text(text)

    def close(self) -> None:
        """End the daemon, and remove all that was made."""
        for daemon in self.daemons:
            daemon.kill()
        remove(load_resolved(self.path), None, Extent(slot=True, publication=True, offsets=True))
        self.kafka.delete(
            [
                topic
                for topic in self.kafka.names()
                if topic.startswith((f"{self.name}-shard", f"{self.name}.", f"afflux.{self.name}."))
            ]
        )

        for number in range(len(self.addresses.shards)):
            self.sql("DROP SCHEMA $ CASCADE", shard=number)
        self.target("DROP SCHEMA IF EXISTS $ CASCADE")
        kept = "SELECT table_name FROM information_schema.columns WHERE table_schema = 'afflux' AND column_name = 'topology'"
        for (table,) in self.target(kept):
            self.target(f"DELETE FROM afflux.{table} WHERE topology = '$'")

    # --- the shards and the target --------------------------------------------------------------

    def sql(self, *statements: str, shard: int | None = None) -> list[tuple[Any, ...]]:
        """Do statements on one shard, or on all; return the last one's rows."""
        rows: list[tuple[Any, ...]] = []
        for number, address in enumerate(self.addresses.shards):
            if shard == number or (shard is None and number in self.shards):
                with psycopg.connect(address.admin_url, autocommit=True) as connection:
                    rows = self._rows(connection, statements)
        return rows

    def target(self, *statements: str) -> list[tuple[Any, ...]]:
        """Do statements in the target; return the last one's rows."""
        with psycopg.connect(self.addresses.warehouse_url, autocommit=True) as connection:
            return self._rows(connection, statements)

    def compare(self, table: str, *, lake: bool = False) -> Comparison:
        """Compare a table with the target's, or the lake's, as they are now."""
        with ExitStack() as stack:
            shards = {
                self.addresses.shards[n].name: stack.enter_context(
                    psycopg.connect(self.addresses.shards[n].admin_url, autocommit=True)
                )
                for n in self.shards
            }
            target = stack.enter_context(psycopg.connect(self.addresses.warehouse_url, autocommit=True))
            into = re.sub(r"\W", "_", table)  # the transform names the target after the topic
            return compare(
                shards, self.lake if lake else target, TableName(self.name, table), into=TableName(self.name, into)
            )

    def await_equal(self, table: str, patience: float = PATIENCE, *, lake: bool = False) -> None:
        """Wait until a table is in the target, or the lake, row for row."""

        def equal() -> bool:
            self.check()
            return self.compare(table, lake=lake).equal

        def said() -> str:
            return "\n".join([*self.compare(table, lake=lake).lines(), *(daemon.tail() for daemon in self.daemons)])

        wait_for(equal, patience, said, every=0.3)

    def await_target(self, statement: str, rows: list[tuple[Any, ...]], patience: float = PATIENCE) -> None:
        """Wait until a statement gives these rows in the target."""

        def found() -> bool:
            self.check()
            return self.target(statement) == rows

        wait_for(found, patience, lambda: f"{rows}, and not {self.target(statement)}\n{self.daemon.tail()}")

    def check(self) -> None:
        """See that the daemons run."""
        for daemon in self.daemons:
            assert daemon.alive, f"the daemon has ended\n{daemon.tail()}"

    def _rows(self, connection: psycopg.Connection, statements: tuple[str, ...]) -> list[tuple[Any, ...]]:
        rows: list[tuple[Any, ...]] = []
        for statement in statements:
            cursor = connection.execute(re.sub(r"\$(?=\W|$)", self.name, statement))  # type: ignore[arg-type]
            rows = cursor.fetchall() if cursor.description else []
        return rows

    # --- Kafka ----------------------------------------------------------------------------------

    def topic(self, table: str, shard: int = 0) -> str:
        return f"{self.name}-shard{shard}.{self.name}.{table}"

    def produce(self, topic: str, value: bytes, key: bytes | None = None, partition: int = 0) -> int:
        """Write a message of our own and return its offset."""
        offsets: list[int] = []
        producer = Producer({"bootstrap.servers": self.addresses.kafka})
        producer.produce(topic, value, key, partition, on_delivery=lambda _, message: offsets.append(message.offset()))
        assert producer.flush(30) == 0
        return offsets[0]

    def read(self, topic: str, count: int) -> list[Message]:
        """Wait for so many messages of a topic's first partition, and return them."""
        wait_for(lambda: topic in self.kafka.names(), PATIENCE, f"topic {topic}")
        settings = {"bootstrap.servers": self.addresses.kafka, "group.id": self.name, "enable.auto.commit": False}
        consumer = Consumer(settings)
        consumer.assign([TopicPartition(topic, 0, 0)])
        found: list[Message] = []

        def enough() -> bool:
            found.extend(message for message in consumer.consume(count, 1) if message.error() is None)
            return len(found) >= count

        try:
            wait_for(enough, PATIENCE, f"{count} messages in {topic}")
        finally:
            consumer.close()
        return found[:count]

    # --- the operator ---------------------------------------------------------------------------

    def apply(self) -> None:
        """`connectors apply`."""
        report = apply_topology(load_resolved(self.path))
        assert report.ok, [outcome for outcome in report.outcomes if not outcome.done] or [*report.statuses]

    def operate(self, *arguments: str, code: int | None = 0) -> str:
        """Do a command of afflux on this topology, and return its standard output; None takes any exit code."""
        with contextlib.redirect_stdout(io.StringIO()) as out:
            found = app(args=[*arguments, "-t", str(self.path)], prog_name="afflux", standalone_mode=False)
        assert code in {None, found or 0}, out.getvalue()
        return out.getvalue()

    def ask(self, *arguments: str, code: int | None = 0) -> Any:
        """Do a command of afflux that prints data, and return that."""
        return json.loads(self.operate(*arguments, "-o", "json", code=code))


@contextlib.contextmanager
def estate(addresses: Addresses, folder: Path, name: str, **more: Any) -> Iterator[Estate]:
    """Make a topology's place on the stack, and clear it away in the end."""
    if os.environ.get("AFFLUX_TEST_STATE"):
        name += f"{os.getpid()}"  # what an earlier run has left on a kept stack is not ours
    made = Estate(addresses, folder, name, **more)
    try:
        yield made
    finally:
        made.close()

"""A connector of a test's own on the real stack: its database, its topics, and the events that come."""

import io
import json
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import fastavro
import psycopg
import requests
from confluent_kafka import Consumer, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from afflux.stack import Addresses

PATIENCE = 60.0
"""Seconds for what takes a few when the machine is busy."""

PLUGIN = {
    "converters": "afflux",
    "afflux.type": "io.afflux.connect.ExactValues",
    "transforms": "afflux",
    "transforms.afflux.type": "io.afflux.connect.WithoutDefaults",
    "driver.binaryTransfer": "false",
    "driver.options": "-c intervalstyle=postgres -c bytea_output=hex -c extra_float_digits=1",
}
"""What a connector needs to use afflux's plugin."""


@dataclass(frozen=True)
class Event:
    """One change event: its place, its schemas as JSON, and key and value as Avro's plain values."""

    topic: str
    offset: int
    key_schema: dict[str, Any] | None
    value_schema: dict[str, Any] | None
    key: dict[str, Any] | None
    value: dict[str, Any] | None
    headers: dict[str, bytes] = field(default_factory=dict)

    @property
    def mode(self) -> str:
        """`snapshot`, `stream` or `incremental`."""
        assert self.value is not None
        by_flag = {"false": "stream", "incremental": "incremental"}
        return by_flag.get(self.value["source"]["snapshot"], "snapshot")


class Capture:
    """A connector that captures every table of schema public of a database of its own.

    Args:
        addresses: the stack's.
        name: the connector's, its database's, and its topics' prefix.
    """

    def __init__(self, addresses: Addresses, name: str) -> None:
        self.addresses = addresses
        self.name = name
        self.url = _with_database(addresses.shards[0].superuser_url, name)
        self._connect = addresses.connect[0]
        self._schemas: dict[int, dict[str, Any]] = {}
        self._signals = f"{name}-signals"

    def start(self, **more: str) -> None:
        """Create the publication and the connector."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute("create publication all_tables for all tables")
        admin = AdminClient({"bootstrap.servers": self.addresses.kafka})
        admin.create_topics([NewTopic(self._signals, 1, 1)])[self._signals].result()
        answer = requests.put(f"{self._connect}/connectors/{self.name}/config", json=self.config(**more), timeout=60)
        assert answer.ok, answer.text

    def config(self, **more: str) -> dict[str, str]:
        to = conninfo_to_dict(self.url)
        return {
            "connector.class": "io.debezium.connector.postgresql.PostgresConnector",
            "database.hostname": str(to["host"]),
            "database.port": str(to["port"]),
            "database.dbname": self.name,
            "database.user": str(to["user"]),
            "database.password": f"${{file:{self.addresses.secrets}:postgres_password}}",
            "topic.prefix": self.name,
            "schema.include.list": "public",
            "plugin.name": "pgoutput",
            "slot.name": self.name,
            "publication.name": "all_tables",
            "publication.autocreate.mode": "disabled",
            "decimal.handling.mode": "string",
            "interval.handling.mode": "string",
            "time.precision.mode": "microseconds",
            "datatype.propagate.source.type": ".+",
            "include.unknown.datatypes": "true",
            "event.converting.failure.handling.mode": "fail",
            "field.name.adjustment.mode": "avro",
            "schema.name.adjustment.mode": "avro",
            "read.only": "true",
            "signal.enabled.channels": "kafka",
            "signal.kafka.topic": self._signals,
            "signal.kafka.groupId": self.name,
            "signal.kafka.poll.timeout.ms": "500",
            "signal.kafka.bootstrap.servers": self.addresses.kafka,
            "incremental.snapshot.chunk.size": "4",
            "topic.creation.default.partitions": "1",
            "topic.creation.default.replication.factor": "1",
            "heartbeat.interval.ms": "500",
            "heartbeat.action.query": "select pg_logical_emit_message(true, 'test', '')",
            **more,
        }

    def snapshot(self, table: str) -> None:
        """Ask for an incremental snapshot of a table."""
        asked = {"type": "execute-snapshot", "data": {"data-collections": [table], "type": "INCREMENTAL"}}
        producer = Producer({"bootstrap.servers": self.addresses.kafka})
        producer.produce(self._signals, key=self.name, value=json.dumps(asked))
        producer.flush()

    def failure(self) -> str:
        """Return the task's stack trace, empty while it runs."""
        status = requests.get(f"{self._connect}/connectors/{self.name}/status", timeout=10).json()
        return "".join(task.get("trace", "") for task in status.get("tasks", ()))

    def events(self, table: str, count: int) -> list[Event]:
        """Wait for that many events of a table, from the first; tombstones among them."""
        topic = f"{self.name}.public.{table}"
        consumer = Consumer(
            {
                "bootstrap.servers": self.addresses.kafka,
                "group.id": self.name,
                "enable.auto.commit": False,
                "isolation.level": "read_committed",
                "topic.metadata.refresh.interval.ms": 500,
                "allow.auto.create.topics": False,
            }
        )
        consumer.assign([TopicPartition(topic, 0, 0)])
        found: list[Event] = []
        give_up = time.monotonic() + PATIENCE
        while len(found) < count:
            found += [self._event(m) for m in consumer.consume(500, 0.5) if m.error() is None]
            if len(found) < count:
                failure = self.failure()
                assert not failure, failure
                assert time.monotonic() < give_up, f"{len(found)} of {count} events of {table} have come"
        consumer.close()
        return found

    def remove(self) -> None:
        """Delete the connector, and its slot, once its walsender has left it."""
        requests.delete(f"{self._connect}/connectors/{self.name}", timeout=60)
        give_up = time.monotonic() + PATIENCE
        with psycopg.connect(self.url, autocommit=True) as connection:
            query = "select active_pid is null from pg_replication_slots where slot_name = %s"
            while (left := connection.execute(query, [self.name]).fetchone()) and not left[0]:
                assert time.monotonic() < give_up, f"the slot {self.name} is still in use"
                time.sleep(0.2)
            if left:
                connection.execute("select pg_drop_replication_slot(%s)", [self.name])

    def _event(self, message: Message) -> Event:
        key_schema, key = self._decoded(message.key())
        value_schema, value = self._decoded(message.value())
        headers = {name: bytes(content or b"") for name, content in message.headers() or ()}
        return Event(str(message.topic()), int(message.offset() or 0), key_schema, value_schema, key, value, headers)

    def _decoded(self, content: bytes | None) -> tuple[Any, Any]:
        if content is None:
            return None, None
        number = int.from_bytes(content[1:5], "big")
        if number not in self._schemas:
            answer = requests.get(f"{self.addresses.registry}/schemas/ids/{number}", timeout=10).json()
            self._schemas[number] = json.loads(answer["schema"])
        schema = self._schemas[number]
        return schema, fastavro.schemaless_reader(io.BytesIO(content[5:]), fastavro.parse_schema(schema), None)


@contextmanager
def capture(addresses: Addresses, stem: str) -> Iterator[Capture]:
    """Make a database and a connector (not yet started), named after the stem; both are gone afterwards."""
    name = f"{stem}_{secrets.token_hex(3)}"  # topics and offsets outlive them, in a stack that is kept
    database = sql.Identifier(name)
    with psycopg.connect(addresses.shards[0].superuser_url, autocommit=True) as admin:
        admin.execute(sql.SQL("create database {}").format(database))
    capture = Capture(addresses, name)
    try:
        yield capture
    finally:
        capture.remove()
        with psycopg.connect(addresses.shards[0].superuser_url, autocommit=True) as admin:
            admin.execute(sql.SQL("drop database {} with (force)").format(database))


def _with_database(url: str, database: str) -> str:
    base, _, _ = url.rpartition("/")
    return f"{base}/{database}"

"""The topic in which connectors tell of their snapshots: Debezium's notifications, in Avro."""

import io
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import confluent_kafka
import fastavro
from confluent_kafka import Consumer, TopicPartition

from afflux.clients.topics import QUIET
from afflux.errors import KafkaError

ANSWER_SECONDS = 10.0
_HEADER = 5
"""Bytes before the body: a zero, and the schema's id (the Confluent wire format)."""


@dataclass(frozen=True, slots=True)
class Notice:
    """What a connector tells of a snapshot.

    Attributes:
        offset: in the topic.
        connector: its topic prefix.
        id: the signal's of an incremental snapshot; of all others one that means nothing.
        incremental: whether it is one of an incremental snapshot; the first copy and blocking ones are alike.
        kind: STARTED, IN_PROGRESS, TABLE_SCAN_COMPLETED, COMPLETED, ABORTED and others.
        table: of TABLE_SCAN_COMPLETED, `schema.table`.
        status: of TABLE_SCAN_COMPLETED: SUCCEEDED, EMPTY, SQL_EXCEPTION, UNKNOWN_SCHEMA and others.
    """

    offset: int
    connector: str
    id: str
    incremental: bool
    kind: str
    table: str = ""
    status: str = ""


class Notifications:
    """One topic of notifications.

    Args:
        bootstrap_servers: `host:port`, several with commas.
        properties: librdkafka's, secrets resolved.
        topic: the topic; it has one partition.
        schema_by_id: gives a registered schema as JSON, None for an id that is not registered.
    """

    def __init__(
        self,
        bootstrap_servers: str,
        properties: Mapping[str, str],
        topic: str,
        schema_by_id: Callable[[int], dict[str, Any] | None],
    ) -> None:
        self._settings: dict[str, Any] = {
            **properties,
            "bootstrap.servers": bootstrap_servers,
            # The group is never joined nor committed to; librdkafka wants a name for it.
            "group.id": "afflux-notifications",
            "enable.auto.commit": False,
            "isolation.level": "read_committed",
            "enable.partition.eof": True,
            "auto.offset.reset": "earliest",
        }
        self._where = f"topic {topic} of Kafka at {bootstrap_servers}"
        self._topic = topic
        self._schema_by_id = schema_by_id
        self._schemas: dict[int, Any] = {}

    def since(self, offset: int) -> list[Notice]:
        """Return what was told from an offset on, in order; what is no notification is left out.

        Raises:
            KafkaError: the topic can't be read.
            RegistryError: the registry does not answer.
        """
        consumer = Consumer(self._settings, logger=QUIET)
        try:
            consumer.assign([TopicPartition(self._topic, 0, offset)])
            return [notice for at, value in self._read(consumer) if (notice := self._notice(at, value)) is not None]
        except confluent_kafka.KafkaException as error:
            raise KafkaError(f"{self._where} can't be read: {error.args[0].str()}", transient=True) from None
        finally:
            consumer.close()

    def _read(self, consumer: Consumer) -> Iterator[tuple[int, bytes]]:
        while True:
            message = consumer.poll(ANSWER_SECONDS)
            if message is None:
                raise KafkaError(f"{self._where} can't be read to its end", transient=True)
            error = message.error()
            if error is not None and error.code() == confluent_kafka.KafkaError._PARTITION_EOF:  # noqa: SLF001 - so spelt
                return
            if error is not None:
                raise confluent_kafka.KafkaException(error)
            yield message.offset() or 0, message.value() or b""

    def _notice(self, offset: int, value: bytes) -> Notice | None:
        if len(value) <= _HEADER or value[0]:
            return None
        number = int.from_bytes(value[1:_HEADER], "big")
        if number not in self._schemas:
            written = self._schema_by_id(number)
            self._schemas[number] = None if written is None else fastavro.parse_schema(written)
        if self._schemas[number] is None:
            return None
        told: Any = fastavro.schemaless_reader(io.BytesIO(value[_HEADER:]), self._schemas[number], None)
        more: Mapping[str, str] = told.get("additional_data") or {}
        return Notice(
            offset=offset,
            connector=more.get("connector_name", ""),
            id=told["id"],
            incremental=told["aggregate_type"] == "Incremental Snapshot",
            kind=told["type"],
            table=more.get("scanned_collection", ""),
            status=more.get("status", ""),
        )

"""The topic in which connectors tell of their snapshots: Debezium's notifications, in Avro."""

import io
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import confluent_kafka
import fastavro
from confluent_kafka import Consumer, Message, TopicPartition

from afflux.clients.topics import QUIET
from afflux.errors import KafkaError

ANSWER_SECONDS = 10.0
MOMENT = 0.2
"""Seconds to wait for more where the end was reached once."""
_STEP = b"IN_PROGRESS"
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
        at: when the broker, or the connector, says it was written, in milliseconds since 1970.
        more: what else it tells, by Debezium's names, such as `total_rows_scanned`.
    """

    offset: int
    connector: str
    id: str
    incremental: bool
    kind: str
    table: str = ""
    status: str = ""
    at: int = 0
    more: Mapping[str, str] = field(default_factory=dict)


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
            return [notice for message in self._read(consumer) if (notice := self._notice(message)) is not None]
        except confluent_kafka.KafkaException as error:
            raise KafkaError(f"{self._where} can't be read: {error.args[0].str()}", transient=True) from None
        finally:
            consumer.close()

    @contextmanager
    def following(self, since: int, *, steps: bool) -> Iterator[Callable[[], Iterator[Notice]]]:
        """Follow what is told from a time on.

        Args:
            since: the time, in milliseconds since 1970.
            steps: whether the many are wanted, too, that tell how far a copy is.

        Yields:
            A function: each call gives what was told since the last one, up to now.

        Raises:
            KafkaError: the topic can't be read.
            RegistryError: the registry does not answer.
        """
        consumer = Consumer(self._settings, logger=QUIET)
        reached = False

        def news() -> Iterator[Notice]:
            nonlocal reached
            for message in self._read(consumer, MOMENT if reached else ANSWER_SECONDS, ends=reached):
                if steps or _STEP not in (message.value() or b""):
                    notice = self._notice(message)
                    if notice is not None:
                        yield notice
            reached = True

        try:
            (place,) = consumer.offsets_for_times([TopicPartition(self._topic, 0, since)], timeout=ANSWER_SECONDS)
            if place.offset < 0:  # nothing was told since
                place.offset = consumer.get_watermark_offsets(place, timeout=ANSWER_SECONDS)[1]
            consumer.assign([place])
            yield news
        except confluent_kafka.KafkaException as error:
            raise KafkaError(f"{self._where} can't be read: {error.args[0].str()}", transient=True) from None
        finally:
            consumer.close()

    def _read(self, consumer: Consumer, seconds: float = ANSWER_SECONDS, *, ends: bool = False) -> Iterator[Message]:
        """Yield what there is up to the end; `ends`: that nothing comes means that the end is reached."""
        while True:
            message = consumer.poll(seconds)
            if message is None and ends:
                return
            if message is None:
                raise KafkaError(f"{self._where} can't be read to its end", transient=True)
            error = message.error()
            if error is not None and error.code() == confluent_kafka.KafkaError._PARTITION_EOF:  # noqa: SLF001 - so spelt
                return
            if error is not None:
                raise confluent_kafka.KafkaException(error)
            yield message

    def _notice(self, message: Message) -> Notice | None:
        value = message.value() or b""
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
            offset=message.offset() or 0,
            connector=more.get("connector_name", ""),
            id=told["id"],
            incremental=told["aggregate_type"] == "Incremental Snapshot",
            kind=told["type"],
            table=more.get("scanned_collection", ""),
            status=more.get("status", ""),
            at=message.timestamp()[1],
            more=more,
        )

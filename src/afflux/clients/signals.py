"""The topic by which connectors are sent signals: Debezium's, JSON with the topic prefix as key."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import confluent_kafka
from confluent_kafka import Consumer, Producer, TopicPartition

from afflux.clients.topics import QUIET
from afflux.errors import KafkaError

ANSWER_SECONDS = 10.0
_NOTED = "connector"
"""The key of a note's data that says whose it is."""


@dataclass
class Sent:
    """What stands in a signal topic."""

    ids: set[str] = field(default_factory=set)
    """Of all signals."""
    notes: dict[str, dict[str, str]] = field(default_factory=dict)
    """Connector -> what was noted of it last."""

    def add(self, value: bytes) -> None:
        """Take one record in; what somebody else wrote in another form is left out."""
        try:
            signal = json.loads(value)
        except ValueError:
            return
        if not isinstance(signal, dict):
            return
        self.ids.add(str(signal.get("id", "")))
        data = signal.get("data")
        if signal.get("type") == "log" and isinstance(data, dict) and _NOTED in data:
            self.notes[str(data[_NOTED])] = dict(data.get("config", {}))


class Signals:
    """One signal topic.

    Args:
        bootstrap_servers: `host:port`, several with commas.
        properties: librdkafka's, secrets resolved.
        topic: the topic; it exists and has one partition.
    """

    def __init__(self, bootstrap_servers: str, properties: Mapping[str, str], topic: str) -> None:
        self._settings = {**properties, "bootstrap.servers": bootstrap_servers}
        self._where = f"topic {topic} of Kafka at {bootstrap_servers}"
        self._topic = topic

    def sent(self) -> Sent:
        """Return what was sent so far."""
        # The group is never joined nor committed to; librdkafka wants a name for it.
        settings = {**self._settings, "group.id": "afflux-signals", "enable.auto.commit": False}
        consumer = Consumer({**settings, "enable.partition.eof": True}, logger=QUIET)
        try:
            low, high = consumer.get_watermark_offsets(TopicPartition(self._topic, 0), timeout=ANSWER_SECONDS)
            if low == high:
                return Sent()
            consumer.assign([TopicPartition(self._topic, 0, low)])
            return self._read(consumer)
        except confluent_kafka.KafkaException as error:
            raise self._failed("read", error) from None
        finally:
            consumer.close()

    def snapshot(self, topic_prefix: str, *, id: str, tables: Sequence[str], blocking: bool = False) -> None:  # noqa: A002 - Debezium's word
        """Ask a connector for a snapshot of some tables; return when the broker has the signal.

        Args:
            topic_prefix: the connector's.
            id: by which its notifications name the snapshot.
            tables: regular expressions for `schema.table`.
            blocking: whether changes wait meanwhile; else the snapshot is read in chunks between them.
        """
        signal = {
            "id": id,
            "type": "execute-snapshot",
            "data": {"data-collections": list(tables), "type": "BLOCKING" if blocking else "INCREMENTAL"},
        }
        self._send(topic_prefix, signal)

    def note(self, topic_prefix: str, *, connector: str, config: Mapping[str, str]) -> None:
        """Note some properties of a connector, for `sent` to give back; to Debezium it is a line for its log.

        Args:
            topic_prefix: the connector's.
            connector: its name.
            config: the properties.
        """
        data = {"message": "afflux has noted the tables of this connector", _NOTED: connector, "config": dict(config)}
        self._send(topic_prefix, {"id": f"{connector}-noted", "type": "log", "data": data})

    def _send(self, topic_prefix: str, signal: Mapping[str, Any]) -> None:
        producer = Producer({**self._settings, "enable.idempotence": True}, logger=QUIET)
        lost: list[Any] = []
        producer.produce(
            self._topic,
            key=topic_prefix,
            value=json.dumps(signal),
            partition=0,
            on_delivery=lambda error, _: lost.append(error) if error else None,
        )
        if producer.flush(ANSWER_SECONDS) or lost:
            raise KafkaError(
                f"a signal for {topic_prefix} could not be written to {self._where}: {lost[0] if lost else 'no answer'}",
                transient=True,
            )

    def _read(self, consumer: Consumer) -> Sent:
        sent = Sent()
        while True:
            message = consumer.poll(ANSWER_SECONDS)
            if message is None:
                raise KafkaError(f"{self._where} can't be read to its end", transient=True)
            error = message.error()
            if error is not None and error.code() == confluent_kafka.KafkaError._PARTITION_EOF:  # noqa: SLF001 - so spelt
                return sent
            if error is not None:
                raise self._failed("read", confluent_kafka.KafkaException(error))
            sent.add(message.value() or b"")

    def _failed(self, what: str, error: confluent_kafka.KafkaException) -> KafkaError:
        return KafkaError(f"{self._where} can't be {what}: {error.args[0].str()}", transient=True)

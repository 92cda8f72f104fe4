"""A topic of one partition that is written to and read whole: JSON, in the order of writing."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import confluent_kafka
from confluent_kafka import Consumer, Producer, TopicPartition

from afflux.clients.topics import QUIET
from afflux.errors import KafkaError

ANSWER_SECONDS = 10.0


class Journal:
    """One such topic.

    Args:
        bootstrap_servers: `host:port`, several with commas.
        properties: librdkafka's, secrets resolved.
        topic: the topic; it exists and has one partition.
    """

    def __init__(self, bootstrap_servers: str, properties: Mapping[str, str], topic: str) -> None:
        self._settings = {**properties, "bootstrap.servers": bootstrap_servers}
        self._where = f"topic {topic} of Kafka at {bootstrap_servers}"
        self._topic = topic
        self._producer: Producer | None = None

    def write(self, key: str, value: Mapping[str, Any]) -> None:
        """Write an entry, and return when the broker has it.

        Raises:
            KafkaError: it has not, within some seconds.
        """
        if self._producer is None:
            waits = {"enable.idempotence": True, "delivery.timeout.ms": int(ANSWER_SECONDS * 1000)}
            self._producer = Producer({**self._settings, **waits}, logger=QUIET)
        lost: list[Any] = []
        self._producer.produce(
            self._topic,
            key=key,
            value=json.dumps(value, default=str),
            partition=0,
            on_delivery=lambda error, _: lost.append(error) if error else None,
        )
        if self._producer.flush(ANSWER_SECONDS) or lost:
            self._producer = None
            raise KafkaError(f"{self._where} can't be written: {lost[0] if lost else 'no answer'}", transient=True)

    def entries(self, newest: int | None = None) -> Iterator[dict[str, Any]]:
        """Read what is there now, from the oldest on; what somebody else wrote in another form is left out.

        Args:
            newest: begin so many offsets before the end; None: with the oldest entry.

        Raises:
            KafkaError: the topic can't be read to its end.
        """
        # The group is never joined nor committed to; librdkafka wants a name for it.
        settings = {**self._settings, "group.id": "afflux-journal", "enable.auto.commit": False}
        consumer = Consumer({**settings, "enable.partition.eof": True}, logger=QUIET)
        try:
            low, high = consumer.get_watermark_offsets(TopicPartition(self._topic, 0), timeout=ANSWER_SECONDS)
            begin = low if newest is None else max(low, high - newest)
            if begin < high:
                consumer.assign([TopicPartition(self._topic, 0, begin)])
                yield from self._read(consumer)
        except confluent_kafka.KafkaException as error:
            raise self._failed(error.args[0]) from None
        finally:
            consumer.close()

    def _read(self, consumer: Consumer) -> Iterator[dict[str, Any]]:
        while True:
            message = consumer.poll(ANSWER_SECONDS)
            if message is None:
                raise KafkaError(f"{self._where} can't be read to its end", transient=True)
            error = message.error()
            if error is not None and error.code() == confluent_kafka.KafkaError._PARTITION_EOF:  # noqa: SLF001 - so spelt
                return
            if error is not None:
                raise self._failed(error)
            try:
                entry = json.loads(message.value() or b"")
            except ValueError:
                continue
            if isinstance(entry, dict):
                yield entry

    def _failed(self, error: confluent_kafka.KafkaError) -> KafkaError:
        missing = error.code() in {
            confluent_kafka.KafkaError.UNKNOWN_TOPIC_OR_PART,
            confluent_kafka.KafkaError._UNKNOWN_PARTITION,  # noqa: SLF001 - likewise
        }
        if missing:
            return KafkaError(f"{self._where}: there is none", hint="`afflux supervise` makes it when it starts.")
        return KafkaError(f"{self._where} can't be read: {error.str()}", transient=True)

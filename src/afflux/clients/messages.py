"""Single messages, read by where they are."""

import time
from collections.abc import Collection, Mapping

import confluent_kafka
from confluent_kafka import Consumer, Message, TopicPartition

from afflux.clients.topics import QUIET
from afflux.errors import KafkaError

Place = tuple[str, int, int]
"""(topic, partition, offset)."""
_SECONDS = 20.0
"""For all of them together."""


def read_at(bootstrap_servers: str, properties: Mapping[str, str], places: Collection[Place]) -> dict[Place, Message]:
    """Read messages.

    Args:
        bootstrap_servers: `host:port`, several with commas.
        properties: librdkafka's, secrets resolved.
        places: where they are; those that Kafka has deleted are left out of the answer.

    Raises:
        KafkaError: the broker does not answer, or refuses.
    """
    found: dict[Place, Message] = {}
    if not places:
        return found
    settings = {
        **properties,
        "bootstrap.servers": bootstrap_servers,
        "group.id": "afflux-letters",  # a client must have one; nothing is committed, and no group is joined
        "enable.auto.commit": False,
        "auto.offset.reset": "latest",
        "isolation.level": "read_committed",
    }
    try:
        consumer = Consumer(settings, logger=QUIET)
        try:
            for topic, partition, offset in sorted(places):
                first, _end = consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=_SECONDS)
                if offset >= first and (message := _one(consumer, topic, partition, offset)) is not None:
                    found[topic, partition, offset] = message
        finally:
            consumer.close()
    except confluent_kafka.KafkaException as error:
        raise KafkaError(f"events can't be read again: {error.args[0].str()}", transient=True) from None
    return found


def _one(consumer: Consumer, topic: str, partition: int, offset: int) -> Message | None:
    """Read one message; None where there is none at its offset any more."""
    consumer.assign([TopicPartition(topic, partition, offset)])
    until = time.monotonic() + _SECONDS
    while time.monotonic() < until:
        message = consumer.poll(0.5)
        if message is not None and message.error() is None:
            return message if message.offset() == offset else None
    raise KafkaError(f"topic {topic!r} partition {partition} offset {offset} could not be read in {_SECONDS:.0f} s")

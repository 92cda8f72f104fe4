"""What a few records of a partition tell: when they were written, and how large such records are."""

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import confluent_kafka
from confluent_kafka import Consumer, Message, TopicPartition

from afflux.clients.topics import QUIET
from afflux.errors import KafkaError

RECORDS = 20
"""Of each partition at most."""
SECONDS = 2.0
"""For all partitions together; what has not come by then is not known this time."""
_FETCH_BYTES = 64 * 1024


@dataclass(slots=True)
class Sample:
    """Some records of a partition, one after the other.

    Attributes:
        first: when the first of them was written, in seconds since 1970.
        last: when the last of them was.
        sizes: bytes of each, key and value together.
    """

    first: float
    last: float = 0.0
    sizes: list[int] = field(default_factory=list)

    @property
    def mean_size(self) -> float:
        """Bytes of a record."""
        return sum(self.sizes) / len(self.sizes)


def sample(
    bootstrap_servers: str, properties: Mapping[str, str], ranges: Mapping[tuple[str, int], tuple[int, int]]
) -> dict[tuple[str, int], Sample]:
    """Read a few records of partitions.

    Args:
        bootstrap_servers: `host:port`, several with commas.
        properties: librdkafka's, secrets resolved.
        ranges: of each partition, from which offset on, and the end to which at most.

    Returns:
        By partition; those whose records did not come in time, or that hold none, are left out.

    Raises:
        KafkaError: the client can't be made as the properties say.
    """
    wanted = {place: (start, end) for place, (start, end) in ranges.items() if end > start}
    found: dict[tuple[str, int], Sample] = {}
    if not wanted:
        return found
    consumer = _consumer(bootstrap_servers, properties)
    missing = set(wanted)
    try:
        consumer.assign([TopicPartition(*place, start) for place, (start, _) in wanted.items()])
        until = time.monotonic() + SECONDS
        while missing and (left := until - time.monotonic()) > 0:
            messages = consumer.consume(1000, timeout=min(left, 0.2))
            missing -= _take(messages, wanted, found)
    finally:
        consumer.close()
    return found


def _take(
    messages: Iterable[Message],
    wanted: Mapping[tuple[str, int], tuple[int, int]],
    found: dict[tuple[str, int], Sample],
) -> set[tuple[str, int]]:
    """Put messages where they belong; give the partitions of which that is enough."""
    enough = set()
    for message in messages:
        place = (message.topic() or "", message.partition() or 0)
        if message.error() is not None:
            enough.add(place)
            continue
        written = message.timestamp()[1] / 1000
        of = found.setdefault(place, Sample(written))
        if len(of.sizes) < RECORDS:
            of.last = written
            of.sizes.append(len(message.key() or b"") + len(message.value() or b""))
        if len(of.sizes) >= RECORDS or (message.offset() or 0) >= wanted[place][1] - 1:
            enough.add(place)
    return enough


def _consumer(bootstrap_servers: str, properties: Mapping[str, str]) -> Consumer:
    settings = {
        **properties,
        "bootstrap.servers": bootstrap_servers,
        "group.id": "afflux.samples",  # a client must have one; nothing is committed, and no group is joined
        "enable.auto.commit": False,
        "enable.partition.eof": True,
        "isolation.level": "read_committed",
        "fetch.message.max.bytes": _FETCH_BYTES,
    }
    try:
        return Consumer(settings, logger=QUIET)
    except confluent_kafka.KafkaException as error:
        raise KafkaError(f"Kafka client: {error}", hint="Check kafka.properties of the topology.") from None

"""All that an operator's command needs of one sink: its state, the broker, the registry."""

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any

from confluent_kafka import Message

from afflux.clients.messages import Place, read_at
from afflux.clients.registry import Registry
from afflux.clients.topics import Topics
from afflux.errors import KafkaError
from afflux.sinks import make_sink, make_state
from afflux.sinks.base import Sink
from afflux.sinks.batch import LetterId, Partition, Span
from afflux.sinks.state import SinkState
from afflux.stream.subscription import Declared
from afflux.topology.model import Topology
from afflux.topology.names import consumer_group
from afflux.topology.secrets import resolve
from afflux.topology.sinks import Sink as SinkConfig


@dataclass(slots=True)
class Desk:
    """One sink of a topology, to work with.

    Attributes:
        topology: the declared whole.
        state: the sink's state.
        declared: which tables topics are of.
        registry: the schema registry.
        topics: the broker's topics.
        make_sink: makes the sink itself, not open.
        read_at: reads messages by where they are.
        notes: what could not be found out, for people.
    """

    topology: Topology
    state: SinkState
    declared: Declared
    registry: Registry
    topics: Topics
    make_sink: Callable[[], Sink]
    read_at: Callable[[Collection[Place]], Mapping[Place, Message]]
    notes: list[str] = field(default_factory=list)

    def ranges(self, topics: Collection[str]) -> Mapping[Partition, Span]:
        """Give what each partition of topics holds; nothing, and a note, where the broker does not answer."""
        try:
            return {Partition(*place): Span(*held) for place, held in self.topics.ranges(topics).items()}
        except KafkaError as error:
            self.notes.append(error.message)
            return {}

    def ends_of(self, topic: str) -> Mapping[Partition, int]:
        """Give the read-committed end of each partition of a topic."""
        return {Partition(*place): end for place, end in self.topics.end_offsets([topic]).items()}

    def is_sealed(self, topic: str) -> bool:
        """Tell whether a topic's table has masked columns, so that its dead letters hold nothing of the events."""
        table = self.declared.table_of(topic)
        return table is not None and bool(table.columns)

    def again(self, letters: Collection[LetterId]) -> Mapping[LetterId, Any]:
        """Read the events of dead letters from Kafka, as far as it has them still."""
        found = self.read_at([(at.partition.topic, at.partition.number, at.offset) for at in letters])
        return {LetterId(Partition(topic, number), offset): m for (topic, number, offset), m in found.items()}

    def kept_until(self, letters: Collection[LetterId]) -> dict[LetterId, str]:
        """Say until when Kafka keeps the events of dead letters at least, of those that it has."""
        found = self.again(letters)
        retention = self.topics.settings({at.partition.topic for at in found}, ["retention.ms"])
        until = {}
        for at, message in found.items():
            kept = int(retention.get(at.partition.topic, {}).get("retention.ms", -1))
            written = message.timestamp()[1]
            until[at] = "for ever" if kept < 0 else datetime.fromtimestamp((written + kept) / 1000, UTC).isoformat()
        return until


@contextmanager
def open_desk(topology: Topology, sink: SinkConfig) -> Iterator[Desk]:
    """Open one sink of a topology for an operator.

    Args:
        topology: the declared whole, its shards resolved.
        sink: which of its sinks.

    Raises:
        TopologyError: a secret that they refer to is not there.
    """
    group = consumer_group(topology, sink)
    state = make_state(sink, topology.name, group)
    try:
        yield Desk(
            topology,
            state,
            Declared(topology),
            Registry(resolve(topology.registry.url), _resolved(topology.registry.properties)),
            Topics(resolve(topology.kafka.bootstrap_servers), _resolved(topology.kafka.properties)),
            lambda: make_sink(sink, topology.name, group),
            partial(read_at, resolve(topology.kafka.bootstrap_servers), _resolved(topology.kafka.properties)),
        )
    finally:
        state.close()


def _resolved(properties: Mapping[str, str]) -> dict[str, str]:
    return {key: resolve(value) for key, value in properties.items()}

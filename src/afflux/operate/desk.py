"""All that an operator's command needs of one sink: its state, the broker, the registry."""

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from afflux.clients.registry import Registry
from afflux.clients.topics import Topics
from afflux.errors import KafkaError
from afflux.sinks import make_sink, make_state
from afflux.sinks.base import Partition, Sink, Span
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
        notes: what could not be found out, for people.
    """

    topology: Topology
    state: SinkState
    declared: Declared
    registry: Registry
    topics: Topics
    make_sink: Callable[[], Sink]
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
        )
    finally:
        state.close()


def _resolved(properties: Mapping[str, str]) -> dict[str, str]:
    return {key: resolve(value) for key, value in properties.items()}

"""Bring the state that sinks keep to this version's layout, before their daemons are replaced."""

from collections.abc import Iterable, Iterator

from afflux.sinks import make_sink
from afflux.topology.model import Topology
from afflux.topology.names import consumer_group
from afflux.topology.sinks import Sink as SinkConfig


def migrate(topology: Topology, sinks: Iterable[SinkConfig]) -> Iterator[str]:
    """Open sinks one after the other, as their daemons do when they start, and close them.

    Args:
        topology: as loaded.
        sinks: which of its sinks.

    Yields:
        The name of each sink whose state has this version's layout now.

    Raises:
        SinkError: a target does not answer, or a newer afflux has made its state.
    """
    for config in sinks:
        sink = make_sink(config, topology.name, consumer_group(topology, config))
        try:
            sink.open()
        finally:
            sink.close()
        yield config.name

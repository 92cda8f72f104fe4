"""What the topology's sinks say of it: which topics they have applied, and which they have stopped."""

from afflux.control.seen.world import Problem, Target
from afflux.errors import AffluxError
from afflux.sinks import make_state
from afflux.topology.model import Topology
from afflux.topology.names import consumer_group
from afflux.topology.sinks import Sink


def targets(topology: Topology) -> dict[str, Target | Problem]:
    """Ask each sink of a topology; one that does not answer, or was never run, is a problem and no error."""
    return {sink.name: _target(topology, sink) for sink in topology.own_sinks}


def _target(topology: Topology, sink: Sink) -> Target | Problem:
    try:
        state = make_state(sink, topology.name, consumer_group(topology, sink))
        try:
            topics = frozenset(standing.partition.topic for standing in state.positions())
            return Target(topics, {stop.topic: stop.reason for stop in state.stops()})
        finally:
            state.close()
    except AffluxError as error:
        return Problem("", f"sink {sink.name}", error.message, error.hint)

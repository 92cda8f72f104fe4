"""Everything that is watched of a topology, at one moment: shards, topics, flows, and the servers they need."""

import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from afflux.clients.connect import Connect
from afflux.clients.servers import servers
from afflux.errors import AffluxError, NoStateError
from afflux.monitor.asking import Asking
from afflux.monitor.flows import FlowReading, FlowWatch, SinkStanding
from afflux.monitor.slots import ShardReading, Slots
from afflux.monitor.topics import TopicsReading, topic_watch
from afflux.sinks import make_state
from afflux.sinks.state import SinkState
from afflux.topology.model import Topology
from afflux.topology.names import consumer_group, shard_names

ANSWER_SECONDS: Final = 9.0
"""For all servers together, from the beginning of a look."""


@dataclass(frozen=True, slots=True)
class PartReading:
    """A server that all shards share.

    Attributes:
        part: `kafka`, `connect`, `registry`, or a sink's name for its target.
        problem: why it is not well; empty when it is.
        hint: what to do about that.
    """

    part: str
    problem: str = ""
    hint: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Readings:
    """A topology at one moment.

    Attributes:
        at: when the look ended.
        seconds: how long it took.
        shards: each shard's slot and WAL, by name.
        topics: the topics; None when the broker did not answer.
        flows: how far each sink is behind each shard; those of sinks that did not answer are left out.
        parts: Kafka, Connect and the registry, by `PartReading.part`.
        targets: the sinks' targets, by the sink's name.
        tasks: how many of the topology's connector tasks are in which of Connect's states; a connector without a task
            counts by its own.
        workers: how many of Connect's workers have any of them.
    """

    at: datetime
    seconds: float
    shards: Mapping[str, ShardReading]
    topics: TopicsReading | None = None
    flows: Mapping[tuple[str, str], FlowReading] = field(default_factory=dict)
    parts: Mapping[str, PartReading] = field(default_factory=dict)
    targets: Mapping[str, PartReading] = field(default_factory=dict)
    tasks: Mapping[str, int] = field(default_factory=dict)
    workers: int = 0


class Watch:
    """Looks at a topology again and again; rates and forecasts come with time. Used by one thread."""

    def __init__(self) -> None:
        self._slots = Slots()
        self._shared: _Shared | None = None

    def look(self, topology: Topology) -> Readings:
        """Look once, at all servers side by side; takes ten seconds at most, and raises for none that is away.

        Args:
            topology: as it is now, its shards resolved.
        """
        begun = time.monotonic()
        if self._shared is None or not self._shared.serves(topology):
            if self._shared is not None:
                self._shared.close()
            self._shared = _Shared(topology)
        shared = self._shared
        shared.begin(topology)
        shards = self._slots.look(topology)
        until = begun + ANSWER_SECONDS
        parts, targets = (
            {part: _part(part, asking.answer(until - time.monotonic())) for part, asking in askings.items()}
            for askings in (shared.parts, shared.sinks)
        )
        connectors = _or_none(shared.connectors.answer(0))
        topics = _or_none(shared.topics.answer(0))
        standings = {name: told for name, of in shared.sinks.items() if (told := _or_none(of.answer(0))) is not None}
        ahead = {name: reading.wal.ahead if reading.wal else 0.0 for name, reading in shards.items()}
        flows = shared.flows.look(topics, standings, ahead, time.time()) if topics else {}
        return Readings(
            at=datetime.now(UTC),
            seconds=time.monotonic() - begun,
            shards=shards,
            topics=topics,
            flows=flows,
            parts=parts,
            targets=targets,
            tasks=connectors[0] if connectors else {},
            workers=connectors[1] if connectors else 0,
        )

    def look_on(self, topology: Topology, looks: int, between: float) -> Readings:
        """Look several times, some seconds apart, so that rates and forecasts of slots that nobody reads are known."""
        for _ in range(looks - 1):
            self.look(topology)
            time.sleep(between)
        return self.look(topology)

    def close(self) -> None:
        """Let go of all servers."""
        self._slots.close()
        if self._shared is not None:
            self._shared.close()


class _Shared:
    """The servers that all shards share."""

    def __init__(self, topology: Topology) -> None:
        self._made_for = _servers_of(topology)
        self._topology = topology
        to = servers(topology)
        watch = topic_watch(topology, to.topics)
        self.flows = FlowWatch(watch.sample, watch.since)
        self.topics = Asking("Kafka", lambda: watch.look(self._topology, time.time()))
        self.connectors = Asking("Kafka Connect", lambda: _connectors(to.connect, self._topology))
        self.parts: dict[str, Asking[Any]] = {
            "kafka": self.topics,
            "connect": self.connectors,
            "registry": Asking("schema registry", to.registry.compatibility),
        }
        self._states = {
            sink.name: make_state(sink, topology.name, consumer_group(topology, sink)) for sink in topology.own_sinks
        }
        self.sinks = {name: Asking(f"sink {name!r}", _standing(state)) for name, state in self._states.items()}

    def serves(self, topology: Topology) -> bool:
        """Tell whether these are a topology's servers."""
        return self._made_for == _servers_of(topology)

    def begin(self, topology: Topology) -> None:
        """Ask all of them."""
        self._topology = topology
        for asking in (*self.parts.values(), *self.sinks.values()):
            asking.begin()

    def close(self) -> None:
        """Let go of them, but for those that are being asked and do not answer."""
        for name, state in self._states.items():
            if not self.sinks[name].open:
                state.close()


def _servers_of(topology: Topology) -> tuple[Any, ...]:
    return topology.name, topology.kafka, topology.connect, topology.registry, topology.sinks


def _standing(state: SinkState) -> Callable[[], SinkStanding]:
    def ask() -> SinkStanding:
        try:
            positions = {standing.partition: standing.next_offset for standing in state.positions()}
        except NoStateError:
            return SinkStanding(None)  # it answers, and knows nothing of this sink yet
        stopped = {stop.topic: stop.reason for stop in state.stops()}
        return SinkStanding(positions or None, state.watermarks(), stopped)

    return ask


def _connectors(connect: Connect, topology: Topology) -> tuple[dict[str, int], int]:
    """Give how many tasks are in which state, and how many workers have any."""
    ours = {shard_names(topology, shard).connector for shard in topology.shards}
    states: Counter[str] = Counter()
    workers: set[str] = set()
    for name, connector in connect.connectors().items():
        if name in ours:
            states.update([task.state for task in connector.tasks] or [connector.state])
            workers.update(task.worker for task in connector.tasks if task.worker)
    return dict(states), len(workers)


def _part(part: str, answer: object) -> PartReading:
    if isinstance(answer, AffluxError):
        return PartReading(part, answer.message, answer.hint)
    return PartReading(part)


def _or_none(answer: Any) -> Any:
    return None if isinstance(answer, AffluxError) else answer

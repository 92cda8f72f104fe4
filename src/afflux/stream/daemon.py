"""The sink daemon: keeps a pipeline fed, follows the topology, and leaves in good order."""

import random
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from typing import Any

import structlog

from afflux.clients.registry import Registry
from afflux.clients.topics import Topics
from afflux.errors import Fenced, KafkaError, ServerError
from afflux.sinks import make_sink
from afflux.sinks.batch import Partition, Span
from afflux.stream import astray
from afflux.stream.chores import chores_of
from afflux.stream.completing import completer
from afflux.stream.deaths import Deaths
from afflux.stream.decoder import Decoder
from afflux.stream.discovery import Discovery
from afflux.stream.intake import Intake
from afflux.stream.lag import Lag
from afflux.stream.measure import Measure
from afflux.stream.pipeline import Pipeline
from afflux.stream.prepare import Preparer
from afflux.stream.router import Router
from afflux.stream.subscription import Declared, message_topics, prefixes
from afflux.stream.watermarks import Watermarks
from afflux.telemetry import metrics, traces
from afflux.telemetry.clocks import Clocks
from afflux.topology.model import OnError, Topology
from afflux.topology.names import consumer_group
from afflux.topology.secrets import resolve
from afflux.topology.sinks import Sink
from afflux.topology.watch import Follows

log = structlog.get_logger()

_POLL_SECONDS = 0.05
_POLL_MESSAGES = 10_000
_TURN_SECONDS = 0.2
"""How long messages are gathered between two looks at all else; a batch may fill for many such turns."""
_TOPOLOGY_SECONDS = 10.0
_LOOK_SECONDS = 3.0
"""How often the target is asked what people want; two small statements."""
_REVOKE_SECONDS = 30.0
_QUIET_WAIT_SECONDS = 10.0
"""How long a wait may last before partitions are paused and polling goes on, to keep the membership."""
_LAST_MARKS_SECONDS = 1.0
"""How long a worker that leaves waits for the watermarks of what it has applied."""
_LAST_CHORES_SECONDS = 5.0
_STUCK_SECONDS = 120.0


class Daemon:
    """Runs one sink of a topology.

    Args:
        topology: the declared whole, its shards resolved.
        sink: which of its sinks.
        follows: tells of changes of the topology; None to follow none.
    """

    def __init__(self, topology: Topology, sink: Sink, *, follows: Follows | None = None) -> None:
        topology = self._topology = topology.seen_by(sink)
        self._config = sink
        self._follows = follows
        self._kafka_properties = _resolved(topology.kafka.properties)
        self._topics = Topics(resolve(topology.kafka.bootstrap_servers), self._kafka_properties)
        self._discovery = Discovery(self._topics)
        registry = Registry(resolve(topology.registry.url), _resolved(topology.registry.properties))
        self._schema_by_id = registry.schema
        self._latest_schema = registry.latest_schema
        self._group = consumer_group(topology, sink)
        self._declared = Declared(topology)
        reads_back = completer(topology, registry.schema)
        self._preparer = Preparer(self._decoder(), self._ends, Deaths(self._on_error), reads_back, self._is_sealed)
        self._clocks = Clocks(topology)
        self._traces = traces.from_environment(topology.name, sink.name)
        measure = Measure(lambda: self._clocks.ahead, self._traces)
        self._pipeline = Pipeline(
            self._preparer, make_sink(sink, topology.name, self._group), self._discovery.ids_of, measure
        )
        self._lag = Lag()
        self._watermarks = Watermarks(topology, self._topics, self._schema_by_id, self._pipeline)
        self._chores = chores_of(topology, sink, self._group, self._ends, [self._clocks])
        self._applied: dict[Partition, int] = {}
        self._intake = self._join()
        self._stop = threading.Event()
        self._reread = threading.Event()
        self._held: set[str] = set()
        self._looking: Future[frozenset[Partition]] | None = None
        self._next_topology = self._next_look = self._cut_at = 0.0
        self._to_gather: dict[Partition, int] = {}
        """The ends up to which a run that ends by itself gathers messages."""
        self._lived = time.monotonic()
        self._opened = False

    def stop(self) -> None:
        """Ask for the end: the batch in flight is finished, and the group is left."""
        self._stop.set()

    def reread(self) -> None:
        """Ask for the topology to be read again now."""
        self._reread.set()

    def alive(self) -> str:
        """Say why the process should be restarted; empty when it should not."""
        idle = time.monotonic() - self._lived
        return f"the main loop has not come round for {idle:.0f} s" if idle > _STUCK_SECONDS else ""

    def started(self) -> str:
        """Say why the daemon has not begun to work yet: what an orchestrator should be patient with."""
        if not self._opened:
            return self._pipeline.waiting_for or "opening the target"
        if self._discovery.away and not self._intake.assignments:
            return self._discovery.away
        return "" if self._intake.assignments else "waiting for the consumer group to assign partitions"

    def ready(self) -> str:
        """Say why nothing moves at present; empty when it does."""
        if waiting := self._pipeline.waiting_for or self._discovery.away:
            return waiting
        return "" if self._intake.assignments else "waiting for the consumer group to assign partitions"

    @property
    def stopped(self) -> dict[str, str]:
        """The topics that are not read on, with the reasons."""
        return dict(self._preparer.stopped)

    def run(self, *, until_caught_up: bool = False) -> int:
        """Run until stopped, or until what was there at the start is in the target.

        Returns:
            How many events were applied.

        Raises:
            AffluxError: something that waiting does not mend; nothing was lost, and positions stand.
        """
        events = 0
        ends: dict[Partition, int] | None = None
        self._keep_place(self._pipeline.open())
        self._opened = True
        try:
            while not self._stop.is_set():
                self._lived = time.monotonic()
                try:
                    self._follow_topology()
                    self._follow_topics()
                    self._follow_people()
                    self._watermarks.turn(self._applied, self._held)
                    self._chores.turn()
                    if ends is None and until_caught_up and self._discovery.known:
                        ends = self._to_gather = self._ends(*self._intake.topics)
                    events += self._step()
                except ServerError as error:
                    self._rejoin(error)
                if ends is not None and self._reached(ends):
                    break
            self._pipeline.drain(_REVOKE_SECONDS)
            try:
                events += self._remember()
                self._watermarks.finish(self._applied, self._held, _LAST_MARKS_SECONDS)
                self._chores.finish(_LAST_CHORES_SECONDS)
            except ServerError as error:
                _raise_final(error)
                log.warning("left without the last batch", reason=error.message)
        finally:
            self._discovery.close()
            self._watermarks.close()
            self._chores.close()
            self._pipeline.drop()
            self._intake.close()
            self._pipeline.close()
            self._traces.close()
        return events

    # --- one turn -------------------------------------------------------------------------------

    def _step(self) -> int:
        batch = self._config.batch
        turn_ends = time.monotonic() + _TURN_SECONDS
        while not self._stop.is_set() and not self._is_enough():
            raw = self._intake.gathered()
            left = min(self._cut_at, turn_ends) - time.monotonic()
            if left <= 0:
                break
            self._intake.poll(min(_POLL_MESSAGES, batch.rows - len(raw.messages)), min(left, _POLL_SECONDS))
        if not (self._is_enough() or time.monotonic() >= self._cut_at):
            return self._remember()
        self._cut_at = time.monotonic() + batch.seconds
        if self._intake.gathered():
            if self._pipeline.full and self._pipeline.oldest is not None:
                if not self._is_enough():
                    return self._remember()  # while earlier batches are written, this one grows
                self._keep_place(self._pipeline.oldest)
            raw = self._intake.take()
            if raw:
                self._lag.backlog.took(raw)
                self._pipeline.submit(raw)
        return self._remember()

    def _is_enough(self) -> bool:
        """Tell whether what is gathered is as much as a batch may hold, or all that is asked for."""
        raw, batch = self._intake.gathered(), self._config.batch
        full = len(raw.messages) >= batch.rows or raw.bytes >= batch.bytes
        return full or self._intake.completes(self._to_gather)

    def _remember(self) -> int:
        events = 0
        for batch in self._pipeline.durable():
            self._lag.backlog.durable()
            events += batch.events
            # What was durable before its partitions were revoked may be told of after.
            ours = self._intake.assigned & batch.spans.keys()
            self._applied.update({partition: batch.spans[partition].end for partition in ours})
            self._intake.commit(batch.spans)
        metrics.WAITING.set(bool(self._pipeline.waiting_for or self._discovery.away))
        self._lag.turn(self._topology, self._declared, self._intake, self._applied)
        return events

    def _reached(self, ends: Mapping[Partition, int]) -> bool:
        if not self._intake.topics:
            return True
        ours = self._intake.assigned
        if not self._intake.assignments or self._intake.claiming:
            return False
        if self._pipeline.oldest is not None:
            return False
        return all(self._applied.get(p, 0) >= end for p, end in ends.items() if p in ours and p.topic not in self._held)

    def _keep_place(self, waited_for: "Future[Any]") -> None:
        """Wait for a step on another thread; when it takes long, keep the membership of the group."""
        begun = time.monotonic()
        paused = False
        while not waited_for.done() and not self._stop.is_set():
            self._lived = time.monotonic()
            if not paused and time.monotonic() - begun > _QUIET_WAIT_SECONDS:
                self._intake.pause()
                paused = True
            if paused:
                self._intake.poll(1, 0.2)
            else:
                _wait(waited_for, 0.2)
        if paused:
            self._intake.resume()
        if waited_for.done() and waited_for is not self._pipeline.oldest:
            waited_for.result()

    # --- the group ------------------------------------------------------------------------------

    def _join(self) -> Intake:
        return Intake(
            bootstrap_servers=resolve(self._topology.kafka.bootstrap_servers),
            properties=self._kafka_properties,
            group=self._group,
            on_assign=self._pipeline.claim,
            on_begin=self._claimed,
            on_revoke=self._revoked,
            on_mark=self._watermarks.saw,
            on_astray=self._astray,
        )

    def _claimed(self, offsets: Mapping[Partition, int]) -> None:
        self._applied.update(offsets)
        # What an earlier look has seen of these partitions is over.
        self._looking = None

    def _revoked(self, partitions: Sequence[Partition], lost: bool) -> None:
        self._pipeline.drain(0.0 if lost else _REVOKE_SECONDS)
        for partition in partitions:
            self._applied.pop(partition, None)

    def _astray(self, partition: Partition, offset: int) -> None:
        if partition.topic not in self._preparer.stopped:
            try:
                holds = self._topics.ranges([partition.topic]).get(partition)
            except KafkaError:
                holds = None
            if holds and offset < holds[0] and partition.topic in message_topics(self._topology):
                self._intake.jump(partition, holds[0])  # heartbeats that are gone are missed by nobody
                return
            self._preparer.stop(astray.out_of_range(partition, offset, Span(*holds) if holds else None))

    def _rejoin(self, error: ServerError) -> None:
        """Drop what is in flight and join the group anew, from where the target stands.

        That is right when another worker has our partitions, and when a batch was given up that could not be written.
        """
        _raise_final(error)
        log.warning("fenced" if isinstance(error, Fenced) else "joining anew", reason=error.message)
        metrics.REJOINS.labels("fenced" if isinstance(error, Fenced) else "server away").inc()
        self._pipeline.drop()
        self._lag.backlog.drop()
        topics = self._intake.topics
        self._intake.close()
        self._applied.clear()
        self._held.clear()
        self._stop.wait(random.uniform(0.1, 2.0))  # noqa: S311 - jitter
        self._intake = self._join()
        self._intake.subscribe(topics, message_topics(self._topology))

    # --- what is followed -----------------------------------------------------------------------

    def _follow_topics(self) -> None:
        """Subscribe to topics that have come into being."""
        topics = self._discovery.turn(self._topology, self._declared, patiently=bool(self._intake.topics))
        if topics is not None and topics != self._intake.topics:
            log.info("topics", new=sorted(topics - self._intake.topics), gone=sorted(self._intake.topics - topics))
            self._intake.subscribe(topics, message_topics(self._topology))

    def _follow_people(self) -> None:
        """Hold the topics that can't be read on or that a person has stopped, and read on those that are resumed.

        Raises:
            Fenced: a person has changed positions of ours.
        """
        stopped = self._preparer.stopped
        for topic in stopped.keys() - self._held:
            self._intake.hold(topic)
            self._held.add(topic)
        for topic in self._held - stopped.keys():
            self._read_on(topic)
        metrics.STOPPED.set(len(self._held))
        if self._looking is None and time.monotonic() >= self._next_look:
            self._looking = self._pipeline.look(self._discovery.suspects())
        if self._looking is not None and self._looking.done():
            looking, self._looking = self._looking, None
            self._next_look = time.monotonic() + _LOOK_SECONDS
            rewound = looking.result() & self._intake.assigned
            if rewound:
                raise Fenced(f"somebody has changed the positions of {len(rewound)} partition(s)")

    def _read_on(self, topic: str) -> None:
        """Read a topic on from where the target stands now; a person may have changed that."""
        claiming = self._pipeline.claim([p for p in self._intake.assigned if p.topic == topic])
        self._keep_place(claiming)
        if claiming.done() and topic not in self._preparer.stopped:
            self._held.discard(topic)
            self._claimed(claiming.result())
            self._intake.release(topic, claiming.result())

    def _follow_topology(self) -> None:
        if self._follows is None or not (self._reread.is_set() or time.monotonic() >= self._next_topology):
            return
        self._reread.clear()
        self._next_topology = time.monotonic() + _TOPOLOGY_SECONDS
        topology = self._follows.poll()
        if topology is None:
            return
        topology = topology.seen_by(self._config)
        log.info("topology reread", shards=len(topology.shards), tables=len(topology.tables))
        self._topology, self._declared = topology, Declared(topology)
        self._watermarks.follow(topology)
        self._chores.follow(topology)
        self._preparer.decoder = self._decoder()
        self._preparer.completer = completer(topology, self._schema_by_id)
        self._discovery.soon()

    def _on_error(self, topic: str) -> OnError:
        table = self._declared.table_of(topic)
        return OnError() if table is None else table.on_error

    def _is_sealed(self, topic: str) -> bool:
        """Tell whether a topic's table has masked columns, so that its dead letters hold nothing of the events."""
        table = self._declared.table_of(topic)
        return table is not None and bool(table.columns)

    def _ends(self, *topics: str) -> dict[Partition, int]:
        return {Partition(*p): end for p, end in self._topics.end_offsets(topics).items()}

    def _decoder(self) -> Decoder:
        return Decoder(self._schema_by_id, Router(self._topology), prefixes(self._topology))


def _raise_final(error: ServerError) -> None:
    """Raise an error that neither waiting nor joining anew will mend."""
    if not (error.transient or isinstance(error, Fenced)):
        raise error


def _wait(future: "Future[Any]", seconds: float) -> None:
    ended = threading.Event()
    future.add_done_callback(lambda _: ended.set())
    ended.wait(seconds)


def _resolved(properties: Mapping[str, str]) -> dict[str, str]:
    return {key: resolve(value) for key, value in properties.items()}

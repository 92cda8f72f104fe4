"""From heartbeats' messages to the target's watermarks, beside the main loop and without ever holding it up."""

import time
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import structlog

from afflux.clients.topics import Topics
from afflux.errors import ServerError
from afflux.sinks.batch import Mark, Partition
from afflux.stream.marks import MarkReader, Pending, marks_of
from afflux.stream.pipeline import Pipeline
from afflux.stream.subscription import Declared, prefixes, wanted_topics
from afflux.telemetry import metrics
from afflux.topology.model import Topology
from afflux.topology.names import message_prefix

log = structlog.get_logger()

_ROUND_SECONDS = 0.5
"""Between two questions to the broker, and between two statements at the target."""
_SHARE = 10
"""How many times as long as a round of questions took the next one waits: with thousands of topics that is some time."""
_DECLARE_SECONDS = 60.0
"""How often the target is told which shards there are, though no mark is passed."""


class Watermarks:
    """Moves the watermarks of a topology's shards.

    Args:
        topology: the declared whole.
        topics: the broker's.
        schema_by_id: gives the registry's schemas.
        pipeline: to the target.
    """

    def __init__(
        self,
        topology: Topology,
        topics: Topics,
        schema_by_id: Callable[[int], dict[str, Any] | None],
        pipeline: Pipeline,
    ) -> None:
        self._topology, self._declared = topology, Declared(topology)
        self._topics = topics
        self._pipeline = pipeline
        self._reader = MarkReader(schema_by_id)
        self._seen: dict[str, Any] = {}
        """The newest message of each message topic that was not asked about yet."""
        self._asked: dict[str, Any] = {}
        """The messages that are being asked about."""
        self._asking: Future[list[Mark]] | None = None
        self._pending = Pending()
        self._passing: Future[list[Mark]] | None = None
        self._beside = ThreadPoolExecutor(1, thread_name_prefix="marks")
        self._next_ask = self._next_pass = self._next_declare = 0.0
        self._said = ""
        """Why there is no watermark; empty while there is nothing to say."""

    def saw(self, message: Any) -> None:
        """Take note of a message of a shard's message topic, just read."""
        self._seen[message.topic()] = message

    def follow(self, topology: Topology) -> None:
        """Go by another topology; marks that were made by the old one are no more."""
        self._topology, self._declared = topology, Declared(topology)
        self._pending = Pending()
        self._asking = None
        self._next_declare = 0.0

    def turn(self, applied: Mapping[Partition, int], held: Collection[str]) -> None:
        """Do what can be done without waiting. Watermarks that can't be moved stop nothing else.

        Args:
            applied: the next offset of each partition of this worker.
            held: topics that are not read on.
        """
        now = time.monotonic()
        self._hear()
        if self._asking is None and self._seen and now >= self._next_ask:
            self._asked, self._seen = self._seen, {}
            self._next_ask = now + _ROUND_SECONDS
            self._asking = self._beside.submit(self._marks, self._topology, self._declared, list(self._asked.values()))
        self._pass(now, self._pending.plausible(applied, held))

    def finish(self, applied: Mapping[Partition, int], held: Collection[str], seconds: float) -> None:
        """Wait a little for what has begun, so that a worker that leaves says how far it has come.

        Args:
            applied: as for `turn`.
            held: as for `turn`.
            seconds: how long at most.
        """
        until = time.monotonic() + seconds
        self._next_ask = self._next_pass = 0.0
        while self._busy(applied, held) and time.monotonic() < until:
            self.turn(applied, held)
            time.sleep(0.02)

    def close(self) -> None:
        """Ask no more."""
        self._beside.shutdown(cancel_futures=True)

    def _busy(self, applied: Mapping[Partition, int], held: Collection[str]) -> bool:
        under_way = self._asking is not None or self._passing is not None
        return under_way or bool(self._seen or self._pending.plausible(applied, held))

    def _hear(self) -> None:
        """Take in the answers that have come."""
        if self._asking is not None and self._asking.done():
            asking, self._asking = self._asking, None
            marks = self._answer(asking)
            if marks is None:
                self._seen = {**self._asked, **self._seen}
            self._pending.add(marks or ())
        if self._passing is not None and self._passing.done():
            passing, self._passing = self._passing, None
            self._passed(self._answer(passing) or ())

    def _answer(self, answer: "Future[list[Mark]]") -> list[Mark] | None:
        """Give an answer; None where a server is away or refuses, which is said once."""
        try:
            found = answer.result()
        except ServerError as error:
            if error.message != self._said:
                log.warning("no watermark", reason=error.message, hint=error.hint)
            self._said = error.message
            return None
        self._said = ""
        return found

    def _pass(self, now: float, marks: Collection[Mark]) -> None:
        declares = now >= self._next_declare
        if self._passing is None and now >= self._next_pass and (marks or declares):
            self._next_pass = now + _ROUND_SECONDS
            self._next_declare = now + _DECLARE_SECONDS
            self._passing = self._pipeline.pass_marks(marks, [shard.name for shard in self._topology.shards])

    def _passed(self, marks: Collection[Mark]) -> None:
        self._pending.passed(marks)
        for mark in sorted(marks, key=lambda mark: mark.time_us):
            metrics.WATERMARK.labels(mark.shard).set(mark.time_us / 1e6)
            log.debug("watermark", shard=mark.shard, time=mark.time.isoformat())

    def _marks(self, topology: Topology, declared: Declared, messages: Collection[Any]) -> list[Mark]:
        """Make marks of messages: read them, and only then ask the broker for the ends."""
        begun = time.monotonic()
        shards, prefix = prefixes(topology), message_prefix(topology)
        read = (self._reader.read(message, prefix, shards) for message in messages)
        markers = {marker.shard: marker for marker in read if marker is not None}
        for shard, marker in markers.items():
            metrics.HEARTBEAT.labels(shard).set(marker.time_us / 1e6)
        if not markers:
            return []
        wanted = [
            t
            for t in wanted_topics(declared, self._topics.names())
            if not markers.keys().isdisjoint(declared.shards_of(t))
        ]
        ends = {Partition(*place): end for place, end in self._topics.end_offsets(wanted, committed=False).items()}
        made = marks_of(markers, ends, declared.shards_of, self._topics.ids(wanted))
        self._next_ask = begun + (time.monotonic() - begun) * _SHARE
        return made

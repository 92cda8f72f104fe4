"""Kafka's side of the stream: which partitions are ours, and their messages."""

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

import confluent_kafka
import structlog
from confluent_kafka import Consumer, Message, TopicPartition

from afflux.errors import KafkaError
from afflux.sinks.batch import Partition, Span

log = structlog.get_logger()

_SETTINGS: dict[str, Any] = {
    # Positions live in the target; Kafka's own are written for lag tools and never read.
    "enable.auto.commit": False,
    "enable.auto.offset.store": False,
    # Never silently start elsewhere: an offset that is gone is an error to be said.
    "auto.offset.reset": "error",
    "isolation.level": "read_committed",
    "partition.assignment.strategy": "cooperative-sticky",
    # The end of a partition moves positions past transaction markers.
    "enable.partition.eof": True,
    # A killed worker's partitions are taken over after this; heartbeats do not depend on our own threads.
    "session.timeout.ms": 10_000,
    "heartbeat.interval.ms": 2_000,
    "max.poll.interval.ms": 300_000,
    "fetch.wait.max.ms": 100,
    "queued.max.messages.kbytes": 131_072,
    # By itself the library rests for a second once 100,000 messages wait for us, which we take in a fifth (observed).
    "fetch.queue.backoff.ms": 50,
    "topic.metadata.refresh.interval.ms": 30_000,
    "allow.auto.create.topics": False,
}

_LEAVE_SECONDS = 5.0

_QUIET = logging.getLogger("afflux.librdkafka")


@dataclass(slots=True)
class Raw:
    """Messages on their way to become a batch."""

    messages: list[Any] = field(default_factory=list)
    spans: dict[Partition, Span] = field(default_factory=dict)
    begun: dict[Partition, float] = field(default_factory=dict)
    """When the first message of each partition was written to Kafka, in seconds since 1970."""
    bytes: int = 0

    def __bool__(self) -> bool:
        return bool(self.spans)


@dataclass(slots=True, eq=False)
class Claim:
    """Partitions that the group has given us, while the target is asked for them.

    Iterating gives those that have not been taken away again meanwhile.
    """

    partitions: frozenset[Partition]
    offsets: "Future[dict[Partition, int]]" = field(init=False)

    def __iter__(self) -> Iterator[Partition]:
        return iter(self.partitions)


class Intake:
    """A member of the consumer group.

    Args:
        bootstrap_servers: `host:port`, several with commas.
        properties: any librdkafka property, secrets resolved.
        group: the consumer group.
        on_assign: begins to take partitions over; gives the next offset of each when it has.
        on_begin: is told of partitions, and their offsets, when their messages begin to flow.
        on_revoke: is told of partitions that are no longer ours, before anyone else gets them; the
            flag says that they are lost already.
        on_mark: is given the messages of the topics that heartbeats come by, as soon as they are read.
        on_astray: is told of partitions that don't hold the offset which is to be read next, and of that offset.
    """

    def __init__(
        self,
        *,
        bootstrap_servers: str,
        properties: Mapping[str, str],
        group: str,
        on_assign: Callable[[Iterable[Partition]], "Future[dict[Partition, int]]"],
        on_begin: Callable[[Mapping[Partition, int]], None],
        on_revoke: Callable[[Sequence[Partition], bool], None],
        on_mark: Callable[[Any], None],
        on_astray: Callable[[Partition, int], None],
    ) -> None:
        settings = {**_SETTINGS, **properties, "bootstrap.servers": bootstrap_servers, "group.id": group}
        self._consumer = Consumer(settings, logger=_QUIET)
        self._on_assign = on_assign
        self._on_begin = on_begin
        self._on_mark = on_mark
        self._on_astray = on_astray
        self._claims: deque[Claim] = deque()
        self._on_revoke = on_revoke
        self._next: dict[Partition, int] = {}
        self._raw = Raw()
        self._failed: BaseException | None = None
        self._held: set[str] = set()
        self.topics: frozenset[str] = frozenset()
        self._marked: frozenset[str] = frozenset()
        self.assignments = 0
        """How often partitions have been assigned, even none."""

    @property
    def assigned(self) -> frozenset[Partition]:
        """The partitions that are ours now."""
        return frozenset(self._next)

    @property
    def claiming(self) -> bool:
        """Whether the target is being asked for partitions."""
        return bool(self._claims)

    def subscribe(self, topics: Iterable[str], marked: Iterable[str]) -> None:
        """Ask for a set of topics; those that stay go on without a pause.

        Args:
            topics: which.
            marked: those that heartbeats come by; they hold no rows.
        """
        self.topics, self._marked = frozenset(topics), frozenset(marked)
        self._consumer.subscribe(
            sorted(self.topics), on_assign=self._assign, on_revoke=self._revoke, on_lost=self._lose
        )

    def poll(self, most: int, seconds: float) -> int:
        """Gather messages that have arrived.

        Args:
            most: how many messages at most.
            seconds: how long to wait for them.

        Returns:
            How many came.

        Raises:
            KafkaError: the broker said something that waiting will not mend.
            SinkError: partitions can't be taken over.
        """
        self._begin()
        came = self._consumer.consume(num_messages=most, timeout=seconds)
        if self._failed is not None:
            failed, self._failed = self._failed, None
            raise failed
        for (topic, number, is_error), run in groupby(came, _whose):
            place = None if topic is None or number is None else Partition(topic, number)
            if is_error:
                self._hear(place, run)
            elif place in self._next and place.topic not in self._held:
                self._gather(place, list(run))
        return len(came)

    def completes(self, ends: Mapping[Partition, int]) -> bool:
        """Tell whether what is gathered holds the last of what comes before some offsets, in our partitions."""
        if not any(p in ends and span.start < ends[p] for p, span in self._raw.spans.items()):
            return False
        return all(self._next.get(p, end) >= end or p.topic in self._held for p, end in ends.items())

    def gathered(self) -> Raw:
        """What has been gathered and not been taken."""
        return self._raw

    def take(self) -> Raw:
        """Take what has been gathered."""
        raw, self._raw = self._raw, Raw()
        return raw

    def hold(self, topic: str) -> None:
        """Read a topic no further."""
        self._held.add(topic)
        self._consumer.pause([p for p in self._consumer.assignment() if p.topic == topic])

    def release(self, topic: str, offsets: Mapping[Partition, int]) -> None:
        """Read a held topic on, from where the target stands."""
        self._held.discard(topic)
        ours = {p: offset for p, offset in offsets.items() if p.topic == topic and p in self._next}
        self._forget(ours)
        self._next.update(ours)
        places = [TopicPartition(p.topic, p.number, offset) for p, offset in ours.items()]
        if places:
            # Assigned anew, for a partition that was out of range or of a topic made anew can't be sought in.
            self._consumer.incremental_unassign(places)
            self._consumer.incremental_assign(places)
            self._consumer.resume(places)

    def jump(self, partition: Partition, offset: int) -> None:
        """Read a partition on from another offset than its position; what is between is passed over."""
        places = [TopicPartition(partition.topic, partition.number, offset)]
        self._consumer.incremental_unassign(places)
        self._consumer.incremental_assign(places)

    def pause(self) -> None:
        """Stop the flow of messages, and keep the membership by polling on."""
        self._consumer.pause(self._consumer.assignment())

    def resume(self) -> None:
        """Let messages flow again, from where they were."""
        self._consumer.resume([p for p in self._consumer.assignment() if p.topic not in self._held])

    def commit(self, spans: Mapping[Partition, Span]) -> None:
        """Tell the group where we are, for lag tools; nothing of ours reads it, so failing is no matter."""
        offsets = [TopicPartition(p.topic, p.number, span.end) for p, span in spans.items() if p in self._next]
        if offsets:
            try:
                self._consumer.commit(offsets=offsets, asynchronous=True)
            except confluent_kafka.KafkaException as error:
                log.debug("commit for lag tools failed", error=str(error))

    def high_watermark(self, partition: Partition) -> int | None:
        """The end of a partition as last heard of, without asking; None when not heard of yet."""
        try:
            _, high = self._consumer.get_watermark_offsets(
                TopicPartition(partition.topic, partition.number), cached=True
            )
        except confluent_kafka.KafkaException:
            return None
        return None if high < 0 else int(high)

    def close(self) -> None:
        """Leave the group; nobody is told of its partitions any more.

        The library waits until the broker has answered everything, and while there is none, that is for minutes:
        it may go on waiting beside us.
        """
        for claim in self._claims:
            claim.partitions = frozenset()
        self._on_revoke = _nobody
        leaving = threading.Thread(target=self._consumer.close, name="leave", daemon=True)
        leaving.start()
        leaving.join(_LEAVE_SECONDS)

    def _forget(self, partitions: Iterable[Partition]) -> None:
        """Drop what has been gathered of partitions."""
        dropped = set(partitions)
        for partition in dropped:
            self._raw.spans.pop(partition, None)
            self._raw.begun.pop(partition, None)
        self._raw.messages = [m for m in self._raw.messages if Partition(m.topic(), m.partition()) not in dropped]
        self._raw.bytes = sum(map(len, self._raw.messages))

    def _gather(self, place: Partition, messages: list[Message]) -> None:
        """Keep what came of one partition, in order; at hundreds of thousands a second a message has no time of its own."""
        if place.topic in self._marked:
            for message in messages:
                self._on_mark(message)
                self._reach(place, _offset(message) + 1)
            return
        if place not in self._raw.begun:
            self._raw.begun[place] = messages[0].timestamp()[1] / 1000
        self._raw.messages += messages
        self._raw.bytes += sum(map(len, messages))
        self._reach(place, _offset(messages[-1]) + 1)

    def _reach(self, partition: Partition, offset: int) -> None:
        span = self._raw.spans.get(partition)
        self._raw.spans[partition] = Span(span.start if span else self._next[partition], offset)
        self._next[partition] = offset

    def _hear(self, place: Partition | None, messages: Iterable[Message]) -> None:
        for message in messages:
            if (error := message.error()) is not None:
                self._event(error, place, _offset(message))

    def _event(self, error: confluent_kafka.KafkaError, partition: Partition | None, offset: int) -> None:
        code = error.code()
        if code == confluent_kafka.KafkaError._PARTITION_EOF:  # noqa: SLF001 - librdkafka's own name of it
            if partition in self._next and partition.topic not in self._held and offset > self._next[partition]:
                self._reach(partition, offset)
            return
        if code in (confluent_kafka.KafkaError._AUTO_OFFSET_RESET, confluent_kafka.KafkaError.OFFSET_OUT_OF_RANGE):  # noqa: SLF001
            if partition in self._next:
                self._on_astray(partition, self._next[partition])
            return
        if error.fatal():
            raise KafkaError(f"Kafka consumer: {error.str()}")
        log.warning("kafka", error=error.str(), code=error.name())

    def _assign(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        # The target may be away for longer than a member may be silent: the callback does not wait for it.
        consumer.incremental_assign([])
        claim = Claim(frozenset(Partition(p.topic, p.partition) for p in partitions))
        claim.offsets = self._on_assign(claim)
        self._claims.append(claim)

    def _begin(self) -> None:
        """Let the messages of partitions flow that have been taken over."""
        while self._claims and self._claims[0].offsets.done():
            claim = self._claims.popleft()
            offsets = claim.offsets.result()
            ours = {partition: offsets[partition] for partition in claim}
            self._next.update(ours)
            self._consumer.incremental_assign([TopicPartition(p.topic, p.number, at) for p, at in ours.items()])
            self._consumer.pause([TopicPartition(p.topic, p.number) for p in ours if p.topic in self._held])
            self._on_begin(ours)
            self.assignments += 1
            log.info("partitions assigned", partitions=len(ours), all=len(self._next))

    def _revoke(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self._let_go(consumer, partitions, lost=False)

    def _lose(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self._let_go(consumer, partitions, lost=True)

    def _let_go(self, consumer: Consumer, partitions: list[TopicPartition], *, lost: bool) -> None:
        gone = [Partition(p.topic, p.partition) for p in partitions]
        begun = [TopicPartition(p.topic, p.number) for p in gone if p in self._next]
        for claim in self._claims:
            claim.partitions -= frozenset(gone)
        for partition in gone:
            self._next.pop(partition, None)
        self._forget(gone)
        try:
            self._on_revoke(gone, lost)
        except BaseException as error:  # noqa: BLE001 - an error must not be lost inside librdkafka's callback
            self._failed = error
        consumer.incremental_unassign(begun)
        log.info("partitions revoked", partitions=len(gone), lost=lost, all=len(self._next))


def _whose(message: Message) -> tuple[str | None, int | None, bool]:
    # Not the error itself: the library's errors can't be compared with None (observed).
    return message.topic(), message.partition(), message.error() is not None


def _offset(message: Message) -> int:
    return message.offset() or 0


def _nobody(_partitions: Sequence[Partition], _lost: bool) -> None:
    """Tell nobody."""

"""A topology's topics, again and again: what comes in and how fast, how evenly, and for how long it is kept."""

import math
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Final

from afflux.clients.samples import RECORDS, Sample, sample
from afflux.clients.topics import Topics
from afflux.sinks.batch import Partition, Span
from afflux.stream.subscription import Declared, wanted_topics
from afflux.topology.model import Topology
from afflux.topology.names import shard_names
from afflux.topology.secrets import resolve

SAMPLED: Final = 200
"""Partitions whose records are looked at in one look; the others wait for theirs."""
RATE_SECONDS: Final = 300.0
"""Rates are those of the past five minutes."""
_EVERY_SECONDS: Final = 30.0
"""Between two points of a rate's past."""
_SETTINGS_SECONDS: Final = 300.0
"""How often the broker is asked how long it keeps records."""
_SETTINGS: Final = ("retention.ms", "retention.bytes")


@dataclass(frozen=True, slots=True)
class Retention:
    """How long, and how many bytes of a partition, the broker keeps at least; infinite without a limit."""

    seconds: float = math.inf
    bytes: float = math.inf


@dataclass(frozen=True, slots=True)
class TopicReading:
    """One topic at one moment.

    Attributes:
        topic: its name.
        shard: whose.
        partitions: what each partition holds.
        rate: offsets that come in a second, over five minutes, those of transactions' markers among them; None while
            that is not known.
        record_bytes: bytes of a record, from a few of them; None while not known.
        skew: the busiest partition's share of what came in over five minutes, in even shares: 1 is even.
        retention: how long the broker keeps records.
    """

    topic: str
    shard: str
    partitions: Mapping[Partition, Span]
    rate: float | None
    record_bytes: float | None
    skew: float
    retention: Retention

    @property
    def offsets(self) -> int:
        """All offsets that were ever given."""
        return sum(span.end for span in self.partitions.values())


@dataclass(frozen=True, slots=True)
class TopicsReading:
    """All topics of a topology at one moment.

    Attributes:
        topics: those of tables, by name.
        heartbeats: seconds since each shard's newest heartbeat came through; infinite: none is there.
        brokers: how many brokers there are.
        leaderless: partitions of the topology's topics that nobody can write or read.
        thin: partitions of theirs of which a copy lags behind or is away.
    """

    topics: Mapping[str, TopicReading]
    heartbeats: Mapping[str, float]
    brokers: int
    leaderless: int
    thin: int


class TopicWatch:
    """Watches the topics of a topology.

    Args:
        topics: the broker's.
        properties: librdkafka's, secrets resolved.
    """

    def __init__(self, topics: Topics, properties: Mapping[str, str]) -> None:
        self._topics, self._properties = topics, properties
        self._past: deque[tuple[float, dict[Partition, int]]] = deque()
        self._sizes: dict[str, float] = {}
        self._retention: dict[str, Retention] = {}
        self._asked = -math.inf
        self._beats: dict[str, tuple[int, float]] = {}

    def look(self, topology: Topology, now: float) -> TopicsReading:
        """Ask the broker once.

        Args:
            topology: as it is now.
            now: seconds since 1970.

        Raises:
            KafkaError: the broker does not answer.
        """
        cluster = self._topics.cluster()
        declared = Declared(topology)
        tables = wanted_topics(declared, cluster.partitions)
        messages = {shard_names(topology, shard).message_topic: shard.name for shard in topology.shards}
        ours = tables | messages.keys()
        ranges = {Partition(*p): Span(*held) for p, held in self._topics.ranges(ours).items()}
        self._remember({p: span.end for p, span in ranges.items()}, now)
        self._learn_retention(tables, now)
        self._learn_sizes({p: span for p, span in ranges.items() if p.topic in tables})
        spans: dict[str, dict[Partition, Span]] = {}
        for partition, span in ranges.items():
            spans.setdefault(partition.topic, {})[partition] = span
        return TopicsReading(
            topics={t: self._reading(t, declared.shard_of(t) or "", spans[t]) for t in sorted(tables & spans.keys())},
            heartbeats=self._heartbeats({messages[t]: parts for t, parts in spans.items() if t in messages}, now)
            | {shard: math.inf for topic, shard in messages.items() if topic not in spans},
            brokers=cluster.brokers,
            leaderless=sum(topic in ours for topic, _ in cluster.leaderless),
            thin=sum(topic in ours for topic, _ in cluster.thin),
        )

    def since(self, partition: Partition, offset: int) -> float | None:
        """Tell a time since which an offset was written: that of the last look at which it was not there yet."""
        return next((at for at, ends in reversed(self._past) if ends.get(partition, math.inf) <= offset), None)

    def sample(self, ranges: Mapping[Partition, Span]) -> dict[Partition, Sample]:
        """Read a few records of some partitions, from the starts of spans on; of `SAMPLED` partitions at most."""
        chosen = {tuple(p): tuple(span) for p, span in islice(ranges.items(), SAMPLED)}
        found = sample(self._topics.bootstrap_servers, self._properties, chosen)  # type: ignore[arg-type]  # a Partition is such a tuple
        for (topic, _), of in found.items():
            self._sizes[topic] = of.mean_size
        return {Partition(*place): of for place, of in found.items()}

    def _remember(self, ends: dict[Partition, int], now: float) -> None:
        if not self._past or now - self._past[-1][0] >= _EVERY_SECONDS:
            self._past.append((now, ends))
        while now - self._past[0][0] > RATE_SECONDS and len(self._past) > 1:
            self._past.popleft()
        self._now = now

    def _learn_retention(self, topics: Iterable[str], now: float) -> None:
        wanted = set(topics)
        if now - self._asked >= _SETTINGS_SECONDS or wanted - self._retention.keys():
            settings = self._topics.settings(wanted, _SETTINGS)
            self._retention = {topic: _retention(settings.get(topic, {})) for topic in wanted}
            self._asked = now

    def _learn_sizes(self, ranges: Mapping[Partition, Span]) -> None:
        """Look at the newest records of topics whose records are not known."""
        unknown = {
            p: Span(max(span.start, span.end - RECORDS), span.end)
            for p, span in ranges.items()
            if p.topic not in self._sizes and span.end > span.start
        }
        if unknown:
            self.sample(unknown)

    def _reading(self, topic: str, shard: str, spans: Mapping[Partition, Span]) -> TopicReading:
        at, ends = self._past[0]
        came = [max(0, span.end - ends[p]) for p, span in spans.items() if p in ends]
        seconds = self._now - at
        return TopicReading(
            topic=topic,
            shard=shard,
            partitions=spans,
            rate=sum(came) / seconds if came and seconds > 0 else None,
            record_bytes=self._sizes.get(topic),
            skew=max(came) * len(came) / sum(came) if sum(came) else 1.0,
            retention=self._retention.get(topic, Retention()),
        )

    def _heartbeats(self, shards: Mapping[str, Mapping[Partition, Span]], now: float) -> dict[str, float]:
        """Give the age of each shard's newest heartbeat: since its topic's end was seen to move."""
        new = {
            p: Span(max(span.start, span.end - RECORDS), span.end)
            for shard, parts in shards.items()
            if shard not in self._beats
            for p, span in parts.items()
        }
        known = self.sample(new) if new else {}
        ages = {}
        for shard, parts in shards.items():
            end = sum(span.end for span in parts.values())
            before = self._beats.get(shard)
            if before is None:
                last = max((known[p].last for p in parts if p in known), default=-math.inf)
                self._beats[shard] = (end, last)
            elif end != before[0]:
                self._beats[shard] = (end, now)
            ages[shard] = max(0.0, now - self._beats[shard][1])
        return ages


def topic_watch(topology: Topology, topics: Topics) -> TopicWatch:
    """Return a watch for a topology's topics, with its secrets resolved."""
    return TopicWatch(topics, {key: resolve(value) for key, value in topology.kafka.properties.items()})


def _retention(settings: Mapping[str, str]) -> Retention:
    limits = [float(settings.get(key, -1)) for key in _SETTINGS]
    milliseconds, size = (math.inf if limit < 0 else limit for limit in limits)
    return Retention(milliseconds / 1000, size)

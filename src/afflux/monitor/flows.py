"""How far each sink is behind each shard, and when Kafka deletes what it has not applied.

Kafka forgets by age and by size, whether or not somebody has read. The headroom is the time until the oldest event
that a sink has not applied may be deleted; it is foretold as a slot's room is. By age, the clock is what is written,
and the oldest unapplied event's time what is released; by size, the partition's end and the sink's position are.
"""

import math
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from afflux.clients.samples import Sample
from afflux.monitor.forecast import Forecast, History, Point, forecast
from afflux.monitor.topics import TopicReading, TopicsReading
from afflux.sinks.batch import Partition, Span
from afflux.sinks.state import Watermark

Sampler = Callable[[Mapping[Partition, Span]], Mapping[Partition, Sample]]
"""Reads a few records from the starts of spans on."""
Since = Callable[[Partition, int], float | None]
"""Tells a time since which an offset and all after it were written, as late as is known; None where it is not."""

_NEVER: Final = Forecast(0.0, math.inf, math.inf, math.inf)


@dataclass(frozen=True, slots=True)
class SinkStanding:
    """What a sink's state says.

    Attributes:
        positions: the next offset of each partition; None for a sink that has never run.
        watermarks: of the shards.
        stopped: the topics that are not read on, with the reasons.
    """

    positions: Mapping[Partition, int] | None
    watermarks: Collection[Watermark] = ()
    stopped: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FlowReading:
    """How far one sink is behind one shard.

    Attributes:
        sink: the sink's name.
        shard: the shard's.
        lags: offsets between the position and the end, of each partition that is behind.
        lag_bytes: about how many bytes that is.
        deleted: offsets that Kafka has deleted before the sink applied them.
        headroom: seconds until the oldest event that is not applied may be deleted for its age; infinite: nothing
            is behind, or nothing is deleted.
        loss: when something will be deleted, for its age or for the topic's size; None while not known.
        watermark: up to when the target has everything; None where nobody has said yet.
        age: seconds by which the watermark is behind the shard's clock; None without one.
        stopped: the shard's topics that are not read on, with the reasons.
        headrooms: the headroom of each partition that is behind and whose oldest event is known.
    """

    sink: str
    shard: str
    lags: Mapping[Partition, int]
    lag_bytes: float = 0.0
    deleted: int = 0
    headroom: float = math.inf
    loss: Forecast | None = None
    watermark: Watermark | None = None
    age: float | None = None
    stopped: Mapping[str, str] = field(default_factory=dict)
    headrooms: Mapping[Partition, float] = field(default_factory=dict)

    @property
    def lag(self) -> int:
        """Offsets of all partitions that are not applied."""
        return sum(self.lags.values())

    @property
    def dead_letters(self) -> int:
        """How many dead letters were open when the watermark was last set."""
        return self.watermark.dead_letters if self.watermark else 0


@dataclass(slots=True)
class _Oldest:
    """The oldest event that a sink has not applied in a partition, and what is known of its past."""

    offset: int
    written: float
    ages: History
    sizes: History


class FlowWatch:
    """Watches how far sinks are behind.

    Args:
        sampler: reads records of partitions.
        since: tells what can be told of an event's age without reading it.
    """

    def __init__(self, sampler: Sampler, since: Since = lambda _partition, _offset: None) -> None:
        self._sampler, self._since = sampler, since
        self._oldest: dict[tuple[str, Partition], _Oldest] = {}

    def look(
        self, read: TopicsReading, sinks: Mapping[str, SinkStanding], shards: Mapping[str, float], now: float
    ) -> dict[tuple[str, str], FlowReading]:
        """Say how far each sink is behind each shard.

        Args:
            read: the topics.
            sinks: the sinks that have told where they stand, by name.
            shards: by their names, by how many seconds the shards' clocks are ahead of this machine's.
            now: seconds since 1970.

        Returns:
            By the sink's and the shard's name.
        """
        self._learn(_behind(read, sinks), now)
        topics: dict[str, list[TopicReading]] = {shard: [] for shard in shards}
        for topic in read.topics.values():
            topics.setdefault(topic.shard, []).append(topic)
        return {
            (sink, shard): self._flow(sink, shard, topics[shard], standing, now, ahead)
            for sink, standing in sinks.items()
            for shard, ahead in shards.items()
        }

    def _learn(self, behind: Mapping[tuple[str, Partition], Span], now: float) -> None:
        """Find out when the oldest unapplied events were written; those that are known already are not read again."""
        for place in self._oldest.keys() - behind.keys():
            del self._oldest[place]
        moved = {p: span for p, span in behind.items() if p not in self._oldest or self._oldest[p].offset != span.start}
        # Two sinks may stand at different offsets of a partition: each has its own turn.
        for sink in {sink for sink, _ in moved}:
            spans = {p: span for (of, p), span in moved.items() if of == sink}
            written = {p: since for p, span in spans.items() if (since := self._since(p, span.start)) is not None}
            unknown = {p: span for p, span in spans.items() if p not in written}
            written |= {p: found.first for p, found in self._sampler(unknown).items()} if unknown else {}
            for partition, time in written.items():
                known = self._oldest.get((sink, partition))
                ages, sizes = (known.ages, known.sizes) if known else (History(), History())
                self._oldest[sink, partition] = _Oldest(spans[partition].start, time, ages, sizes)
        for place, span in behind.items():
            if place in self._oldest:
                self._oldest[place].ages.add(Point(now, now, self._oldest[place].written))
                self._oldest[place].sizes.add(Point(now, span.end, span.start))

    def _flow(  # noqa: PLR0917 - one call, of what `look` has
        self, sink: str, shard: str, topics: list[TopicReading], standing: SinkStanding, now: float, ahead: float
    ) -> FlowReading:
        mark = next((mark for mark in standing.watermarks if mark.shard == shard), None)
        lags: dict[Partition, int] = {}
        headrooms: dict[Partition, float] = {}
        size, deleted, losses, known = 0.0, 0, [_NEVER], True
        for topic, partition, span, position in _placed(topics, standing.positions):
            deleted += max(0, min(span.start, span.end) - position)
            if span.end <= position:
                continue
            lags[partition] = span.end - max(position, span.start)
            size += lags[partition] * (topic.record_bytes or 0.0)
            oldest = self._oldest.get((sink, partition))
            if oldest is None:
                known = False
                continue
            headrooms[partition] = max(0.0, oldest.written + topic.retention.seconds - now)
            losses += _losses(oldest, topic, lags[partition], now)
        return FlowReading(
            sink=sink,
            shard=shard,
            lags=lags,
            lag_bytes=size,
            deleted=deleted,
            headroom=min(headrooms.values(), default=math.inf),
            headrooms=headrooms,
            loss=min(losses, key=lambda loss: (loss.likely, loss.soonest)) if known else None,
            watermark=mark,
            age=max(0.0, now + ahead - mark.time.timestamp()) if mark and mark.time else None,
            stopped={topic.topic: standing.stopped[topic.topic] for topic in topics if topic.topic in standing.stopped},
        )


def _placed(
    topics: Iterable[TopicReading], positions: Mapping[Partition, int] | None
) -> Iterator[tuple[TopicReading, Partition, Span, int]]:
    """Give each partition with what it holds and where the sink stands; one that it has not met begins at 0."""
    for topic in topics if positions is not None else ():
        for partition, span in topic.partitions.items():
            yield topic, partition, span, (positions or {}).get(partition, 0)


def _behind(read: TopicsReading, sinks: Mapping[str, SinkStanding]) -> dict[tuple[str, Partition], Span]:
    """Give what each sink has not applied of each partition, as far as it is still there."""
    return {
        (sink, partition): Span(max(span.start, position), span.end)
        for sink, standing in sinks.items()
        for _, partition, span, position in _placed(read.topics.values(), standing.positions)
        if span.end > max(span.start, position)
    }


def _losses(oldest: _Oldest, topic: TopicReading, lag: int, now: float) -> list[Forecast]:
    found = []
    if topic.retention.seconds < math.inf:
        room = oldest.written + topic.retention.seconds - now
        found.append(forecast(oldest.ages.points, room))
    if topic.retention.bytes < math.inf and topic.record_bytes:
        found.append(forecast(oldest.sizes.points, topic.retention.bytes / topic.record_bytes - lag))
    return [told for told in found if told is not None]

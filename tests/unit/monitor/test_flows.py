import math
from collections.abc import Mapping

import pytest

from afflux.clients.samples import Sample
from afflux.monitor.flows import FlowReading, FlowWatch, SinkStanding
from afflux.monitor.topics import Retention, TopicReading, TopicsReading
from afflux.sinks.batch import Partition, Span

T0 = 1_000_000.0
DAY = 86_400.0
PLACE = Partition("shard0.public.orders", 0)


class Topic:
    """A topic into which an event is written each second, as a broker would tell of it."""

    def __init__(self, retention: Retention | None = None) -> None:
        self.retention = retention or Retention(seconds=DAY)
        self.start = 0
        self.asked: list[Mapping[Partition, Span]] = []

    def at(self, now: float) -> TopicsReading:
        spans = {PLACE: Span(self.start, int(now - T0))}
        topic = TopicReading(PLACE.topic, "shard0", spans, 1.0, 100.0, 1.0, self.retention)
        return TopicsReading({PLACE.topic: topic}, {}, 1, 0, 0)

    def sample(self, ranges: Mapping[Partition, Span]) -> dict[Partition, Sample]:
        self.asked.append(ranges)
        return {place: Sample(T0 + span.start, sizes=[100]) for place, span in ranges.items()}


def look(watch: FlowWatch, topic: Topic, now: float, position: int | None) -> FlowReading:
    positions = None if position is None else {PLACE: position}
    return watch.look(topic.at(now), {"lake": SinkStanding(positions)}, {"shard0": 0.0}, now)["lake", "shard0"]


def test_a_sink_that_stands_still_has_until_its_oldest_event_is_too_old() -> None:
    topic = Topic()
    watch = FlowWatch(topic.sample)
    for ago in range(300, -1, -10):
        told = look(watch, topic, T0 + 20_000 - ago, 5_000)
    assert told.lag == 15_000
    assert told.lag_bytes == 1_500_000
    assert told.headroom == pytest.approx(DAY - 15_000)
    assert told.loss is not None
    assert told.loss.likely == pytest.approx(DAY - 15_000, rel=0.01)
    assert told.loss.soonest <= told.loss.likely <= told.loss.latest


def test_the_broker_is_not_asked_twice_for_the_same_event() -> None:
    topic = Topic()
    watch = FlowWatch(topic.sample)
    for ago in range(300, -1, -10):
        look(watch, topic, T0 + 20_000 - ago, 5_000)
    assert len(topic.asked) == 1


def test_what_was_not_there_at_an_earlier_look_need_not_be_read() -> None:
    topic = Topic()
    watch = FlowWatch(topic.sample, lambda _partition, offset: T0 + 19_000 if offset >= 19_000 else None)
    told = look(watch, topic, T0 + 20_000, 19_500)
    assert topic.asked == []
    assert told.headroom == pytest.approx(DAY - 1_000)
    look(watch, topic, T0 + 20_000, 18_000)
    assert len(topic.asked) == 1


def test_a_sink_that_catches_up_is_in_no_danger() -> None:
    topic = Topic()
    watch = FlowWatch(topic.sample)
    for step in range(40):
        told = look(watch, topic, T0 + 80_000 + 10 * step, 1_000 + 500 * step)
    assert told.headroom < 40_000
    assert told.loss is not None
    assert told.loss.likely == math.inf


def test_a_sink_that_is_slower_than_its_shard_is_foretold_to_lose() -> None:
    topic = Topic()
    watch = FlowWatch(topic.sample)
    for step in range(60):
        told = look(watch, topic, T0 + 80_000 + 10 * step, 1_000 + 5 * step)  # half as fast as events come
    assert told.loss is not None
    assert told.loss.likely == pytest.approx(told.headroom * 2, rel=0.1)


def test_a_topic_that_may_not_grow_deletes_sooner() -> None:
    topic = Topic(Retention(seconds=DAY, bytes=1_600_000.0))
    watch = FlowWatch(topic.sample)
    for ago in range(300, -1, -10):
        told = look(watch, topic, T0 + 20_000 - ago, 5_000)
    assert told.loss is not None
    assert told.loss.likely == pytest.approx(1_000, rel=0.01)  # 100,000 bytes left, 100 a second


def test_what_nothing_deletes_has_time() -> None:
    topic = Topic(Retention())
    told = look(FlowWatch(topic.sample), topic, T0 + 20_000, 5_000)
    assert told.headroom == math.inf
    assert told.loss is not None
    assert told.loss.likely == math.inf


def test_deleted_events_are_counted_and_not_waited_for() -> None:
    topic = Topic()
    topic.start = 7_000
    told = look(FlowWatch(topic.sample), topic, T0 + 20_000, 5_000)
    assert told.deleted == 2_000
    assert told.lag == 13_000


def test_a_sink_that_is_up_to_date_has_nothing_to_lose() -> None:
    topic = Topic()
    told = look(FlowWatch(topic.sample), topic, T0 + 20_000, 20_000)
    assert (told.lags, told.deleted, told.headroom) == ({}, 0, math.inf)
    assert topic.asked == []


def test_of_a_sink_that_never_ran_nothing_is_claimed() -> None:
    topic = Topic()
    told = look(FlowWatch(topic.sample), topic, T0 + 20_000, None)
    assert (told.lag, told.watermark, told.age) == (0, None, None)


def test_a_partition_that_the_sink_has_not_met_begins_at_its_first_event() -> None:
    topic = Topic()
    watch = FlowWatch(topic.sample)
    standing = {"lake": SinkStanding({Partition("other", 0): 3})}
    told = watch.look(topic.at(T0 + 500), standing, {"shard0": 0.0}, T0 + 500)["lake", "shard0"]
    assert told.lag == 500


def test_what_can_not_be_read_in_time_is_not_guessed() -> None:
    topic = Topic()
    told = look(FlowWatch(lambda _: {}), topic, T0 + 20_000, 5_000)
    assert told.lag == 15_000
    assert told.loss is None

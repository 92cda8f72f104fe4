"""What waits in Kafka is counted, weighed and timed until it is durable."""

from dataclasses import dataclass

import pytest

from afflux.sinks.batch import Partition
from afflux.stream.backlog import Backlog, Behind
from afflux.stream.intake import Raw

A, B = Partition("shard0.public.a", 0), Partition("shard0.public.b", 0)


@dataclass
class Message:
    name: str
    size: int

    def topic(self) -> str:
        return self.name

    def __len__(self) -> int:
        return self.size


def raw(begun: dict[Partition, float], size: int = 100) -> Raw:
    return Raw(messages=[Message(p.topic, size) for p in begun], begun=begun)


def test_a_shard_that_is_applied_is_not_behind() -> None:
    assert Backlog().behind([("shard0", A, 5, 5)], Raw(), 10.0) == {"shard0": Behind()}


def test_an_event_waits_from_the_moment_it_was_written_until_its_batch_is_durable() -> None:
    backlog = Backlog()
    backlog.took(raw({A: 100.0}))
    backlog.took(raw({A: 130.0}))
    places = [("shard0", A, 0, 10)]
    gathered = raw({A: 150.0, B: 1.0})
    assert backlog.behind(places, gathered, 160.0)["shard0"].seconds == 60.0
    backlog.durable()
    assert backlog.behind(places, gathered, 161.0)["shard0"].seconds == 31.0
    backlog.durable()
    assert backlog.behind(places, gathered, 162.0)["shard0"].seconds == 12.0
    assert backlog.behind([("shard0", A, 10, 10)], gathered, 163.0)["shard0"].seconds == 0.0


def test_a_partition_of_which_nothing_was_read_waits_since_that_was_seen() -> None:
    backlog = Backlog()
    assert backlog.behind([("shard0", A, 0, 10)], Raw(), 100.0)["shard0"].seconds == 0.0
    assert backlog.behind([("shard0", A, 0, 20)], Raw(), 130.0)["shard0"].seconds == 30.0
    assert backlog.behind([("shard0", A, 20, 20)], Raw(), 140.0)["shard0"].seconds == 0.0
    assert backlog.behind([("shard0", A, 20, 21)], Raw(), 150.0)["shard0"].seconds == 0.0


def test_a_shards_partitions_are_added_and_the_one_that_waits_longest_counts() -> None:
    backlog = Backlog()
    backlog.took(raw({A: 10.0, B: 40.0}, size=50))
    found = backlog.behind([("shard0", A, 0, 3), ("shard0", B, 5, 6), ("shard1", B, 0, 1)], Raw(), 50.0)
    assert found["shard0"] == Behind(events=4, bytes=pytest.approx(200.0), seconds=40.0)


def test_what_was_dropped_is_read_again() -> None:
    backlog = Backlog()
    backlog.took(raw({A: 10.0}))
    backlog.drop()
    assert backlog.behind([("shard0", A, 0, 1)], raw({A: 30.0}), 50.0)["shard0"].seconds == 20.0

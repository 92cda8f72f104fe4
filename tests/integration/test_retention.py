"""Topics watched on the real broker: what comes in, how evenly, how far a sink is behind, and when Kafka deletes it."""

import math
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import AdminClient  # type: ignore[attr-defined]  # re-exported without saying so
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_fixed

from afflux.clients.topics import Topic, Topics
from afflux.errors import KafkaError
from afflux.monitor.alarms import Alarms
from afflux.monitor.alerts import policy_of
from afflux.monitor.exposed import samples
from afflux.monitor.flows import FlowReading, FlowWatch, SinkStanding
from afflux.monitor.topics import TopicsReading, TopicWatch
from afflux.monitor.watch import PartReading, Readings
from afflux.sinks.batch import Partition
from afflux.stack import Addresses
from declared import topology as declared

pytestmark = pytest.mark.stack

HOUR = 3600.0
SIZE = 100


class Corner:
    """A topology with one shard's topic, whose events are kept for an hour; looked at by clocks put forward."""

    def __init__(self, addresses: Addresses, name: str) -> None:
        self.addresses = addresses
        self.topic, self.beats = f"{name}.shard0.public.orders", f"{name}.shard0.message"
        source = {"database": "app", "user": "cdc", "password": "", "names": {"topic_prefix": f"{name}.{{shard}}"}}
        self.topology = declared(
            kafka={"bootstrap_servers": addresses.kafka},
            source=source | {"shards": [{"name": "shard0", "host": "h"}]},
            transforms=[{"type": "RegexRouter", "regex": r"\w+\.shard0\.(.*)", "replacement": "$1"}],
        )
        self.look_anew()

    def look_anew(self) -> None:
        """Forget what was seen."""
        self.topics = TopicWatch(Topics(self.addresses.kafka), {})
        self.flows = FlowWatch(self.topics.sample, self.topics.since)

    def write(self, topic: str, partition: int, ages: list[float]) -> None:
        """Write events of some ages, in seconds."""
        producer = Producer({"bootstrap.servers": self.addresses.kafka})
        for age in ages:
            at = int((time.time() - age) * 1000)
            producer.produce(topic, value=b"x" * SIZE, partition=partition, timestamp=at)
        assert producer.flush(30) == 0

    def look(self, *positions: int, later: float = 0.0) -> tuple[TopicsReading, FlowReading]:
        now = time.time() + later
        read = self.topics.look(self.topology, now)
        standing = SinkStanding({Partition(self.topic, number): offset for number, offset in enumerate(positions)})
        return read, self.flows.look(read, {"lake": standing}, {"shard0": 0.0}, now)["lake", "shard0"]


@pytest.fixture
def corner(addresses: Addresses) -> Iterator[Corner]:
    made = Corner(addresses, f"retention{uuid.uuid4().hex[:6]}")
    topics = Topics(addresses.kafka)
    hour = {"retention.ms": str(int(HOUR * 1000)), "segment.ms": str(int(HOUR * 1000))}
    topics.create([Topic(made.topic, 2, config=hour), Topic(made.beats, 1)])
    # A new partition has no leader for a moment.
    patient = Retrying(retry=retry_if_exception_type(KafkaError), stop=stop_after_delay(30), wait=wait_fixed(0.2))
    patient(topics.ranges, [made.topic, made.beats])
    yield made
    topics.delete([made.topic, made.beats])


def test_headroom_is_the_time_that_the_oldest_unapplied_event_has_left(corner: Corner) -> None:
    corner.write(corner.topic, 0, [3000.0 - 10 * number for number in range(60)])
    corner.write(corner.topic, 1, [5.0])
    read, behind = corner.look(10, 1)
    assert read.topics[corner.topic].retention.seconds == HOUR
    assert read.topics[corner.topic].record_bytes == SIZE
    assert behind.lags == {Partition(corner.topic, 0): 50}
    assert behind.lag_bytes == 50 * SIZE
    assert behind.headroom == pytest.approx(HOUR - 3000 + 100, abs=30)
    _, caught_up = corner.look(60, 1)
    assert (caught_up.lag, caught_up.headroom) == (0, math.inf)


def test_a_sink_that_stands_still_is_an_alert_before_anything_is_deleted(corner: Corner) -> None:
    corner.write(corner.topic, 0, [3000.0 - 10 * number for number in range(60)])
    alarms = Alarms()
    severities: list[set[str]] = []
    for later in range(0, 400, 20):
        read, flow = corner.look(10, 0, later=later)
        readings = Readings(
            at=datetime.fromtimestamp(time.time() + later, UTC),
            seconds=0.0,
            shards={},
            topics=read,
            flows={("lake", "shard0"): flow},
            parts={part: PartReading(part) for part in ("kafka", "connect", "registry")},
        )
        alarms.judge(policy_of(corner.topology), samples(readings), readings.at.timestamp())
        severities.append({alert.severity for alert in alarms.present if alert.name == "AffluxRetentionRunningOut"})
    assert severities[0] == set()
    assert severities[-1] == {"warning", "page"}
    assert flow.deleted == 0
    assert flow.loss is not None
    assert flow.loss.likely == pytest.approx(flow.headroom, rel=0.01)


def test_what_was_deleted_unread_is_counted(corner: Corner) -> None:
    corner.write(corner.topic, 0, [60.0] * 60)
    admin = AdminClient({"bootstrap.servers": corner.addresses.kafka})
    admin.delete_records([TopicPartition(corner.topic, 0, 25)])[TopicPartition(corner.topic, 0)].result(30)
    _, flow = corner.look(10, 0)
    assert (flow.deleted, flow.lag) == (15, 35)


def test_what_comes_in_and_how_unevenly_is_told(corner: Corner) -> None:
    corner.write(corner.topic, 0, [1.0] * 5)
    read, _ = corner.look(0, 0)
    assert (read.topics[corner.topic].rate, read.topics[corner.topic].skew) == (None, 1.0)
    corner.write(corner.topic, 0, [0.0] * 90)
    corner.write(corner.topic, 1, [0.0] * 30)
    read, _ = corner.look(0, 0, later=60.0)
    rate = read.topics[corner.topic].rate
    assert rate is not None
    assert rate == pytest.approx(120 / 60, rel=0.2)
    assert read.topics[corner.topic].skew == 1.5


def test_the_age_of_a_heartbeat_is_known_at_once_and_followed(corner: Corner) -> None:
    assert corner.look(0, 0)[0].heartbeats == {"shard0": math.inf}
    corner.write(corner.beats, 0, [300.0, 200.0])
    corner.look_anew()
    assert corner.look(0, 0)[0].heartbeats["shard0"] == pytest.approx(200, abs=20)
    assert corner.look(0, 0, later=60)[0].heartbeats["shard0"] == pytest.approx(260, abs=20)
    corner.write(corner.beats, 0, [0.0])
    assert corner.look(0, 0, later=70)[0].heartbeats["shard0"] < 20

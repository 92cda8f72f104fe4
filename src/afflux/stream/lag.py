"""What waits for this worker in Kafka, measured now and then."""

import time
from collections.abc import Iterator, Mapping

from afflux.sinks.batch import Partition
from afflux.stream.backlog import Backlog, Behind
from afflux.stream.intake import Intake
from afflux.stream.subscription import Declared, message_topics
from afflux.telemetry import metrics
from afflux.topology.model import Topology

_MEASURE_SECONDS = 1.0


class Lag:
    """Measures, by shard, how far the target is behind this worker's partitions."""

    def __init__(self) -> None:
        self.backlog = Backlog()
        """Is told of the batches under way."""
        self._next = 0.0

    def turn(self, topology: Topology, declared: Declared, intake: Intake, applied: Mapping[Partition, int]) -> None:
        """Measure, if it is time.

        Args:
            topology: the declared whole.
            declared: the same, by topic.
            intake: knows this worker's partitions and their ends.
            applied: where the target stands.
        """
        if time.monotonic() < self._next:
            return
        self._next = time.monotonic() + _MEASURE_SECONDS
        metrics.PARTITIONS.set(len(intake.assigned))
        places = _places(message_topics(topology), declared, intake, applied)
        behind = self.backlog.behind(places, intake.gathered(), time.time())
        for shard in topology.shards:
            of = behind.get(shard.name, Behind())
            metrics.LAG_EVENTS.labels(shard.name).set(of.events)
            metrics.LAG_BYTES.labels(shard.name).set(of.bytes)
            metrics.LAG_SECONDS.labels(shard.name).set(of.seconds)


def _places(
    heartbeats: frozenset[str], declared: Declared, intake: Intake, applied: Mapping[Partition, int]
) -> Iterator[tuple[str, Partition, int, int]]:
    """Give the shards, positions and ends of this worker's partitions, as far as they are known."""
    for partition in intake.assigned & applied.keys():
        end = intake.high_watermark(partition)
        if end is not None and partition.topic not in heartbeats:
            for shard in declared.shards_of(partition.topic):
                yield shard, partition, applied[partition], end

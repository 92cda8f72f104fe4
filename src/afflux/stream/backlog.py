"""What a worker has not applied yet: events, bytes and how long they have waited. Pure.

Events are offsets between the position and the partition's end; the marks of Kafka's transactions are among them, so
it is rather too many. Bytes are those offsets times the mean size of the topic's messages, some of which are weighed
as they are read (uncompressed); of a topic of which none was, that of the others. The time is that of the oldest message which was read and is not
durable; where none was read yet, it is the time since the partition was seen to have something to read.
"""

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from statistics import fmean

from afflux.sinks.batch import Partition
from afflux.stream.intake import Raw

_WEIGHED = 1000
"""Messages of a batch that are weighed, about; of a small one, all."""
_WEIGHT = 0.1
"""Of a newly weighed message in its topic's mean."""


@dataclass(frozen=True, slots=True)
class Behind:
    """What is not applied yet of a shard, by this worker."""

    events: int = 0
    bytes: float = 0.0
    seconds: float = 0.0


class Backlog:
    """Follows messages from the moment they are read until they are durable."""

    def __init__(self) -> None:
        self._under_way: deque[Mapping[Partition, float]] = deque()
        self._sizes: dict[str, float] = {}
        self._since: dict[Partition, float] = {}

    def took(self, raw: Raw) -> None:
        """Take note of a batch that is on its way; batches become durable in this order."""
        self._under_way.append(raw.begun)
        for message in raw.messages[:: max(1, len(raw.messages) // _WEIGHED)]:
            size = float(len(message))
            known = self._sizes.get(message.topic(), size)
            self._sizes[message.topic()] = known + _WEIGHT * (size - known)

    def durable(self) -> None:
        """Take note that the oldest batch is durable."""
        self._under_way.popleft()

    def drop(self) -> None:
        """Take note that what was on its way is no more."""
        self._under_way.clear()

    def behind(
        self,
        places: Iterable[tuple[str, Partition, int, int]],
        gathered: Raw,
        now: float,
    ) -> dict[str, Behind]:
        """Say what is not applied yet, by shard.

        Args:
            places: this worker's partitions: the shard, the partition, its position and its end.
            gathered: what was read and is not on its way.
            now: seconds since 1970.
        """
        found: dict[str, Behind] = {}
        waiting = set()
        usual = fmean(self._sizes.values()) if self._sizes else 0.0
        for shard, partition, position, end in places:
            so_far, events = found.get(shard, Behind()), max(0, end - position)
            seconds = 0.0
            if events:
                waiting.add(partition)
                self._since.setdefault(partition, now)
                seconds = max(0.0, now - self._oldest(partition, gathered))
            size = events * self._sizes.get(partition.topic, usual)
            found[shard] = Behind(so_far.events + events, so_far.bytes + size, max(so_far.seconds, seconds))
        self._since = {partition: at for partition, at in self._since.items() if partition in waiting}
        return found

    def _oldest(self, partition: Partition, gathered: Raw) -> float:
        for begun in (*self._under_way, gathered.begun):
            if partition in begun:
                return begun[partition]
        return self._since[partition]

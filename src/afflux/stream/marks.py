"""The marks that heartbeats leave in the shards' logs, and which of them may be reached. Pure.

A heartbeat writes a message into its shard's WAL, and the connector brings it like a change, behind all that was
committed before. When everything that was in the shard's topics at the moment of reading it is in the target, so is
all that the shard had committed before the heartbeat.

That moment's ends are those of all records, not of the committed ones alone: a transaction of Kafka becomes visible
in one partition before another, so that the mark can be read while records that came before it can't be yet.

PostgreSQL notes a commit's time before it writes the commit into its log, so times in the log are not quite in order:
43 of 381,811 commits by 16 sessions had an earlier time than one before them, by up to 3.8 ms. A mark speaks of the
time `SLACK` before its own, which leaves room for a server whose log stalls.
"""

import io
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import fastavro

from afflux.sinks.batch import WIRE_HEADER, Mark, Partition
from afflux.stream.decoded import Message

SLACK_US = 1_000_000
"""Microseconds."""
_MOST = 4
"""Marks of a shard that are kept while they are not reached; the last one gives way to newer ones."""


@dataclass(frozen=True, slots=True)
class Marker:
    """A heartbeat's message.

    Attributes:
        shard: whose.
        time_us: when it was committed, in the shard's clock (microseconds since 1970).
        lsn: where it is in the shard's WAL.
    """

    shard: str
    time_us: int
    lsn: int


class MarkReader:
    """Reads heartbeats' messages.

    Args:
        schema_by_id: gives a registered schema as JSON, None for an id that is not registered; raises RegistryError.
    """

    def __init__(self, schema_by_id: Callable[[int], Mapping[str, Any] | None]) -> None:
        self._schema_by_id = schema_by_id
        self._parsed: dict[int, Any] = {}

    def read(self, message: Message, prefix: str, shards: Mapping[str, str]) -> Marker | None:
        """Read a message of a shard's message topic.

        Args:
            message: as it came.
            prefix: of the messages that are the topology's own.
            shards: shard names by `source.name`.

        Returns:
            What it marks; None where it is something else.

        Raises:
            RegistryError: the registry does not answer.
        """
        value = message.value() or b""
        schema = self._schema(int.from_bytes(value[1:WIRE_HEADER], "big")) if len(value) > WIRE_HEADER else None
        if schema is None:
            return None
        try:
            event: Any = fastavro.schemaless_reader(io.BytesIO(value[WIRE_HEADER:]), schema, None)
            source = event["source"]
            shard, time_us, lsn = shards.get(source["name"]), source["ts_us"], source["lsn"]
            ours = event["op"] == "m" and event["message"]["prefix"] == prefix
        except Exception:  # noqa: BLE001 - whatever it is, it is no mark, and the next one comes soon
            return None
        if not ours or shard is None or time_us is None or lsn is None:
            return None
        return Marker(shard, time_us, lsn)

    def _schema(self, number: int) -> Any:
        if number not in self._parsed:
            found = self._schema_by_id(number)
            if found is None:
                return None
            self._parsed[number] = fastavro.parse_schema(dict(found))
        return self._parsed[number]


def marks_of(
    markers: Mapping[str, Marker],
    ends: Mapping[Partition, int],
    shards_of: Callable[[str], Collection[str]],
    ids: Mapping[str, str],
) -> list[Mark]:
    """Make marks of markers.

    Args:
        markers: by shard.
        ends: the ends of all partitions of the shards' tables, asked for since.
        shards_of: gives the shards that a topic comes from.
        ids: the broker's ids of the topics.
    """
    own: dict[str, dict[Partition, int]] = {shard: {} for shard in markers}
    for partition, end in ends.items():
        for shard in shards_of(partition.topic):
            own.setdefault(shard, {})[partition] = end
    return [
        Mark(
            shard,
            marker.time_us - SLACK_US,
            marker.lsn,
            own[shard],
            {p.topic: ids[p.topic] for p in own[shard] if p.topic in ids},
        )
        for shard, marker in markers.items()
    ]


class Pending:
    """The marks that are not known to be reached yet."""

    def __init__(self) -> None:
        self._marks: dict[str, list[Mark]] = {}

    def add(self, marks: Iterable[Mark]) -> None:
        """Wait for some marks more."""
        for mark in marks:
            waiting = self._marks.setdefault(mark.shard, [])
            del waiting[_MOST - 1 :]
            waiting.append(mark)

    def plausible(self, applied: Mapping[Partition, int], held: Collection[str]) -> list[Mark]:
        """Give the marks that may be reached, by what this worker has applied itself.

        Args:
            applied: the next offset of each of its partitions.
            held: topics that are not read on.
        """
        return [
            mark
            for marks in self._marks.values()
            for mark in marks
            if all(applied.get(p, end) >= end for p, end in mark.ends.items() if p.topic not in held)
        ]

    def passed(self, marks: Iterable[Mark]) -> None:
        """Wait no more for marks that are reached, nor for those before them."""
        for mark in marks:
            left = [other for other in self._marks.get(mark.shard, ()) if other.time_us > mark.time_us]
            if left:
                self._marks[mark.shard] = left
            else:
                self._marks.pop(mark.shard, None)

"""Where a sink stands in each partition, and who may move that: rows of `afflux.positions`."""

import os
import socket
from collections.abc import Iterable, Mapping
from typing import Any

import psycopg
import structlog

from afflux import faults
from afflux.errors import Fenced
from afflux.sinks.batch import Partition, Span
from afflux.sinks.sql import statements

log = structlog.get_logger()


class Positions:
    """The positions of one consumer group of one topology.

    Args:
        topology: the topology's name; several topologies may share a warehouse.
        group: the consumer group.
    """

    def __init__(self, topology: str, group: str) -> None:
        self._scope = {"topology": topology, "group": group}
        self._owner = f"{socket.gethostname()}:{os.getpid()}"
        self._epochs: dict[Partition, int] = {}

    @property
    def scope(self) -> dict[str, str]:
        """The topology and the consumer group, as parameters of statements."""
        return self._scope

    def claim(
        self, connection: psycopg.Connection, partitions: Iterable[Partition], topic_ids: Mapping[str, str]
    ) -> dict[Partition, int]:
        """Bump the epoch of partitions in one statement, and return their next offsets."""
        wanted = _arrays(partitions)
        wanted["topic_ids"] = [topic_ids.get(topic) for topic in wanted["topics"]]
        with connection.transaction():
            rows = connection.execute(statements.CLAIM, {**self._scope, **wanted, "owner": self._owner}).fetchall()
            faults.passing("claiming")
        offsets = {}
        for topic, number, offset, epoch in rows:
            self._epochs[Partition(topic, number)] = epoch
            offsets[Partition(topic, number)] = offset
        return offsets

    def recreated(self, connection: psycopg.Connection, topic_ids: Mapping[str, str]) -> frozenset[str]:
        """Give those of some topics whose positions are in another topic of the same name."""
        values = {**self._scope, "topics": list(topic_ids), "topic_ids": list(topic_ids.values())}
        return frozenset(topic for (topic,) in connection.execute(statements.RECREATED, values))

    def rewound(self, connection: psycopg.Connection) -> frozenset[Partition]:
        """Give the partitions whose positions a person has changed, and that nobody has claimed since."""
        return frozenset(Partition(*row) for row in connection.execute(statements.REWOUND_SINCE, self._scope))

    def move(self, connection: psycopg.Connection, spans: Mapping[Partition, Span]) -> bool:
        """Move positions from the start to the end of spans, within the caller's transaction.

        Returns:
            Whether they moved; False when they stand at the ends already, by an earlier attempt
            whose outcome was not known.

        Raises:
            Fenced: another worker has claimed one of the partitions.
        """
        values = {
            **self._scope,
            **_arrays(spans),
            "starts": [span.start for span in spans.values()],
            "ends": [span.end for span in spans.values()],
            "epochs": [self._epochs.get(partition, 0) for partition in spans],
        }
        if connection.execute(statements.MOVE, values).rowcount == len(spans):
            return True
        stand = {Partition(t, n): (o, e, w) for t, n, o, e, w in connection.execute(statements.READ, values)}
        for partition, span in spans.items():
            offset, epoch, owner = stand.get(partition, (None, None, None))
            if epoch != self._epochs.get(partition):
                raise Fenced(f"{partition.topic}[{partition.number}] belongs to {owner} now")
            if offset != span.end:
                raise Fenced(
                    f"{partition.topic}[{partition.number}] stands at {offset} and not at {span.start}",
                    hint="somebody has changed afflux.positions by hand; the worker starts again from there",
                )
        log.info("batch was durable already", partitions=len(spans))
        return False


def _arrays(partitions: Iterable[Partition]) -> dict[str, list[Any]]:
    ordered = list(partitions)
    return {"topics": [p.topic for p in ordered], "partitions": [p.number for p in ordered]}

"""What is measured while it runs, about once a second: at the source, in Kafka and in the target."""

import threading
import time
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass

import psycopg

from afflux.clients.topics import Topics
from afflux.demo.load import Load
from afflux.demo.sink import SinkProcess
from afflux.demo.target import Rows, Target
from afflux.errors import KafkaError, SinkError
from afflux.stack import Addresses

_EVERY = 1.0
"""Seconds."""
_LEAVE_SECONDS = 3.0


@dataclass(frozen=True)
class ShardFigures:
    """One shard at one moment."""

    shard: str
    written: float
    """Row changes committed at the source, a second."""
    applied: float
    """How far the target's positions move, a second: events, and now and then a transaction's mark."""
    rows: int
    """In the target."""
    lag: int
    """Offsets between the target's positions and the topics' ends."""
    behind: float
    """Seconds from the load's newest commit that is in the target to its newest at the source."""


@dataclass(frozen=True)
class Figures:
    """All shards at one moment."""

    shards: tuple[ShardFigures, ...]
    events: int
    """Applied so far."""


@dataclass(frozen=True)
class _Seen:
    at: float
    rows: dict[str, Rows]
    positions: dict[str, int]
    ends: dict[str, int]
    written: dict[str, int]


class Watch:
    """Measures in a thread of its own.

    Args:
        addresses: of the stack.
        target: its own one of the target.
        load: what writes.
        sink: what applies.
        show: is given the figures.
    """

    def __init__(
        self, addresses: Addresses, target: Target, load: Load, sink: SinkProcess, show: Callable[[Figures], None]
    ) -> None:
        self._target = target
        self._topics = Topics(addresses.kafka)
        self._load, self._sink, self._show = load, sink, show
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End."""
        self._stop.set()
        self._thread.join(_LEAVE_SECONDS)

    def _run(self) -> None:
        with suppress(psycopg.Error, SinkError), closing(self._target) as target:
            before, ends = self._look(target), False
            while not ends:
                ends = self._stop.wait(_EVERY)  # and then looks a last time
                now = self._look(target)
                self._show(Figures(self._figures(before, now), self._sink.events()))
                before = now

    def _look(self, target: Target) -> _Seen:
        positions: dict[str, int] = {}
        ends: dict[str, int] = {}
        rows: dict[str, Rows] = {}
        with suppress(KafkaError):  # nothing is there yet
            places = target.positions()
            known = self._topics.end_offsets({partition.topic for partition in places})
            for place, offset in places.items():
                shard = place.topic.partition(".")[0]  # the stack's topology names topics after the shard
                positions[shard] = positions.get(shard, 0) + offset
                ends[shard] = ends.get(shard, 0) + known.get(place, offset)
            rows = target.rows()
        written = {shard: writer.committed.total() for shard, writer in self._load.writers.items()}
        return _Seen(time.time(), rows, positions, ends, written)

    def _figures(self, before: _Seen, now: _Seen) -> tuple[ShardFigures, ...]:
        passed = now.at - before.at

        def one(shard: str) -> ShardFigures:
            rows, newest = now.rows.get(shard, Rows(0, now.at))
            position = now.positions.get(shard, 0)
            writer = self._load.writers.get(shard)
            return ShardFigures(
                shard,
                written=(now.written.get(shard, 0) - before.written.get(shard, 0)) / passed,
                applied=(position - before.positions.get(shard, position)) / passed,
                rows=rows,
                lag=max(0, now.ends.get(shard, 0) - position),
                behind=max(0.0, writer.last_commit - max(newest, writer.first_commit)) if writer else 0.0,
            )

        return tuple(one(shard) for shard in sorted(now.positions.keys() | now.written.keys()))

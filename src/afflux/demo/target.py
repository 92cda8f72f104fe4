"""What the demo copies into, and what it asks of it. A kind of target is one file here and one line in `targets.py`."""

from abc import ABC, abstractmethod
from datetime import datetime
from pathlib import Path
from typing import ClassVar, NamedTuple

import psycopg

from afflux.demo.load import LastWord
from afflux.errors import SinkError
from afflux.sinks import make_state
from afflux.sinks.batch import Partition, TableName
from afflux.sinks.state import LetterFilter
from afflux.stack import Addresses
from afflux.topology.load import load
from afflux.topology.names import consumer_group
from afflux.verify.compare import Sides


class Rows(NamedTuple):
    """A shard's rows in the target, both tables together: how many, and the newest one's commit in seconds since 1970."""

    there: int
    newest: float


class Target(ABC):
    """A target while the demo plays. Used by one thread.

    Args:
        addresses: of the stack.
    """

    words: ClassVar[str]
    """What is started for it, and a comma."""

    def __init__(self, addresses: Addresses) -> None:
        topology = load(self.declare(addresses))
        (sink,) = topology.sinks
        self._state = make_state(sink, topology.name, consumer_group(topology, sink))

    @classmethod
    @abstractmethod
    def declare(cls, addresses: Addresses) -> Path:
        """Give the topology that has the target as its sink, written anew from the stack's own."""

    @abstractmethod
    def counts(self) -> dict[tuple[str, TableName], int]:
        """Count the rows by shard and table; a table that is not there yet has none."""

    @abstractmethod
    def rows(self) -> dict[str, Rows]:
        """Give each shard's rows."""

    @abstractmethod
    def heard(self, word: LastWord) -> bool:
        """Tell whether the last change of a shard's table is there."""

    @abstractmethod
    def freshness(self, since: datetime) -> tuple[float, float]:
        """Measure how long changes took, over the rows as they stand: each counts with its last change.

        Args:
            since: when the load began; rows that it did not change are left out.

        Returns:
            Median and 99th percentile of the target's write minus the source's commit, in milliseconds.
        """

    @property
    @abstractmethod
    def sides(self) -> psycopg.Connection | Sides:
        """What the comparison reads."""

    @classmethod
    @abstractmethod
    def shows(cls, folder: Path) -> str:
        """Give a command that shows rows of it.

        Args:
            folder: the stack's.
        """

    def positions(self) -> dict[Partition, int]:
        """Give where the sink stands; nothing where it has not begun."""
        try:
            return {standing.partition: standing.next_offset for standing in self._state.positions()}
        except SinkError:
            return {}

    def refused(self) -> str:
        """Say what could not be applied and why, the first of it; empty when there is nothing of the kind."""
        try:
            for letter in self._state.letters(LetterFilter()):
                at = f"{letter.id.partition.topic} at offset {letter.id.offset}"
                return f"an event of {at} became a dead letter: {letter.reason}"
            for stop in self._state.stops():
                return f"topic {stop.topic} is stopped: {stop.reason}"
        except SinkError:
            pass  # there is no state yet
        return ""

    def close(self) -> None:
        """Let go of it."""
        self._state.close()

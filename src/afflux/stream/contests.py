"""Equal keys of two shards in one target table: told once each, and counted while they last."""

import time
from collections import Counter
from datetime import timedelta

import structlog

from afflux.sinks.state import SinkState
from afflux.telemetry import metrics
from afflux.topology.model import Topology
from afflux.topology.part import seconds

log = structlog.get_logger()

_EVERY_SECONDS = 10.0
_TOLD = 20
"""Collisions that are told by name at once; of more, their number."""


class Contests:
    """Looks after the contests of a topology's tables; a chore of each worker.

    Args:
        topology: the declared whole.
        state: the sink's state.
    """

    def __init__(self, topology: Topology, state: SinkState) -> None:
        self._topology, self._state = topology, state
        self._next = 0.0
        self._counted: set[str] = set()

    def follow(self, topology: Topology) -> None:
        """Go by another topology."""
        self._topology = topology

    def round(self) -> None:
        """Tell new collisions, and count those that are open.

        Raises:
            SinkError: the target does not answer.
        """
        if time.monotonic() < self._next:
            return
        self._next = time.monotonic() + _EVERY_SECONDS
        window = timedelta(seconds=seconds(self._topology.source.move_window))
        new = self._state.judge_contests(window, [shard.name for shard in self._topology.shards])
        for found in new[:_TOLD]:
            log.warning("collision", table=found.table, key=found.key, shards=list(found.shards), hint=_HINT)
        if len(new) > _TOLD:
            log.warning("collisions", more=len(new) - _TOLD, hint=_HINT)
        counts = Counter(found.table for found in self._state.collisions())
        for table in self._counted | counts.keys():
            metrics.COLLISIONS.labels(table).set(counts[table])
        self._counted |= counts.keys()

    def close(self) -> None:
        """Nothing is held."""


_HINT = "two shards hold one key; `key: with_shard` keeps both, or delete one of them: docs/semantics.md"

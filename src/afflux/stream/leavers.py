"""Shards that were taken out of the topology: what becomes of their rows is decided once, and done."""

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta

import polars as pl
import structlog

from afflux.sinks.base import Sink
from afflux.sinks.batch import Batch, Mode, Partition, TableChanges
from afflux.sinks.shards import GoneShard
from afflux.sinks.state import SinkState
from afflux.stream.decoded import Decoded, TruncateEvent
from afflux.stream.folder import fold
from afflux.stream.router import Route, Router
from afflux.stream.subscription import Declared, prefixes
from afflux.topology.model import Topology

log = structlog.get_logger()

_EVERY_SECONDS = 10.0
UNSEEN = timedelta(seconds=60)
"""How long no worker may have a shard in its topology, before its rows are decided of: workers reread theirs every 10 s."""
_LAST = 2**63 - 1
"""Behind every LSN, and every offset."""


class Leavers:
    """Sees to the rows of shards that are no more; a chore of each worker.

    Args:
        topology: the declared whole.
        state: the sink's state.
        sink: makes the sink itself, not open.
        ends_of: gives the read-committed end of each partition of a topic now.
        unseen: how long a shard has to be away.
    """

    def __init__(
        self,
        topology: Topology,
        state: SinkState,
        sink: Callable[[], Sink],
        ends_of: Callable[[str], Mapping[Partition, int]],
        unseen: timedelta = UNSEEN,
    ) -> None:
        self._topology, self._state, self._make_sink, self._ends_of = topology, state, sink, ends_of
        self._unseen = unseen
        self._next = 0.0
        self._noticed: set[str] = set()

    def follow(self, topology: Topology) -> None:
        """Go by another topology."""
        self._topology = topology
        self._next = 0.0

    def round(self) -> None:
        """Note which shards there are, and do what has been decided of others.

        Raises:
            SinkError: the target does not answer.
        """
        if time.monotonic() < self._next:
            return
        self._next = time.monotonic() + _EVERY_SECONDS
        gone = self._state.note_shards({shard: prefix for prefix, shard in prefixes(self._topology).items()})
        for shard in gone:
            self._see_to(shard)
        self._noticed &= {shard.name for shard in gone}

    def close(self) -> None:
        """Nothing is held."""

    def _see_to(self, shard: GoneShard) -> None:
        decision = shard.decision
        if not decision:
            decision = self._topology.source.on_shard_removed
            if not self._state.decide_shard(shard.name, decision, self._unseen):
                if shard.name not in self._noticed:
                    log.info("shard not in the topology any more", shard=shard.name, rows=decision)
                self._noticed.add(shard.name)
                return
            log.warning("shard removed", shard=shard.name, rows="deleted" if decision == "delete" else "kept")
        if not shard.done:
            topics = self._delete(shard) if decision == "delete" else []
            self._state.close_shard(shard.name, topics)

    def _delete(self, shard: GoneShard) -> list[str]:
        """Delete a shard's rows, wherever they are kept; rows of others that they have hidden take their place.

        Its partitions are taken over first, so that no worker writes any of them again. Returns its topics.
        """
        mine = [s.partition for s in self._state.positions() if s.partition.topic.startswith(f"{shard.prefix}.")]
        topics = sorted({partition.topic for partition in mine})
        tables = departure(shard.name, shard.prefix, topics, Router(self._topology))
        tables += self._from_shared(shard.name)
        sink = self._make_sink()
        sink.open()
        try:
            sink.claim(mine)
            sink.apply(Batch({}, tables, truncated=dict.fromkeys(mine, _LAST)))
        finally:
            sink.close()
        log.warning("rows deleted", shard=shard.name, tables=[str(changes.table) for changes in tables])
        return topics

    def _from_shared(self, shard: str) -> tuple[TableChanges, ...]:
        """Give what takes a shard's rows out that came by topics which others share.

        Rows of it that are still to come there are kept out: up to where those topics end now.
        """
        declared, router = Declared(self._topology), Router(self._topology)
        found = []
        for topic in sorted({s.partition.topic for s in self._state.positions()}):
            schema, _, table = declared.source_of(topic).partition(".")
            route = router.route(topic, schema, table) if table and router.shares(topic) else None
            if route is not None and route.keeping.mode is not Mode.APPEND:
                until = tuple(self._ends_of(topic).items())
                (changes,) = fold([_gone(shard, topic, route)])
                late = tuple(replace(truncate, until=until) for truncate in changes.truncates)
                found.append(replace(changes, truncates=late, several=True))
        return tuple(found)


def departure(shard: str, prefix: str, topics: list[str], router: Router) -> tuple[TableChanges, ...]:
    """Give what takes all rows of a shard out of its tables: truncates behind all that it ever said. Pure.

    Args:
        shard: the shard's name.
        prefix: of its topics.
        topics: of its tables.
        router: the topology's.
    """
    found = []
    for topic in topics:
        schema, _, table = topic.removeprefix(f"{prefix}.").partition(".")
        route = router.route(topic, schema, table) if table else None
        if route is not None and route.keeping.mode is not Mode.APPEND:
            found.append(_gone(shard, topic, route))
    return fold(found)


def _gone(shard: str, topic: str, route: Route) -> Decoded:
    gone = TruncateEvent(shard, _LAST, 0, topic, int(time.time() * 1e6), 0, _LAST)
    return Decoded(route.table, (), (), pl.DataFrame(), (gone,), route.with_shard, route.keeping)

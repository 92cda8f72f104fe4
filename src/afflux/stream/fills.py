"""Tables that a sink comes too late for: the head of their topic was deleted before, so a snapshot fills them.

A topic that begins behind 0 and that the sink has never read stops, for it would be begun with a hole. Here its table
is asked for again, and read on when all of it is in the topic. While a blocking snapshot reads a table, its shard's
changes wait, for every sink; so a large table is left to a person, who knows when that may be.
"""

import re
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence

import structlog

from afflux.clients.catalog import Relation
from afflux.clients.postgres import session
from afflux.clients.servers import Servers, login
from afflux.person import person
from afflux.sinks.batch import Partition
from afflux.sinks.resyncs import Resync, ResyncState
from afflux.sinks.state import SinkState, Stop
from afflux.stream.astray import HEADLESS
from afflux.stream.subscription import Declared
from afflux.topology.model import Shard, Topology
from afflux.topology.names import notification_topic, shard_names, table_topic

log = structlog.get_logger()

MOST_BYTES = 100 << 20
"""The largest table of a shard, with its indexes, that is filled unasked: a minute of a blocking snapshot at most (400,000
rows, 100 MB, in 70 s on two cores that were busy with much else)."""
_AGAIN_SECONDS = 600.0
"""How long a snapshot that was asked for may be without an end, before it is asked for again."""


class Fills:
    """Fills the tables that a sink comes too late for; a chore of each worker.

    Args:
        topology: the declared whole.
        state: the sink's state.
        to: the topology's servers.
    """

    def __init__(self, topology: Topology, state: SinkState, to: Servers) -> None:
        self._topology, self._state, self._to = topology, state, to
        self._large: set[str] = set()

    def follow(self, topology: Topology) -> None:
        """Go by another topology."""
        self._topology = topology

    def round(self) -> None:
        """Ask for what is to be filled, and read on what has been.

        Raises:
            SinkError: the target does not answer.
            SourceError: a shard does not answer, or refuses.
            KafkaError: the broker does not answer.
        """
        headless = [stop for stop in self._state.stops() if HEADLESS in stop.reason]
        if not headless:
            return
        filled = {resync.topic: resync for resync in self._state.resyncs()}
        wanted = [stop for stop in headless if self._is_due(stop, filled.get(stop.topic))]
        self._ask(wanted)
        for stop in headless:
            resync = filled.get(stop.topic)
            if resync is not None and resync.state is ResyncState.READ and _is_since(stop, resync):
                self._read_on(resync)

    def close(self) -> None:
        """Nothing is held."""

    def _is_due(self, stop: Stop, resync: Resync | None) -> bool:
        if resync is None or not _is_since(stop, resync):
            return stop.topic not in self._large
        late = resync.asked is not None and time.time() - resync.asked.timestamp() > _AGAIN_SECONDS
        return resync.state is ResyncState.ASKED and late

    def _ask(self, stops: Sequence[Stop]) -> None:
        declared, of_shard = Declared(self._topology), defaultdict(set)
        for stop in stops:
            of_shard[declared.shard_of(stop.topic)].add(stop.topic)
        for shard in self._topology.shards:
            if topics := of_shard.get(shard.name):
                self._ask_shard(shard, topics)

    def _ask_shard(self, shard: Shard, topics: set[str]) -> None:
        with session(login(self._topology, shard)) as source:
            named = {table_topic(self._topology, shard, r.full_name): r for r in source.relations() if r.root is None}
            sizes = {topic: source.size(named[topic].schema, named[topic].name) for topic in topics & named.keys()}
        large = {topic for topic, size in sizes.items() if size > MOST_BYTES}
        for topic in sorted(large - self._large):
            log.warning(
                "too large to be filled unasked",
                topic=topic,
                bytes=sizes[topic],
                hint=f"`afflux tables resync {topic}`",
            )
        self._large |= large
        tables = {topic: named[topic] for topic in sorted(sizes.keys() - large)}
        if not tables:
            return
        ends = self._to.topics.end_offsets([notification_topic(self._topology), *tables])
        number = self._remember(shard, tables, ends)
        expressions = [re.escape(table.full_name).replace(",", r"\,") for table in tables.values()]
        prefix = shard_names(self._topology, shard).topic_prefix
        self._to.signals.snapshot(prefix, id=number, tables=expressions, blocking=True)
        log.warning("filled by a snapshot", shard=shard.name, tables=[table.full_name for table in tables.values()])

    def _remember(self, shard: Shard, tables: Mapping[str, Relation], ends: Mapping[tuple[str, int], int]) -> str:
        number = f"{shard_names(self._topology, shard).connector}-{time.time_ns() // 1_000_000}"
        heard = ends.get((notification_topic(self._topology), 0), 0)
        self._state.ask_resyncs(
            [
                Resync(
                    topic=topic,
                    shard=shard.name,
                    source=table.full_name,
                    lsn=0,  # nothing was ever here that could be gone
                    id=number,
                    by_signal=False,
                    heard=heard,
                    starts={n: end for (of, n), end in ends.items() if of == topic},
                    by=f"{person()} (daemon)",
                )
                for topic, table in tables.items()
            ]
        )
        return number

    def _read_on(self, resync: Resync) -> None:
        """Begin where the snapshot was asked for: all that was before it is in it."""
        to = {Partition(resync.topic, number): start for number, start in resync.starts.items()}
        self._state.rewind(to, self._to.topics.ids([resync.topic]), f"{person()} (daemon)", {resync.shard})
        self._state.resume([resync.topic])
        log.info("read on behind its snapshot", topic=resync.topic)


def _is_since(stop: Stop, resync: Resync) -> bool:
    """Tell whether a resynchronisation was asked for after a stop."""
    return resync.asked is not None and resync.asked >= stop.since

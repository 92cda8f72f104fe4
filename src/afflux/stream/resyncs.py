"""Tables that are read anew: hears when they have been, and removes what is at the shard no more.

A chore of each worker. Any of them may do any of it: what is done is said in the target, in the transaction that
does it.
"""

from collections.abc import Callable, Collection, Mapping

import polars as pl
import structlog

from afflux.clients.notifications import Notifications
from afflux.errors import Overtaken
from afflux.sinks.base import Sink
from afflux.sinks.batch import Batch, Mode, Partition
from afflux.sinks.resyncs import Resync, ResyncState
from afflux.sinks.state import SinkState
from afflux.stream.decoded import Decoded, TruncateEvent
from afflux.stream.folder import fold
from afflux.stream.router import Router
from afflux.stream.scans import scan_of
from afflux.stream.subscription import prefixes
from afflux.topology.model import Topology

log = structlog.get_logger()


class Resyncs:
    """Carries resynchronisations to their end.

    Args:
        topology: the declared whole.
        state: the sink's state.
        sink: makes the sink itself, not open.
        notifications: what connectors tell.
        ends_of: gives the read-committed end of each partition of a topic now.
    """

    def __init__(
        self,
        topology: Topology,
        state: SinkState,
        sink: Callable[[], Sink],
        notifications: Notifications,
        ends_of: Callable[[str], Mapping[Partition, int]],
    ) -> None:
        self._topology = topology
        self._state = state
        self._make_sink = sink
        self._sink: Sink | None = None
        self._notifications = notifications
        self._ends_of = ends_of

    def follow(self, topology: Topology) -> None:
        """Go by another topology."""
        self._topology = topology

    def round(self) -> None:
        """Do what can be done now.

        Raises:
            AffluxError: a server is away, or refuses; nothing is lost.
        """
        under_way = [resync for resync in self._state.resyncs() if resync.open]
        self._hear([resync for resync in under_way if resync.state is ResyncState.ASKED])
        for resync in under_way:
            if resync.passed:
                self._end(resync)
        if not under_way:
            self._let_go()

    def close(self) -> None:
        """Let go of the target."""
        self._let_go()

    def _let_go(self) -> None:
        if self._sink is not None:
            self._sink.close()
            self._sink = None

    def _hear(self, asked: Collection[Resync]) -> None:
        if not asked:
            return
        of = {shard: prefix for prefix, shard in prefixes(self._topology).items()}
        notices = self._notifications.since(min(resync.heard for resync in asked))
        for resync in asked:
            scan = scan_of(resync, of.get(resync.shard, ""), notices)
            if scan is None:
                continue
            if scan.failure:
                self._state.resync_failed(resync, scan.failure)
                log.error("resynchronisation failed", topic=resync.topic, reason=scan.failure)
            else:
                # What was read is below the ends that are asked for now.
                self._state.resync_read(resync, self._ends_of(resync.topic))
                log.info("read anew", topic=resync.topic, id=resync.id)

    def _end(self, resync: Resync) -> None:
        """Remove the rows that have not come again, with the dead letters from before."""
        batch = ending(resync, Router(self._topology))
        if batch is None:
            return
        if self._sink is None:
            self._sink = self._make_sink()
            self._sink.open()
        try:
            self._sink.apply(batch)
        except Overtaken:
            return  # another worker was first, somebody has gone back in the topic, or asked for it again
        log.info("resynchronised", topic=resync.topic, id=resync.id)


def ending(resync: Resync, router: Router) -> Batch | None:
    """Make the batch that ends a resynchronisation; pure.

    It removes what a truncate at the resynchronisation's LSN would, when it was asked for: the shard's rows that are
    older, wherever they are kept. A table that keeps changes has no rows that could go.

    Returns:
        None for a table that the topology does not have any more.
    """
    schema, _, table = resync.source.partition(".")
    route = router.route(resync.topic, schema, table)
    if route is None:
        return None
    when = 0 if resync.asked is None else int(resync.asked.timestamp() * 1e6)
    partition, offset = min(resync.starts.items(), default=(0, 0))
    gone = TruncateEvent(resync.shard, resync.lsn, 0, resync.topic, when, partition, offset)
    tables = fold([Decoded(route.table, (), (), pl.DataFrame(), (gone,), route.with_shard, route.keeping)])
    # Dead letters of other shards in the topic are not those of the rows that were read anew.
    before = {} if router.shares(resync.topic) else resync.starts
    removes = resync.lsn > 0 and route.keeping.mode is not Mode.APPEND
    return Batch(
        spans={},
        tables=tables if removes else (),
        truncated={Partition(resync.topic, number): start for number, start in before.items()},
        resynced={resync.topic: resync.id},
    )

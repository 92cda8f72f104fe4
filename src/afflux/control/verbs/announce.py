"""Have every sink of a topology remember that tables of a shard are read anew, before they are."""

import threading
import time
from collections.abc import Collection, Iterable

from afflux.clients.catalog import Relation
from afflux.clients.servers import Servers
from afflux.errors import UsageError
from afflux.sinks import make_sink, make_state
from afflux.sinks.resyncs import Resync
from afflux.topology.model import Shard, Topology
from afflux.topology.names import consumer_group, notification_topic, shard_names, table_topic

_ONE_BY_ONE = threading.Lock()
"""Shards are asked for side by side, and those that share a topic must see each other."""


def announce(
    topology: Topology, shard: Shard, to: Servers, tables: Iterable[Relation], *, lsn: int, by_signal: bool, by: str
) -> str:
    """Tell the sinks; what the connector reads from now on counts.

    Args:
        topology: as loaded.
        shard: whose tables.
        to: its servers.
        tables: which.
        lsn: that all rows will have, or a higher one.
        by_signal: whether Debezium will name the id in what it tells of them.
        by: who asks.

    Returns:
        The id.

    Raises:
        ServerError: the broker or a target does not answer.
        UsageError: another shard is being read anew by the same topic.
    """
    told = notification_topic(topology)
    topics = {table_topic(topology, shard, table.full_name): table.full_name for table in tables}
    ends = to.topics.end_offsets([told, *topics])
    number = f"{shard_names(topology, shard).connector}-{time.time_ns() // 1_000_000}"
    resyncs = [
        Resync(
            topic=topic,
            shard=shard.name,
            source=table,
            lsn=lsn,
            id=number,
            by_signal=by_signal,
            heard=ends.get((told, 0), 0),
            starts={number: end for (of, number), end in ends.items() if of == topic},
            by=by,
        )
        for topic, table in topics.items()
    ]
    for sink in topology.own_sinks:
        group = consumer_group(topology, sink)
        target = make_sink(sink, topology.name, group)
        try:
            target.open()  # makes the state, where the sink has never run
        finally:
            target.close()
        state = make_state(sink, topology.name, group)
        try:
            with _ONE_BY_ONE:
                _see_that_none_is_replaced(sink.name, state.resyncs(), resyncs)
                state.ask_resyncs(resyncs)
        finally:
            state.close()
    return number


def _see_that_none_is_replaced(sink: str, there: Collection[Resync], asked: Collection[Resync]) -> None:
    """Refuse what would end another shard's resynchronisation, in a topic that both have."""
    of = {resync.topic: resync.shard for resync in asked}
    for resync in there:
        if resync.open and of.get(resync.topic, resync.shard) != resync.shard:
            raise UsageError(
                f"sink {sink}: {resync.source} of shard {resync.shard} is being read anew, by the same topic {resync.topic}",
                hint="Ask again when it is done: shards that share a topic are read anew one after the other.",
            )

"""See whether the shards' changes flow, without changing anything."""

import dataclasses
from collections import defaultdict
from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import structlog

from afflux.clients.connect import Connect, Connector
from afflux.clients.postgres import session
from afflux.clients.servers import Servers, login, servers
from afflux.control.seen.observe import WORKERS, away, unfinished
from afflux.control.seen.scans import Copying, Scan
from afflux.control.seen.status import Seen, ShardStatus, Verdict, failed, judge
from afflux.control.seen.world import Problem
from afflux.errors import ConnectError, KafkaError, RegistryError, ServerError
from afflux.topology.model import Shard, Topology
from afflux.topology.names import shard_names, signal_topic, sink_connector

log = structlog.get_logger()


def status(topology: Topology, *, only: Collection[str] | None = None) -> list[ShardStatus]:
    """Say of each shard of a topology what its stream is doing; asks the servers, and changes nothing.

    Args:
        topology: as loaded.
        only: the names of the shards that are meant; None for all.
    """
    to = servers(topology)
    shards = [shard for shard in topology.shards if only is None or shard.name in only]
    with ThreadPoolExecutor(WORKERS) as pool:
        copying = pool.submit(_copying, topology, to)
        try:
            connectors: dict[str, Connector] | Problem = to.connect.connectors()
        except ConnectError as error:
            connectors = Problem("", "Kafka Connect", error.message, error.hint)

        def one(shard: Shard) -> ShardStatus:
            name = shard_names(topology, shard).connector
            if isinstance(connectors, Problem):
                return look(topology, shard, to.connect, connectors)
            return with_sinks(topology, shard, look(topology, shard, to.connect, connectors.get(name)), connectors)

        found = list(pool.map(one, shards))
        going_on = copying.result()
    return [dataclasses.replace(each, copying=tuple(going_on.get(each.shard, ()))) for each in found]


def look(topology: Topology, shard: Shard, connect: Connect, connector: Connector | Problem | None) -> ShardStatus:
    """Look at one shard's stream.

    Args:
        topology: as loaded.
        shard: one of its shards.
        connect: where its connector is.
        connector: what Connect says of it.
    """
    names, at = shard_names(topology, shard), login(topology, shard)
    seen = Seen(connector)
    try:
        with session(at) as source:
            slot, publication = source.slot(names.slot), source.publication(names.publication)
            offsets: tuple[Mapping[str, Any], ...] = ()
            if isinstance(connector, Connector) and not (slot and slot.active):
                offsets = tuple(connect.offsets(names.connector) or ())
                slot = source.slot(names.slot)  # it may have come before the offsets did
            seen = Seen(connector, slot, publication, offsets=offsets)
    except ConnectError as error:
        seen = Seen(Problem(shard.name, "Kafka Connect", error.message, error.hint))
    except ServerError as error:
        seen = Seen(connector, problem=away(at, error))
    return judge(shard.name, (names.connector, names.slot, names.publication), seen)


def with_sinks(
    topology: Topology, shard: Shard, found: ShardStatus, connectors: Mapping[str, Connector]
) -> ShardStatus:
    """Say of a stream that is in order itself whether its rows are written, by sinks inside Kafka Connect."""
    wanted = [sink_connector(topology, shard, sink) for sink in topology.connect_sinks]
    if not found.good or not wanted:
        return found
    if missing := [name for name in wanted if name not in connectors and found.tables]:
        return dataclasses.replace(
            found,
            verdict=Verdict.MISSING,
            detail=f"there is no connector {missing[0]}, which writes its rows",
            hint="`connectors apply` makes it.",
        )
    if reason := _unwell([connectors[name] for name in wanted if name in connectors]):
        hint = "Mend the cause; `connectors apply` restarts what failed."
        return dataclasses.replace(found, verdict=Verdict.FAILED, detail=reason, hint=hint)
    return found


def _copying(topology: Topology, to: Servers) -> dict[str, list[str]]:
    """Shard -> the tables whose rows are being copied, with how far that is."""
    prefixes = {shard_names(topology, shard).topic_prefix: shard.name for shard in topology.shards}
    try:
        if signal_topic(topology) not in to.topics.names():
            return {}
        waiting = unfinished(to, map(Copying, to.signals.sent().signals.values()), steps=True)
    except (KafkaError, RegistryError) as error:
        log.warning("it is not known which tables are being copied", error=error.message)
        return {}
    found: dict[str, list[str]] = defaultdict(list)
    for each in waiting:
        shard = prefixes.get(each.sent.topic_prefix)
        if shard is not None:
            found[shard] += [words(table, scan) for table, scan in each.scans.items() if not scan.ended]
    return found


def words(table: str, scan: Scan) -> str:
    """Say how far a table's copy is."""
    return table if scan.part is None else f"{table} {scan.part:.0%}"


def _unwell(sinks: Collection[Connector]) -> str:
    """Say in one line why a shard's rows are not written; empty where they are."""
    return next((f"{each.name}: {reason}" for each in sinks if (reason := failed(each))), "")

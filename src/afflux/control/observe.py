"""Ask the servers: in parallel, within bounds, and a shard that does not answer is one row of the answer."""

from collections.abc import Container, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from afflux.clients.connect import Connect, Connector
from afflux.clients.postgres import Login, session
from afflux.clients.registry import Registry
from afflux.clients.servers import Servers, connect, login
from afflux.clients.signals import Sent
from afflux.control.desired import desired, shared_topics, subjects
from afflux.control.settings import PLUGIN, check_settings
from afflux.control.status import Seen, ShardStatus, judge
from afflux.control.world import Problem, ShardWorld, World
from afflux.errors import ConnectError, ServerError, SourceError
from afflux.topology.model import Shard, Topology
from afflux.topology.names import shard_names, signal_topic

WORKERS = 12
"""Requests on their way at once."""
NEEDED = {
    "io.debezium.connector.postgresql.PostgresConnector": "the Debezium PostgreSQL connector",
    "io.apicurio.registry.utils.converter.AvroConverter": "Apicurio's Avro converter",
}


def observe(topology: Topology, to: Servers) -> World:
    """Ask for everything that a plan depends on.

    Args:
        topology: as loaded.
        to: its servers.

    Raises:
        UsageError: `source.config` can't be combined with what afflux promises.
        ServerError: Connect, the broker or the registry does not answer, or Connect lacks a plugin.
    """
    check_settings(topology)
    with ThreadPoolExecutor(WORKERS) as pool:
        asked = {shard.name: pool.submit(_shard, topology, shard) for shard in topology.shards}
        plugins = pool.submit(to.connect.plugins)
        installed = plugins.result()
        _require(to.connect, installed)
        shards = {name: answer.result() for name, answer in asked.items()}
        # Last, so that a slot which was seen to be read has its connector here, if that is one of ours.
        connectors = to.connect.connectors()
        own = set(shared_topics(topology))
        wanted = set(own)
        for shard in topology.shards:
            seen = shards[shard.name]
            if isinstance(seen, ShardWorld):
                wanted |= desired(topology, shard, seen.relations, exact=False).topics.keys()
        slotless = [s for s in topology.shards if isinstance(w := shards[s.name], ShardWorld) and w.slot is None]
        orphans = [name for name in pool.map(partial(_orphan, topology, to.connect, connectors), slotless) if name]
        described = pool.submit(to.topics.describe, wanted)
        rules = _rules(to.registry, wanted - own, pool)
        topics = described.result()
        sent = to.signals.sent() if signal_topic(topology) in topics else Sent()
        return World(
            shards=shards,
            plugin=installed.get(PLUGIN, ""),
            connectors=connectors,
            orphans=frozenset(orphans),
            topics=topics,
            rules=rules,
            signals=frozenset(sent.ids),
            notes=sent.notes,
        )


def status(topology: Topology) -> list[ShardStatus]:
    """Say of each shard of a topology what its stream is doing; asks Connect and the shards, and changes nothing."""
    cluster = connect(topology)
    with ThreadPoolExecutor(WORKERS) as pool:
        try:
            connectors: dict[str, Connector] | Problem = cluster.connectors()
        except ConnectError as error:
            connectors = Problem("", "Kafka Connect", error.message, error.hint)

        def one(shard: Shard) -> ShardStatus:
            name = shard_names(topology, shard).connector
            known = connectors if isinstance(connectors, Problem) else connectors.get(name)
            return look(topology, shard, cluster, known)

        return list(pool.map(one, topology.shards))


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
            slot = source.slot(names.slot)
            offsets: tuple[dict[str, Any], ...] = ()
            if isinstance(connector, Connector) and not (slot and slot.active):
                offsets = tuple(connect.offsets(names.connector) or ())
                slot = source.slot(names.slot)  # it may have come before the offsets did
            seen = Seen(connector, slot, source.publication(names.publication), offsets=offsets)
    except ServerError as error:
        seen = Seen(connector, problem=_away(at, error))
    return judge(shard.name, (names.connector, names.slot, names.publication), seen)


def _shard(topology: Topology, shard: Shard) -> ShardWorld | Problem:
    names, at = shard_names(topology, shard), login(topology, shard)
    try:
        with session(at) as source:
            return ShardWorld(
                server=source.server(),
                relations=tuple(source.relations()),
                publication=source.publication(names.publication),
                slot=source.slot(names.slot),
            )
    except ServerError as error:
        return _away(at, error)


def _orphan(topology: Topology, connect: Connect, connectors: Container[str], shard: Shard) -> str:
    """The name of a shard's connector if it has read something and its slot is gone, else nothing."""
    names = shard_names(topology, shard)
    if names.connector not in connectors or not connect.offsets(names.connector):
        return ""
    try:
        with session(login(topology, shard)) as source:
            gone = source.slot(names.slot) is None  # asked again: it may have come just before the offsets did
    except SourceError:
        return ""  # it answered a moment ago; what it needs now will be told by what is tried next
    return names.connector if gone else ""


def _away(at: Login, error: ServerError) -> Problem:
    return Problem(at.shard, f"server {at.address}", error.message.removeprefix(f"{at.where}: "), error.hint)


def _require(connect: Connect, installed: Iterable[str]) -> None:
    missing = [name for kind, name in NEEDED.items() if kind not in set(installed)]
    if missing:
        raise ConnectError(
            f"Kafka Connect at {connect.url} lacks {' and '.join(missing)}",
            hint="Put it into a folder of each worker's plugin.path and restart the workers.",
        )


def _rules(registry: Registry, topics: Iterable[str], pool: ThreadPoolExecutor) -> dict[str, str]:
    """Subject -> level, of those subjects that are held to one, or will be once they exist."""
    names = sorted(subjects(topics))
    levels = zip(names, pool.map(registry.compatibility, names), strict=True)
    return {subject: level for subject, level in levels if level != "NONE"}

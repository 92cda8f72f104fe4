"""Ask the servers: in parallel, within bounds, and a shard that does not answer is one row of the answer."""

import time
from collections.abc import Collection, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor

from afflux.clients.catalog import Slot
from afflux.clients.connect import Connect, Connector
from afflux.clients.postgres import Login, Session, session
from afflux.clients.registry import Registry
from afflux.clients.servers import Servers, login
from afflux.clients.signals import Ledger
from afflux.control.seen.copies import COPIES, latest
from afflux.control.seen.partitions import ATTACHED
from afflux.control.seen.scans import Copying, hear_all
from afflux.control.seen.targets import targets
from afflux.control.seen.world import Problem, ShardWorld, World
from afflux.control.wanted.converters import needed
from afflux.control.wanted.desired import desired, shared_topics, subjects
from afflux.control.wanted.settings import PLUGIN, TOPOLOGY_MARK, check_settings
from afflux.control.wanted.sink_settings import SINK_CLASS
from afflux.errors import ConnectError, ServerError
from afflux.topology.model import Shard, Topology
from afflux.topology.names import shard_names, signal_topic

WORKERS = 16
"""Requests on their way at once."""
LEAVING_SECONDS = 15.0
"""How long the task of a deleted connector may go on reading its slot; Connect gives a task 5 s to end."""
LEAVING_LOOK_SECONDS = 0.2
READER = "Debezium Streaming"
"""What Debezium calls the session that reads a slot."""
_DEBEZIUM = {
    "io.debezium.connector.postgresql.PostgresConnector": "the Debezium PostgreSQL connector",
}
_JDBC = {SINK_CLASS: "the Debezium JDBC sink, which engine: connect rests on"}


def observe(topology: Topology, to: Servers, *, only: Collection[str] | None = None) -> World:
    """Ask for everything that a plan depends on.

    Args:
        topology: as loaded.
        to: its servers.
        only: the names of the shards to ask; None for all.

    Raises:
        UsageError: `source.config` can't be combined with what afflux promises.
        ServerError: Connect, the broker or the registry does not answer, or Connect lacks a plugin.
    """
    check_settings(topology)
    meant = [shard for shard in topology.shards if only is None or shard.name in only]
    with ThreadPoolExecutor(WORKERS) as pool:
        plugins = pool.submit(to.connect.plugins)
        targeted = pool.submit(targets, topology)
        known = pool.submit(to.connect.connectors)
        installed = plugins.result()
        _require(to.connect, installed, required(topology))
        before = known.result()
        asked = {shard.name: pool.submit(_shard, topology, to, shard, before) for shard in meant}
        shards = {name: answer.result() for name, answer in asked.items()}
        # Last, so that a slot which was seen to be read has its connector here, if that is one of ours.
        connectors = to.connect.connectors()
        own = set(shared_topics(topology))
        wanted = set(own)
        for shard in meant:
            seen = shards[shard.name]
            if isinstance(seen, ShardWorld):
                wanted |= desired(topology, shard, seen.relations, exact=False).topics.keys()
        described = pool.submit(to.topics.describe, wanted)
        rules = _rules(to.registry, wanted - own, pool)
        topics = described.result()
        ledger = to.signals.sent() if signal_topic(topology) in topics else Ledger()
        signals = ledger.signals
        configs = [c.config for c in connectors.values() if c.config.get(TOPOLOGY_MARK) == topology.name]
        last = [name for name in signals if ATTACHED in name]
        last += [
            name for config in [*configs, *ledger.notes.values()] for name in latest(config.get(COPIES, ""), signals)
        ]
        copying = unfinished(to, [Copying(signals[name]) for name in last])
        return World(
            shards=shards,
            plugin=installed.get(PLUGIN, ""),
            connectors=connectors,
            topics=topics,
            rules=rules,
            signals=signals,
            notes=ledger.notes,
            scans={
                each.sent.id: {table: scan.status for table, scan in each.scans.items() if scan.ended}
                for each in copying
            },
            targets=targeted.result(),
        )


def unfinished(to: Servers, copying: Iterable[Copying], *, steps: bool = False) -> list[Copying]:
    """Ask what has become of copies that are not known to have come to a good end.

    Args:
        to: the topology's servers.
        copying: signals' copies, of which nothing was told yet.
        steps: whether it matters how far those are that go on.

    Returns:
        Those of them whose signals were not noted as ended.
    """
    waiting = [each for each in copying if not each.sent.ended]
    if waiting:
        since = min(each.sent.at for each in waiting)
        with to.notifications.following(since, steps=steps) as news:
            hear_all(waiting, news())
        for each in waiting:
            each.give_up(int(time.time() * 1000))
    return waiting


def away(at: Login, error: ServerError) -> Problem:
    """Say that a shard could not be asked."""
    return Problem(at.shard, f"server {at.address}", error.message.removeprefix(f"{at.where}: "), error.hint)


def _shard(topology: Topology, to: Servers, shard: Shard, connectors: Mapping[str, Connector]) -> ShardWorld | Problem:
    names, at = shard_names(topology, shard), login(topology, shard)
    try:
        with session(at) as source:
            server, relations = source.server(), tuple(source.relations())
            # Who makes them makes the publication first, and who removes them drops the slot first.
            slot, publication = source.slot(names.slot), source.publication(names.publication)
            slot = source.slot(names.slot) if slot and publication is None else slot
            if slot and slot.active and names.connector not in connectors:
                slot = _let_go(source, slot, to.connect, names.connector, connectors.values())
            offsets: tuple[Mapping[str, object], ...] = ()
            if names.connector in connectors and not (slot and slot.active):
                offsets = tuple(to.connect.offsets(names.connector) or ())
                if slot is None and offsets:
                    slot = source.slot(names.slot)  # it may have come just before the offsets did
            return ShardWorld(server, relations, publication, slot, offsets)
    except ConnectError:
        raise
    except ServerError as error:
        return away(at, error)


def _let_go(source: Session, slot: Slot, connect: Connect, name: str, others: Collection[Connector]) -> Slot | None:
    """Wait while a connector that is gone already still ends its last task, and reads the slot until then.

    A reader that is no connector, or another one that is there, is not waited for.
    """
    seen: Slot | None = slot
    until = time.monotonic() + LEAVING_SECONDS
    if any(other.config.get("slot.name") == slot.name for other in others):
        return slot
    while seen and seen.active and seen.holder == READER and connect.status(name) is None and time.monotonic() < until:
        time.sleep(LEAVING_LOOK_SECONDS)
        seen = source.slot(slot.name)
    return seen


def required(topology: Topology) -> dict[str, str]:
    """Return the classes that Connect must have for a topology's connectors -> what they are, in words."""
    return _DEBEZIUM | needed(topology.connect.converter) | (_JDBC if topology.connect_sinks else {})


def _require(connect: Connect, installed: Collection[str], classes: Mapping[str, str]) -> None:
    missing = [name for kind, name in classes.items() if kind not in installed]
    if missing:
        raise ConnectError(
            f"Kafka Connect at {connect.url} lacks {' and '.join(missing)}",
            hint="Put it into a folder of each worker's plugin.path and restart the workers.",
        )


def _rules(registry: Registry, topics: Iterable[str], pool: ThreadPoolExecutor) -> dict[str, str]:
    """Subject -> level, of those subjects that are held to one, or will be once they exist."""
    general = registry.compatibility()
    names = sorted(subjects(topics))
    levels = zip(names, pool.map(registry.bound_to, names), strict=True)
    return {subject: level or general for subject, level in levels if (level or general) != "NONE"}

"""Look at every shard's stream: what Connect, the shard itself and the heartbeats in Kafka say, in parallel."""

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

from afflux.clients.catalog import Publication, Server, Slot
from afflux.clients.connect import Connector, listens
from afflux.clients.postgres import session
from afflux.clients.servers import Servers, login
from afflux.control.seen.observe import WORKERS
from afflux.control.seen.standing import lost
from afflux.control.seen.status import Seen, ShardStatus, judge
from afflux.control.seen.world import Problem
from afflux.errors import ServerError, SourceError
from afflux.topology.model import Shard, Topology
from afflux.topology.names import ShardNames, shard_names


@dataclass(frozen=True)
class Look:
    """One shard, at one moment.

    Attributes:
        names: what the shard's things are called.
        role: that Debezium and afflux log in as.
        status: what its stream is doing.
        connector: as Connect knows it; None where there is none.
        server: the shard's PostgreSQL; None while it can't be asked.
        slot: its slot; None where there is none, or while the server can't be asked.
        publication: its publication; likewise.
        offsets: where its connector stands; asked for only while the slot is not read.
        away: why the shard can't be asked.
        beats: the end of its topic of heartbeats; None where there is none.
        marks: the end of its topic of messages; likewise.
    """

    names: ShardNames
    role: str
    status: ShardStatus
    connector: Connector | None = None
    server: Server | None = None
    slot: Slot | None = None
    publication: Publication | None = None
    offsets: tuple[Mapping[str, Any], ...] = ()
    away: Problem | None = None
    beats: int | None = None
    marks: int | None = None

    @property
    def state(self) -> str:
        """What it is doing, as a text that changes when that does."""
        states = [self.connector.state, *(task.state for task in self.connector.tasks)] if self.connector else []
        return " ".join([self.status.verdict, *states])


def examine(topology: Topology, to: Servers) -> dict[str, Look]:
    """Look at every shard of a topology, by name; changes nothing.

    Raises:
        ServerError: Connect or the broker does not answer. A shard that does not is a row of the answer.
    """
    names = [shard_names(topology, shard) for shard in topology.shards]
    topics = [topic for of in names for topic in (of.heartbeat_topic, of.message_topic)]
    with ThreadPoolExecutor(WORKERS) as pool:
        ends = pool.submit(to.topics.end_offsets, topics)
        connectors = to.connect.connectors()
        looks = pool.map(lambda shard: _look(topology, shard, to, connectors), topology.shards)
        found = dict(zip((shard.name for shard in topology.shards), looks, strict=True))
        return {name: _with_ends(look, ends.result()) for name, look in found.items()}


def decodable(topology: Topology, shard: Shard) -> str:
    """Ask a shard's server to decode a little from a slot that nobody reads, which changes nothing.

    Returns:
        Why it can't; empty where it can, or does not say.
    """
    names = shard_names(topology, shard)
    try:
        with session(login(topology, shard)) as source:
            return source.decode(names.slot, names.publication)
    except ServerError:
        return ""


def answering(looks: Iterable[Look]) -> dict[str, bool]:
    """Ask of each worker of Connect that runs something whether it listens at its own address."""
    workers = sorted({look.status.worker for look in looks} - {""})
    with ThreadPoolExecutor(WORKERS) as pool:
        return dict(zip(workers, pool.map(listens, workers), strict=True))


def overrun(topology: Topology, shard: Shard, to: Servers) -> str:
    """Ask whether a slot, read by whomever, has left the shard's own connector behind.

    Returns:
        Why changes are missing; empty where none are, or it can't be told now.
    """
    names = shard_names(topology, shard)
    try:
        with session(login(topology, shard)) as source:
            slot = source.slot(names.slot)
        offsets = to.connect.offsets(names.connector) or ()  # later than the slot: a good connector is not behind it
    except ServerError:
        return ""
    return lost(slot, Publication(names.publication), offsets) if slot else ""


def _look(topology: Topology, shard: Shard, to: Servers, connectors: Mapping[str, Connector]) -> Look:
    names, at = shard_names(topology, shard), login(topology, shard)
    connector = connectors.get(names.connector)
    server: Server | None = None
    slot: Slot | None = None
    publication: Publication | None = None
    away: Problem | None = None
    offsets: tuple[Mapping[str, Any], ...] = ()
    try:
        with session(at) as source:
            server, slot = source.server(), source.slot(names.slot)
            if connector is not None and not (slot and slot.active):
                offsets = tuple(to.connect.offsets(names.connector) or ())
                slot = source.slot(names.slot)  # it may have come before the offsets did
            publication = source.publication(names.publication)
    except SourceError as error:
        server, slot, publication = None, None, None
        away = Problem(shard.name, f"server {at.address}", error.message.removeprefix(f"{at.where}: "), error.hint)
    seen = Seen(connector, slot, publication, problem=away, offsets=offsets)
    status = judge(shard.name, (names.connector, names.slot, names.publication), seen)
    return Look(names, at.user, status, connector, server, slot, publication, offsets, away)


def _with_ends(look: Look, ends: Mapping[tuple[str, int], int]) -> Look:
    def end(topic: str) -> int | None:
        found = [offset for (name, _), offset in ends.items() if name == topic]
        return sum(found) if found else None

    return replace(look, beats=end(look.names.heartbeat_topic), marks=end(look.names.message_topic))

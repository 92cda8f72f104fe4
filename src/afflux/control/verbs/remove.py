"""Take away what was made for shards, those too that the topology does not name any more."""

from collections.abc import Callable, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum
from functools import partial

from afflux.clients.connect import Connect, Connector
from afflux.clients.postgres import Login, session
from afflux.clients.servers import connect as connect_of
from afflux.clients.servers import login, servers
from afflux.control.done.stopping import must_stop
from afflux.control.planned.sink_plan import of_shard
from afflux.control.seen.follow import Progress
from afflux.control.seen.observe import WORKERS
from afflux.control.verbs.choose import choose
from afflux.control.verbs.subjects import delete, left_by
from afflux.control.wanted.settings import SHARD_MARK, TOPOLOGY_MARK
from afflux.control.wanted.sink_settings import SINK_MARK
from afflux.errors import ServerError, SourceError, UsageError
from afflux.topology.model import Topology
from afflux.topology.names import shard_names
from afflux.topology.secrets import resolve


class Subjects(StrEnum):
    """What becomes of a shard's subjects in the registry."""

    KEEP = "keep"
    SOFT = "soft"
    """Deleted so that records in Kafka can still be read."""
    HARD = "hard"
    """Deleted for good."""


@dataclass(frozen=True)
class Extent:
    """What is taken away with the connectors."""

    slot: bool = False
    publication: bool = False
    offsets: bool = False
    subjects: Subjects = Subjects.KEEP
    forget: bool = False
    """Also where the shard does not answer: what is left there is only told."""


@dataclass(frozen=True)
class Removal:
    """What became of one shard."""

    shard: str
    removed: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    error: str = ""
    hint: str = ""


@dataclass(frozen=True)
class _Target:
    """What there may be of one shard."""

    shard: str
    connector: str
    exists: bool
    slot: str
    publication: str
    sinks: tuple[str, ...]
    """The connectors that write its rows, of sinks inside Kafka Connect."""
    login: Callable[[], Login]


def removable(topology: Topology, shards: Collection[str] | None) -> list[str]:
    """Return the shards that `remove` would touch, in order.

    Args:
        topology: as loaded.
        shards: their names, or patterns; None for all, also those with a connector that the topology does not name any more.

    Raises:
        UsageError: there is no such shard, neither in the topology nor as a connector of it.
        ConnectError: Connect does not answer.
    """
    return [target.shard for target in _targets(topology, connect_of(topology), shards)]


def remove(
    topology: Topology, shards: Collection[str] | None, extent: Extent, *, progress: Progress | None = None
) -> list[Removal]:
    """Remove connectors, and what else is asked for; what is gone already is fine.

    Args:
        topology: as loaded.
        shards: their names, or patterns; None for all, also those with a connector that the topology does not name
            any more.
        extent: what is taken away with the connectors.
        progress: told of every step, from several threads.

    Returns:
        What became of each shard; one that fails stops no other.

    Raises:
        UsageError: there is no such shard, or the publication would be dropped under a slot that stays.
        ConnectError: Connect does not answer.
    """
    if extent.publication and not extent.slot:
        raise UsageError(
            "a publication can't be dropped while its slot stays: the slot could never be read again",
            hint="Add --drop-slot, or keep both.",
        )
    connect = connect_of(topology)
    targets = _targets(topology, connect, shards)
    tell = progress or (lambda *_: None)
    with ThreadPoolExecutor(WORKERS) as pool:
        return list(pool.map(lambda target: _remove(topology, connect, target, extent, tell), targets))


def _targets(topology: Topology, connect: Connect, shards: Collection[str] | None) -> list[_Target]:
    connectors = connect.connectors()
    found = {}
    for shard in topology.shards:
        names = shard_names(topology, shard)
        own = _is_own(connectors.get(names.connector), topology)
        found[shard.name] = _Target(
            shard.name,
            names.connector,
            own,
            names.slot,
            names.publication,
            _sinks(topology, shard.name, connectors),
            partial(login, topology, shard),
        )
    for connector in connectors.values():
        shard_name = connector.config.get(SHARD_MARK, "")
        if _is_own(connector, topology) and shard_name not in found and SINK_MARK not in connector.config:
            found[shard_name] = _stray(shard_name, connector, _sinks(topology, shard_name, connectors))
    return [found[name] for name in (found if shards is None else choose(shards, found))]


def _is_own(connector: Connector | None, topology: Topology) -> bool:
    return connector is not None and connector.config.get(TOPOLOGY_MARK) == topology.name


def _sinks(topology: Topology, shard: str, connectors: Mapping[str, Connector]) -> tuple[str, ...]:
    return tuple(each.name for each in of_shard(topology, shard, connectors))


def _stray(shard: str, connector: Connector, sinks: tuple[str, ...]) -> _Target:
    """What the connector's own config says of a shard that the topology does not name."""
    config = connector.config

    def log_in() -> Login:
        return Login(
            shard=shard,
            host=resolve(config["database.hostname"]),
            port=int(config["database.port"]),
            database=resolve(config["database.dbname"]),
            user=resolve(config["database.user"]),
            password=resolve(config["database.password"]),
            options={
                key: config[f"database.{key}"] for key in ("sslmode", "sslrootcert") if f"database.{key}" in config
            },
        )

    return _Target(shard, connector.name, True, config["slot.name"], config["publication.name"], sinks, log_in)


def _remove(topology: Topology, connect: Connect, target: _Target, extent: Extent, tell: Progress) -> Removal:
    removed: list[str] = []
    gone: list[str] = []  # also what was not there

    def done(what: str, *, was_there: bool = True) -> None:
        gone.append(what)
        if was_there:
            removed.append(what)
            tell(target.shard, f"removed: {what}")

    def take_away(connector: str) -> None:
        if extent.offsets:
            connect.delete_offsets(connector)
            done(f"offsets of {connector}")
        connect.delete(connector)
        done(f"connector {connector}")

    try:
        for sink in target.sinks:
            must_stop(connect, sink)
            take_away(sink)
        if target.exists:
            # Stopped first, so that nobody reads the slot any more when this returns.
            must_stop(connect, target.connector)
        # The connector last: while it is there, what was not done yet is found by the next run.
        _from_shard(target, extent, done, tell)
        _from_registry(topology, target.shard, extent, done)
        if target.exists:
            take_away(target.connector)
    except ServerError as error:
        tell(target.shard, error.message)
        return Removal(target.shard, tuple(removed), _kept(target, gone), error.message, error.hint)
    return Removal(target.shard, tuple(removed), _kept(target, gone))


def _from_registry(topology: Topology, shard: str, extent: Extent, done: Callable[..., None]) -> None:
    if extent.subjects is Subjects.KEEP:
        return
    registry, hard = servers(topology).registry, extent.subjects is Subjects.HARD
    names = left_by(topology, shard, registry.subjects(deleted=hard))
    delete(registry, names, hard=hard)
    done(f"{len(names)} subjects{' for good' if hard else ''}", was_there=bool(names))


def _from_shard(target: _Target, extent: Extent, done: Callable[..., None], tell: Progress) -> None:
    if not (extent.slot or extent.publication):
        return
    try:
        with session(target.login()) as source:
            if extent.slot:
                done(f"slot {target.slot}", was_there=source.drop_slot(target.slot))
            if extent.publication:
                done(f"publication {target.publication}", was_there=source.drop_publication(target.publication))
    except SourceError as error:
        if not error.transient:
            raise
        if not extent.forget:
            hint = f"{error.hint} A shard that is gone for good can be forgotten: --forget."
            raise SourceError(error.message, hint=hint, transient=True) from None
        tell(target.shard, f"forgotten, for it does not answer: {error.message}")


def _kept(target: _Target, gone: Collection[str]) -> tuple[str, ...]:
    things = (f"slot {target.slot}", f"publication {target.publication}")
    return tuple(thing for thing in things if thing not in gone) if target.exists else ()

"""What the registry and the shards say of a topology's tables."""

from collections.abc import Collection, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from afflux.clients.postgres import session
from afflux.clients.registry import Registry
from afflux.clients.servers import login
from afflux.contracts.shape import Shape, of_catalog, of_schemas
from afflux.control.wanted.desired import TABLES
from afflux.errors import SourceError, UsageError
from afflux.stream.subscription import Declared
from afflux.topology.model import Shard, Topology
from afflux.topology.names import notification_topic, own_topic, shard_names, signal_topic, table_topic
from afflux.topology.tables import is_read_from, match

_WORKERS = 16


@dataclass(frozen=True, slots=True)
class Subject:
    """A subject of the registry that a topology writes to.

    Attributes:
        subject: its name.
        table: the table, as the topic has it; empty for heartbeats, messages and notifications.
        shard: whose it is; empty where it is all shards'.
        part: `key` or `value`.
        id: of its newest schema.
        version: the number of its newest version.
        compatibility: the level that binds it.
    """

    subject: str
    table: str
    shard: str
    part: str
    id: int
    version: int
    compatibility: str


@dataclass(frozen=True, slots=True)
class Seen:
    """Tables as one kind of server has them.

    Attributes:
        shapes: table -> shard -> its shape there; a shard that has not got it is left out.
        unseen: shard -> why it could not be looked at.
    """

    shapes: dict[str, dict[str, Shape]]
    unseen: dict[str, SourceError] = field(default_factory=dict)


def subjects(topology: Topology, registry: Registry) -> list[Subject]:
    """List the subjects that a topology's connectors write to, by name.

    Raises:
        RegistryError: the registry does not answer.
    """
    whose = _places(topology, registry.subjects())
    general = registry.compatibility()

    def read(name: str) -> Subject | None:
        latest = registry.latest(name)
        shard, table, part = whose[name]
        level = registry.bound_to(name) or general
        return Subject(name, table, shard, part, latest.id, latest.version, level) if latest else None

    with ThreadPoolExecutor(_WORKERS) as pool:
        return [found for found in pool.map(read, sorted(whose)) if found]


def tables_of(topology: Topology, registry: Registry) -> list[str]:
    """Name the tables that any shard has sent events of, as their topics have them."""
    places = _places(topology, registry.subjects()).values()
    return sorted({table for _, table, part in places if table and part == "value"})


def shards_of(topology: Topology, table: str) -> list[Shard]:
    """Give the shards that a table is read from: all, or the first one alone for a reference table (pure)."""
    entry = match(topology, table)
    return [shard for shard in topology.shards if entry is None or is_read_from(topology, entry, shard.name)]


def produced(topology: Topology, registry: Registry, tables: Collection[str]) -> Seen:
    """Read what the newest events of tables look like.

    Args:
        topology: its shards resolved.
        registry: its.
        tables: `schema.table`.

    Raises:
        RegistryError: the registry does not answer.
        UsageError: shards share a subject.
        DecodeError: a subject's schema is no change event's.
    """
    for table in tables:
        for shard in topology.shards:
            if (topic := table_topic(topology, shard, table)) != own_topic(topology, shard, table):
                raise UsageError(
                    f"table {table}: all shards' schemas are in one subject, {topic}-value, whose newest may be any shard's",
                    hint="Compare with what the shards hold: --against shards.",
                )

    def read(place: tuple[str, Shard]) -> Shape | None:
        topic = table_topic(topology, place[1], place[0])
        value = registry.latest(f"{topic}-value")
        if value is None:
            return None
        key = registry.latest(f"{topic}-key")
        return of_schemas(value.schema, key.schema if key else None)

    places = [(table, shard) for table in tables for shard in shards_of(topology, table)]
    shapes: dict[str, dict[str, Shape]] = {table: {} for table in tables}
    with ThreadPoolExecutor(_WORKERS) as pool:
        for (table, shard), shape in zip(places, pool.map(read, places), strict=True):
            if shape is not None:
                shapes[table][shard.name] = shape
    return Seen(shapes)


def held(topology: Topology, tables: Collection[str]) -> Seen:
    """Read what tables look like in the shards' catalogs now; a shard that does not answer stops no other.

    Args:
        topology: its shards resolved.
        tables: `schema.table`.
    """
    with ThreadPoolExecutor(_WORKERS) as pool:
        read = {table: {shard.name for shard in shards_of(topology, table)} for table in tables}
        own = [[table for table in tables if shard.name in read[table]] for shard in topology.shards]
        answers = list(pool.map(lambda shard, wanted: _catalog(topology, shard, wanted), topology.shards, own))
    shapes: dict[str, dict[str, Shape]] = {table: {} for table in tables}
    unseen: dict[str, SourceError] = {}
    for shard, answer in zip(topology.shards, answers, strict=True):
        if isinstance(answer, SourceError):
            unseen[shard.name] = answer
            continue
        for table, shape in answer.items():
            shapes[table][shard.name] = shape
    return Seen(shapes, unseen)


def _catalog(topology: Topology, shard: Shard, tables: Collection[str]) -> dict[str, Shape] | SourceError:
    try:
        with session(login(topology, shard)) as source:
            relations = {relation.full_name: relation for relation in source.relations() if relation.kind in TABLES}
            columns = source.columns()
    except SourceError as error:
        return error
    shapes = {}
    for table in tables:
        if table in relations:
            entry = match(topology, table)
            declared = entry.key if entry and isinstance(entry.key, list) else ()
            relation = relations[table]
            key = declared or relation.primary_key or relation.identity_key
            shapes[table] = of_catalog(
                (column for column in columns if f"{column.schema}.{column.table}" == table), key
            )
    return shapes


def _places(topology: Topology, names: Iterable[str]) -> dict[str, tuple[str, str, str]]:
    """Give shard, table and part (`key` or `value`) of each subject that is the topology's."""
    declared = Declared(topology)
    of = {shard.name: shard_names(topology, shard) for shard in topology.shards}
    beside = {topic: shard for shard, own in of.items() for topic in (own.heartbeat_topic, own.message_topic)}
    beside |= {notification_topic(topology): "", signal_topic(topology): ""}
    places = {}
    for name in names:
        topic, _, part = name.rpartition("-")
        if part not in {"key", "value"}:
            continue
        shard = declared.shard_of(topic)
        if topic in beside:
            places[name] = beside[topic], "", part
        elif shard is not None and declared.table_of(topic) is not None:
            places[name] = shard, topic[len(of[shard].topic_prefix) + 1 :], part
    return places

"""What the topology wants: its topics, and of each shard the tables, publication, topics and connector (pure)."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from afflux.clients.catalog import Relation
from afflux.clients.topics import Topic
from afflux.control.wanted.settings import connector_config, topic_settings
from afflux.topology.model import Shard, Table, Topology
from afflux.topology.names import notification_topic, shard_names, signal_topic, table_topic
from afflux.topology.tables import is_read_from, match

TABLES = frozenset({"r", "p"})
"""Kinds of relation whose changes PostgreSQL can publish."""
_NOTIFICATIONS_MS = 30 * 86_400_000


@dataclass(frozen=True)
class Desired:
    """All that a shard should have; its slot is made by the connector."""

    tables: tuple[Relation, ...]
    publication: str
    slot: str
    connector: str
    config: dict[str, str]
    topics: dict[str, Topic]

    @property
    def published(self) -> tuple[tuple[str, str], ...]:
        """The tables as (schema, name)."""
        return tuple((table.schema, table.name) for table in self.tables)


def desired(
    topology: Topology,
    shard: Shard,
    relations: Iterable[Relation],
    *,
    exact: bool,
    keep: Collection[str] = (),
    without: Collection[str] = (),
) -> Desired:
    """Return what a shard should have.

    Args:
        topology: passed `check_settings`.
        shard: one of its shards.
        relations: what the shard has that may be a table of the topology.
        exact: whether Connect has afflux's plugin.
        keep: tables, `schema.table`, that are followed although the topology does not name them any more.
        without: tables that can't be followed yet.
    """
    names = shard_names(topology, shard)
    tables = captured(topology, shard, relations, keep=keep, without=without)
    one = topic_settings(topology)
    topics = [
        *(_table_topic(topology, shard, table) for table in tables),
        Topic(names.heartbeat_topic, 1, topology.kafka.topics.replication, one),
        Topic(names.message_topic, 1, topology.kafka.topics.replication, one),
    ]
    return Desired(
        tables=tables,
        publication=names.publication,
        slot=names.slot,
        connector=names.connector,
        config=connector_config(topology, shard, tables, exact=exact),
        topics={topic.name: topic for topic in topics},
    )


def captured(
    topology: Topology,
    shard: Shard,
    relations: Iterable[Relation],
    *,
    keep: Collection[str] = (),
    without: Collection[str] = (),
) -> tuple[Relation, ...]:
    """Return the tables of a shard that its connector follows, by name.

    A partition whose topmost table is followed is left out: its changes come as that table's, and following it too
    would bring its rows twice in a snapshot.
    """
    tables = {relation.full_name: relation for relation in relations if relation.kind in TABLES}
    wanted = {name for name, table in tables.items() if name in keep or _is_wanted(topology, shard, table)}
    return tuple(tables[name] for name in sorted(wanted.difference(without)) if tables[name].root not in wanted)


def shared_topics(topology: Topology) -> dict[str, Topic]:
    """Return the topics that all shards share: signals to the connectors, and their notifications.

    Both have one partition, for their order means something. Signals are kept for good: by what was sent, a second
    run knows what it need not send. Notifications stay long enough for the longest copy.
    """
    # When a copy was asked for and what was told of it since are compared: by one clock, the broker's.
    settings = topic_settings(topology) | {"message.timestamp.type": "LogAppendTime"}
    signals = settings | {"retention.ms": "-1"}
    replication = topology.kafka.topics.replication
    notifications = settings | {"retention.ms": str(_NOTIFICATIONS_MS)}
    names = {signal_topic(topology): signals, notification_topic(topology): notifications}
    return {name: Topic(name, 1, replication, config) for name, config in names.items()}


def subjects(topics: Iterable[str]) -> set[str]:
    """Return the registry's subjects of topics."""
    return {f"{topic}-{part}" for topic in topics for part in ("key", "value")}


def _table_topic(topology: Topology, shard: Shard, table: Relation) -> Topic:
    topics = topology.kafka.topics
    name = table_topic(topology, shard, table.full_name)
    declared = match(topology, table.full_name)
    # A history is told in order, whatever the key.
    partitions = 1 if declared is not None and declared.mode == "history" else topics.partitions
    return Topic(name, partitions, topics.replication, topic_settings(topology))


def _is_wanted(topology: Topology, shard: Shard, relation: Relation) -> bool:
    table: Table | None = match(topology, relation.full_name)
    return table is not None and is_read_from(topology, table, shard.name)

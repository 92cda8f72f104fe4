"""The servers of a topology, as clients with its secrets resolved."""

from dataclasses import dataclass

from afflux.clients.connect import Connect
from afflux.clients.notifications import Notifications
from afflux.clients.postgres import Login
from afflux.clients.registry import Registry
from afflux.clients.signals import Signals
from afflux.clients.topics import Topics
from afflux.topology.model import Shard, Topology
from afflux.topology.names import notification_topic, signal_topic
from afflux.topology.secrets import resolve

_SSL = ("sslmode", "sslrootcert")


@dataclass(frozen=True)
class Servers:
    """The servers that all shards share, ready to be asked."""

    connect: Connect
    topics: Topics
    registry: Registry
    signals: Signals
    notifications: Notifications


def servers(topology: Topology) -> Servers:
    """Return clients for a topology's servers, with its secrets resolved; none is asked yet."""
    bootstrap = resolve(topology.kafka.bootstrap_servers)
    kafka = {key: resolve(value) for key, value in topology.kafka.properties.items()}
    registry = {key: resolve(value) for key, value in topology.registry.properties.items()}
    schemas = Registry(resolve(topology.registry.url), registry)
    return Servers(
        connect=connect(topology),
        topics=Topics(bootstrap, kafka),
        registry=schemas,
        signals=Signals(bootstrap, kafka, signal_topic(topology)),
        notifications=Notifications(bootstrap, kafka, notification_topic(topology), schemas.schema),
    )


def connect(topology: Topology) -> Connect:
    """Return a client for a topology's Kafka Connect; it is not asked yet."""
    properties = {key: resolve(value) for key, value in topology.connect.properties.items()}
    return Connect(",".join(resolve(url) for url in topology.connect.url.split(",")), properties)


def login(topology: Topology, shard: Shard) -> Login:
    """Return how to log in to a shard, with its secrets resolved."""
    config = topology.source.config
    return Login(
        shard=shard.name,
        host=resolve(shard.host),
        port=shard.port,
        database=resolve(shard.database or topology.source.database),
        user=resolve(topology.source.user),
        password=resolve(topology.source.password),
        options={key: str(config[f"database.{key}"]) for key in _SSL if f"database.{key}" in config},
    )

"""The subjects of a shard that is gone."""

from collections.abc import Collection, Iterable

from afflux.clients.registry import Registry
from afflux.clients.servers import servers
from afflux.errors import UsageError
from afflux.topology.model import Shard, Topology
from afflux.topology.names import own_topic, shard_names
from afflux.topology.tables import match


def left_by(topology: Topology, shard: str, subjects: Iterable[str]) -> list[str]:
    """Choose the subjects that a shard's connector has made, by name (pure).

    Args:
        topology: its shards resolved; the shard need not be one of them any more.
        shard: its name.
        subjects: the names of all subjects there are.

    Returns:
        Those of its heartbeats, its messages, and the topology's tables. Others that begin alike may be another
        topology's, such as one with the prefix `shard3.eu`.
    """
    gone = Shard(name=shard, host="gone")
    own = shard_names(topology, gone)
    topics = {own.heartbeat_topic, own.message_topic, *(own_topic(topology, gone, t.source) for t in topology.tables)}

    def is_own(topic: str) -> bool:
        table = topic.removeprefix(f"{own.topic_prefix}.")
        return topic in topics or (table != topic and match(topology, table) is not None)

    return sorted(name for name in subjects if name.endswith(("-key", "-value")) and is_own(name.rpartition("-")[0]))


def deletable(topology: Topology, shard: str, *, hard: bool) -> list[str]:
    """Name the subjects that `delete` would delete.

    Args:
        topology: its shards resolved.
        shard: its name.
        hard: also those that are deleted softly already.

    Raises:
        UsageError: the shard still has its connector.
        ConnectError: Connect does not answer.
        RegistryError: the registry does not answer.
    """
    to = servers(topology)
    connector = shard_names(topology, Shard(name=shard, host="gone")).connector
    if connector in to.connect.connectors():
        raise UsageError(
            f"shard {shard} still has its connector {connector}, which writes by these subjects",
            hint=f"`connectors remove {shard}` first",
        )
    return left_by(topology, shard, to.registry.subjects(deleted=hard))


def delete(registry: Registry, subjects: Collection[str], *, hard: bool) -> None:
    """Delete subjects; those that are gone already are fine.

    Raises:
        RegistryError: the registry does not answer, or refuses.
    """
    for subject in subjects:
        registry.delete(subject)
        if hard:
            registry.delete_for_good(subject)

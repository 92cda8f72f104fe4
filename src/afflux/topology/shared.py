"""Topics that hold a table of several shards: whose table, and which shards' (pure)."""

import re
from collections.abc import Iterator

from afflux.topology.model import Topology
from afflux.topology.names import own_topic, shard_names, table_topic
from afflux.topology.routing import routes
from afflux.topology.tables import is_exact, is_read_from, match


def shared_of(topology: Topology, topic: str) -> tuple[str, frozenset[str]]:
    """Find whose events a topic holds to which connectors' own routers have led them.

    A router is not undone: it is tried on the tables that the topology names, and on those that the topic's name ends in.

    Args:
        topology: its shards resolved.
        topic: any.

    Returns:
        The table at the source, `schema.table`, and its shards; empty where it is no such topic.
    """
    if not routes(topology):
        return "", frozenset()
    for table in _candidates(topology, topic):
        declared = match(topology, table)
        shards = frozenset(
            shard.name
            for shard in topology.shards
            if declared is not None
            and is_read_from(topology, declared, shard.name)
            and table_topic(topology, shard, table) == topic != own_topic(topology, shard, table)
        )
        if shards:
            return table, shards
    return "", frozenset()


def shard_of_prefix(topology: Topology, prefix: str) -> str:
    """Give the shard whose events have a prefix, also of one that the topology does not name, or not yet."""
    for shard in topology.shards:
        if shard_names(topology, shard).topic_prefix == prefix:
            return shard.name
    template = re.escape(topology.source.names.topic_prefix.replace("{name}", topology.name))
    found = re.fullmatch(template.replace(r"\{shard\}", "(?P<shard>.+)", 1).replace(r"\{shard\}", "(?P=shard)"), prefix)
    return found["shard"] if found and "shard" in found.groupdict() else prefix


def _candidates(topology: Topology, topic: str) -> Iterator[str]:
    yield from (table.source for table in topology.tables if is_exact(table))
    parts = topic.split(".")
    for place in range(len(parts) - 1):
        if match(topology, name := ".".join(parts[place:])) is not None:
            yield name

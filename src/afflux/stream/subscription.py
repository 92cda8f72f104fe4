"""Which topics a topology's tables are in. Pure."""

from collections.abc import Iterable

from afflux.stream.router import avro_name
from afflux.topology.model import Topology
from afflux.topology.names import shard_names
from afflux.topology.tables import match


def prefixes(topology: Topology) -> dict[str, str]:
    """Give the shards' names by topic prefix, which is also their events' `source.name`."""
    return {shard_names(topology, shard).topic_prefix: shard.name for shard in topology.shards}


def wanted_topics(topology: Topology, existing: Iterable[str]) -> frozenset[str]:
    """Choose the topics of a topology's tables.

    Args:
        topology: the declared whole.
        existing: the names of all topics there are.

    Returns:
        Those named `<prefix>.<schema>.<table>` whose table is declared. Debezium replaces characters
        that a topic can't have, so a table named in full is compared in that form too.
    """
    starts = tuple(f"{prefix}." for prefix in prefixes(topology))
    adjusted = {".".join(map(avro_name, table.source.split("."))) for table in topology.tables}
    chosen = set()
    for topic in existing:
        start = next((start for start in starts if topic.startswith(start)), None)
        if start is None:
            continue
        table = topic.removeprefix(start)
        if table.count(".") >= 1 and (match(topology, table) is not None or table in adjusted):
            chosen.add(topic)
    return frozenset(chosen)

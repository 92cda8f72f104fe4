"""Which topics a topology's tables are in, and which tables topics are of. Pure."""

from collections.abc import Iterable

from afflux.sinks.base import TableName
from afflux.stream.router import avro_name, target_of
from afflux.topology.model import Table, Topology
from afflux.topology.names import shard_names
from afflux.topology.tables import match
from afflux.transforms import build


def prefixes(topology: Topology) -> dict[str, str]:
    """Give the shards' names by topic prefix, which is also their events' `source.name`."""
    return {shard_names(topology, shard).topic_prefix: shard.name for shard in topology.shards}


class Declared:
    """Which declared table the events of a topic are of, and where they go.

    A topic is named `<prefix>.<schema>.<table>`. Debezium replaces characters that a topic can't have, so a
    table named in full is compared in that form too.

    Args:
        topology: the declared whole.
    """

    def __init__(self, topology: Topology) -> None:
        self._topology = topology
        self._starts = {f"{prefix}.": shard for prefix, shard in prefixes(topology).items()}
        self._adjusted = {".".join(map(avro_name, table.source.split("."))): table for table in topology.tables}
        self._transforms = build(topology.transforms)

    def shard_of(self, topic: str) -> str | None:
        """Give the shard that a topic comes from."""
        return next((shard for start, shard in self._starts.items() if topic.startswith(start)), None)

    def table_of(self, topic: str) -> Table | None:
        """Give the entry of `tables` for a topic; None for one that is not declared."""
        start = next((start for start in self._starts if topic.startswith(start)), None)
        name = topic.removeprefix(start) if start else ""
        return (match(self._topology, name) or self._adjusted.get(name)) if "." in name else None

    def target_of(self, topic: str) -> TableName | None:
        """Give the target table of a topic; None for one that is not declared."""
        table = self.table_of(topic)
        return None if table is None else target_of(table, topic, self._transforms)


def wanted_topics(topology: Topology, existing: Iterable[str]) -> frozenset[str]:
    """Choose the topics of a topology's tables, of the names of all topics there are."""
    declared = Declared(topology)
    return frozenset(topic for topic in existing if declared.table_of(topic) is not None)

"""Which topics a topology's tables are in, and which tables topics are of. Pure."""

from collections.abc import Iterable

from afflux.sinks.batch import TableName
from afflux.stream.router import avro_name, target_of
from afflux.topology.model import Table, Topology
from afflux.topology.names import shard_names
from afflux.topology.shared import shared_of
from afflux.topology.tables import is_read_from, match
from afflux.transforms import build


def message_topics(topology: Topology) -> frozenset[str]:
    """Give the topics that the shards' heartbeats come by."""
    return frozenset(shard_names(topology, shard).message_topic for shard in topology.shards)


def prefixes(topology: Topology) -> dict[str, str]:
    """Give the shards' names by topic prefix, which is also their events' `source.name`."""
    return {shard_names(topology, shard).topic_prefix: shard.name for shard in topology.shards}


class Declared:
    """Which declared table the events of a topic are of, and where they go.

    A topic is named `<prefix>.<schema>.<table>`, or as the connectors' own routers say. Debezium replaces characters that a topic can't have, so a
    table named in full is compared in that form too.

    Args:
        topology: the declared whole.
    """

    def __init__(self, topology: Topology) -> None:
        self._topology = topology
        self._shards = prefixes(topology)
        self._adjusted = {".".join(map(avro_name, table.source.split("."))): table for table in topology.tables}
        self._transforms = build(topology.transforms)
        self._known: dict[str, Table | None] = {}
        self._shares: dict[str, tuple[str, frozenset[str]]] = {}

    def shard_of(self, topic: str) -> str | None:
        """Give the shard that a topic comes from; None where several share it."""
        return next(iter(shards)) if len(shards := self.shards_of(topic)) == 1 else None

    def shards_of(self, topic: str) -> frozenset[str]:
        """Give the shards that a topic comes from: one, or those whose connectors' own routers lead there."""
        shard = self._shards.get(self._prefix(topic))
        return self._share(topic)[1] if shard is None else frozenset({shard})

    def table_of(self, topic: str) -> Table | None:
        """Give the entry of `tables` for a topic; None for one that is not declared."""
        if topic not in self._known:
            prefix = self._prefix(topic)
            name = topic[len(prefix) + 1 :] if prefix else ""
            found = match(self._topology, name) or self._adjusted.get(name)
            here = found is not None and "." in name and is_read_from(self._topology, found, self._shards.get(prefix))
            self._known[topic] = found if here else self._table_shared(topic)
        return self._known[topic]

    def target_of(self, topic: str) -> TableName | None:
        """Give the target table of a topic; None for one that is not declared."""
        table = self.table_of(topic)
        return None if table is None else target_of(table, topic, self._transforms)

    def source_of(self, topic: str) -> str:
        """Give the table at the source, as the topic's name has it; empty for a topic of no shard."""
        prefix = self._prefix(topic)
        return topic[len(prefix) + 1 :] if prefix else self._share(topic)[0]

    def _share(self, topic: str) -> tuple[str, frozenset[str]]:
        if topic not in self._shares:
            self._shares[topic] = shared_of(self._topology, topic)
        return self._shares[topic]

    def _table_shared(self, topic: str) -> Table | None:
        table, _ = self._share(topic)
        return match(self._topology, table) if table else None

    def _prefix(self, topic: str) -> str:
        """Give the prefix, of a shard, that a topic begins with; empty without one. Prefixes may have dots."""
        at = topic.find(".")
        while at >= 0:
            if topic[:at] in self._shards:
                return topic[:at]
            at = topic.find(".", at + 1)
        return ""


def wanted_topics(declared: Declared, existing: Iterable[str]) -> frozenset[str]:
    """Choose the topics of a topology's tables, of the names of all topics there are."""
    return frozenset(topic for topic in existing if declared.table_of(topic) is not None)

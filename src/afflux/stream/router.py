"""Which target table a topic's events go to."""

import re
from collections.abc import Iterable
from typing import NamedTuple

from afflux.errors import TopologyError
from afflux.sinks.batch import Keeping, Mode, TableName
from afflux.topology.model import Table, Topology
from afflux.topology.routing import key_fields, renames_records
from afflux.topology.secrets import resolve
from afflux.topology.shared import shard_of_prefix, shared_of
from afflux.topology.tables import match
from afflux.transforms import Transform, build
from afflux.transforms.masks import Mask

_ILLEGAL_IN_AVRO = re.compile(r"[^A-Za-z0-9_]")


def avro_name(name: str) -> str:
    """Adjust a name as Debezium's `avro` adjustment modes do: `Col-x y` to `Col_x_y`, `1st` to `_1st` (observed)."""
    adjusted = _ILLEGAL_IN_AVRO.sub("_", name)
    return "_" + adjusted if adjusted[:1].isdigit() else adjusted


class Route(NamedTuple):
    """Where a source table's events go."""

    table: TableName
    with_shard: bool = False
    """Whether the shard is part of the target's key."""
    keeping: Keeping = Keeping()
    """How the target keeps its rows."""
    key: tuple[str, ...] = ()
    """The declared key's columns; empty where the key is the events' own."""
    masks: tuple[tuple[str, Mask], ...] = ()
    """The columns that are masked, and how."""


class Router:
    """Routes topics to target tables, as the topology's tables and transforms say."""

    def __init__(self, topology: Topology) -> None:
        self._topology = topology
        self._transforms = build(topology.transforms)
        self._masks: dict[str, tuple[tuple[str, Mask], ...]] = {}
        self.key_fields = key_fields(topology)
        """Fields of keys that tell shards apart and are in no table."""
        self._renames_records = renames_records(topology)

    def shares(self, topic: str) -> bool:
        """Tell whether several shards' events are in a topic, by their connectors' own routers."""
        return bool(shared_of(self._topology, topic)[1])

    def shard_of(self, prefix: str) -> str:
        """Give the shard of events by their `source.name`, also of one that has left, or of which nothing is known yet."""
        return shard_of_prefix(self._topology, prefix)

    def is_record_of(self, record: str, named: str, topic: str) -> bool:
        """Tell whether a record's name is that of its event's own source, or of the topic where routers rename both."""
        adjusted = (".".join(map(avro_name, name.split("."))) for name in (named, *self._names(topic)))
        return record in adjusted

    def _names(self, topic: str) -> list[str]:
        return [topic] if self._renames_records and self.shares(topic) else []

    def route(self, topic: str, schema: str, table: str) -> Route | None:
        """Give the target of a source table's events.

        Args:
            topic: where the events came from.
            schema: the source's schema.
            table: the source's table.

        Returns:
            The target table, None for a table that the topology does not name.

        Raises:
            TopologyError: the transforms leave a name that is no `schema.table`.
        """
        declared = match(self._topology, f"{schema}.{table}")
        if declared is None:
            return None
        return Route(
            target_of(declared, topic, self._transforms),
            with_shard=declared.key == "with_shard",
            keeping=keeping_of(declared),
            key=tuple(declared.key) if isinstance(declared.key, list) else (),
            masks=self._masks_of(declared),
        )

    def _masks_of(self, declared: Table) -> tuple[tuple[str, Mask], ...]:
        if declared.source not in self._masks:
            masking = self._topology.masking
            hashes = any(rule.mask == "hash" for rule in declared.columns.values())
            key = resolve(masking.key).encode() if masking and hashes else b""
            self._masks[declared.source] = tuple(
                (name, Mask(rule.mask, rule.keep, key)) for name, rule in declared.columns.items()
            )
        return self._masks[declared.source]


def keeping_of(declared: Table) -> Keeping:
    """Give how a declared table keeps its rows."""
    return Keeping(
        Mode(declared.mode), soft=declared.deletes == "soft", lineage=declared.lineage, shared=declared.shared
    )


def target_of(declared: Table, topic: str, transforms: Iterable[Transform]) -> TableName:
    """Give the target of a topic's events.

    Args:
        declared: the topic's entry of `tables`.
        topic: its name.
        transforms: the topology's.

    Raises:
        TopologyError: the transforms leave a name that is no `schema.table`.
    """
    name = declared.target
    if name is None:
        name = topic
        for transform in transforms:
            name = transform.rename(name)
    parts = name.split(".")
    if len(parts) != 2 or not all(parts):
        raise TopologyError(
            f"topic {topic!r} goes to {name!r}, which is no schema.table",
            hint="give the table a `target`, or a RegexRouter that takes the shard's name off, "
            "such as regex 'shard[0-9]+\\.(.*)' with replacement '$1'",
        )
    return TableName(*parts)

"""What was observed: plain values, for `plan` to compare with the topology."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from afflux.clients.catalog import Publication, Relation, Server, Slot
from afflux.clients.connect import Connector
from afflux.clients.signals import Sent
from afflux.clients.topics import Topic


@dataclass(frozen=True)
class Problem:
    """Something that stands in the way and that afflux does not change by itself.

    Args:
        shard: whose; empty for the topology as a whole.
        object: what it is about, such as `table public.orders`.
        message: what is wrong.
        hint: what to do about it.
        table: the table that alone it keeps from being followed, as `schema.table`; empty for a whole shard.
    """

    shard: str
    object: str
    message: str
    hint: str = ""
    table: str = ""


@dataclass(frozen=True)
class ShardWorld:
    """One shard's PostgreSQL, as far as afflux cares, and where its connector stands."""

    server: Server
    relations: tuple[Relation, ...] = ()
    publication: Publication | None = None
    slot: Slot | None = None
    offsets: tuple[Mapping[str, Any], ...] = ()
    """Where the connector stands, as Connect stores it; asked for only while its slot is not read."""


@dataclass(frozen=True)
class Target:
    """What a sink has of the topology.

    Args:
        topics: those of which it has applied something.
        stopped: topic -> why it is not read on.
    """

    topics: frozenset[str] = frozenset()
    stopped: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class World:
    """Everything that a plan may depend on."""

    shards: Mapping[str, ShardWorld | Problem]
    """By the shard's name; a problem for one that could not be asked."""
    plugin: str = ""
    """The version of afflux's plugin in Connect; empty when it has none."""
    connectors: Mapping[str, Connector] = field(default_factory=dict)
    """Every connector of the cluster."""
    topics: Mapping[str, Topic] = field(default_factory=dict)
    """Those of the topics that the topology needs which exist."""
    rules: Mapping[str, str] = field(default_factory=dict)
    """Subject -> its compatibility level, of the topology's subjects; one that is not here is held to NONE."""
    signals: Mapping[str, Sent] = field(default_factory=dict)
    """The signals that were sent, by their ids."""
    notes: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Connector -> the properties of it that were noted last, of those that others make."""
    scans: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Signal's id -> table -> how its copy ended, of the signals that are not known to be finished."""
    targets: Mapping[str, Target | Problem] = field(default_factory=dict)
    """By the sink's name; a problem for one that could not be asked."""

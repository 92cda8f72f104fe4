"""What was observed: plain values, for `plan` to compare with the topology."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from afflux.clients.catalog import Publication, Relation, Server, Slot
from afflux.clients.connect import Connector
from afflux.clients.topics import Topic


@dataclass(frozen=True)
class Problem:
    """Something that stands in the way and that afflux does not change by itself.

    Args:
        shard: whose; empty for the topology as a whole.
        object: what it is about, such as `table public.orders`.
        message: what is wrong.
        hint: what to do about it.
    """

    shard: str
    object: str
    message: str
    hint: str = ""


@dataclass(frozen=True)
class ShardWorld:
    """One shard's PostgreSQL, as far as afflux cares."""

    server: Server
    relations: tuple[Relation, ...] = ()
    publication: Publication | None = None
    slot: Slot | None = None


@dataclass(frozen=True)
class World:
    """Everything that a plan may depend on."""

    shards: Mapping[str, ShardWorld | Problem]
    """By the shard's name; a problem for one that could not be asked."""
    plugin: str = ""
    """The version of afflux's plugin in Connect; empty when it has none."""
    connectors: Mapping[str, Connector] = field(default_factory=dict)
    """Every connector of the cluster."""
    orphans: frozenset[str] = frozenset()
    """Connectors that have read something and whose slot is gone."""
    topics: Mapping[str, Topic] = field(default_factory=dict)
    """Those of the topics that the topology needs which exist."""
    rules: Mapping[str, str] = field(default_factory=dict)
    """Subject -> its compatibility level, of the topology's subjects that are held to one."""
    signals: frozenset[str] = frozenset()
    """Ids of the signals that were sent."""
    notes: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Connector -> the properties of it that were noted last, of those that others make."""

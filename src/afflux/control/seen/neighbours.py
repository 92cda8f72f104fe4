"""The other connectors of the cluster, and this shard's own as it was found (pure)."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping

from afflux.clients.connect import Connector
from afflux.control.seen.world import Problem, ShardWorld, World
from afflux.control.wanted.desired import Desired
from afflux.control.wanted.settings import SHARD_MARK, TOPOLOGY_MARK
from afflux.topology.model import Shard, Topology

UNFINISHED = "afflux.unfinished"
"""Property of ours in the config of a connector that is being made and may have old offsets yet.

A connector finds the offsets of an earlier one of its name. Where the slot is new they point to nothing and would
stop it, but they can be deleted only once the new connector exists.
"""
RESYNC = "resync"
"""Its value while a shard's resynchronisation is prepared: only that may go on with it."""

_FIXED = ("topic.prefix", "slot.name", "database.dbname")


def finished(connector: Connector | None) -> Connector | None:
    """Return a connector, or None for one that is still being made."""
    return None if connector is None or UNFINISHED in connector.config else connector


def conflicts(
    shard: Shard,
    seen: ShardWorld,
    wanted: Desired,
    world: World,
    prefixes: Mapping[str, Collection[str]],
    *,
    given: bool = False,
) -> Iterator[Problem]:
    """Yield what others hold that a shard needs, and what can't be changed on its connector while it lives.

    Args:
        shard: one of the topology's.
        seen: what it has.
        wanted: what it should have.
        world: what else was observed.
        prefixes: see `by_prefix`.
        given: whether others make the connectors, who need not say whose they are.
    """
    found, what = world.connectors.get(wanted.connector), f"connector {wanted.connector}"
    existing = finished(found)
    if existing is None and seen.slot and seen.slot.active:
        yield Problem(
            shard.name,
            f"slot {seen.slot.name}",
            f"{seen.slot.holder} reads it already",
            "Stop that reader, or choose another name: source.names.slot.",
        )
    for other in prefixes.get(wanted.config["topic.prefix"], ()):
        if other != wanted.connector:
            yield Problem(
                shard.name,
                what,
                f"connector {other} has the topic prefix {wanted.config['topic.prefix']} already",
                "Give each topology its own, such as `source: {names: {topic_prefix: '{name}.{shard}'}}`.",
            )
    owner = wanted.config[TOPOLOGY_MARK]
    if found and not (given and TOPOLOGY_MARK not in found.config):
        owner = found.config.get(TOPOLOGY_MARK, "")
    if owner != wanted.config[TOPOLOGY_MARK]:
        yield Problem(
            shard.name,
            what,
            f"it exists and belongs to {f'topology {owner}' if owner else 'somebody else'}",
            "Remove it there, or choose another name: source.names.connector.",
        )
        return
    if found and found.config.get(UNFINISHED) == RESYNC:
        yield Problem(
            shard.name,
            what,
            "a resynchronisation was begun and not ended",
            f"`connectors resync {shard.name}` ends it; `afflux supervise` does so by itself.",
        )
    if existing is None:
        return
    for key in _FIXED:
        if existing.config.get(key) != wanted.config[key]:
            yield Problem(
                shard.name,
                what,
                f"its {key} can't change from {existing.config.get(key)} to {wanted.config[key]} while it lives",
                f"`connectors remove {shard.name}`, then `connectors apply`.",
            )


def by_prefix(connectors: Iterable[Connector]) -> dict[str, list[str]]:
    """Return topic prefix -> the connectors that have it."""
    found: dict[str, list[str]] = defaultdict(list)
    for connector in connectors:
        if prefix := connector.config.get("topic.prefix"):
            found[prefix].append(connector.name)
    return found


def strays(topology: Topology, connectors: Iterable[Connector]) -> Iterator[tuple[str, Connector]]:
    """Yield (shard, connector) of this topology's connectors whose shard it does not name any more."""
    shards = {shard.name for shard in topology.shards}
    for connector in connectors:
        shard = connector.config.get(SHARD_MARK, "")
        if connector.config.get(TOPOLOGY_MARK) == topology.name and shard not in shards:
            yield shard, connector

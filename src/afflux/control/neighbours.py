"""The other connectors of the cluster, and this shard's own as it was found (pure)."""

from collections.abc import Iterator

from afflux.clients.connect import Connector
from afflux.control.desired import Desired
from afflux.control.settings import SHARD_MARK, TOPOLOGY_MARK
from afflux.control.world import Problem, ShardWorld, World
from afflux.topology.model import Shard, Topology

UNFINISHED = "afflux.unfinished"
"""Property of ours in the config of a connector that is being made and may have old offsets yet.

A connector finds the offsets of an earlier one of its name. Where the slot is new they point to nothing and would
stop it, but they can be deleted only once the new connector exists.
"""

_FIXED = ("topic.prefix", "slot.name", "database.dbname")


def finished(connector: Connector | None) -> Connector | None:
    """Return a connector, or None for one that is still being made."""
    return None if connector is None or UNFINISHED in connector.config else connector


def conflicts(shard: Shard, seen: ShardWorld, wanted: Desired, world: World) -> Iterator[Problem]:
    """Yield what others hold that a shard needs, and what can't be changed on its connector while it lives."""
    found, what = world.connectors.get(wanted.connector), f"connector {wanted.connector}"
    existing = finished(found)
    if existing is None and seen.slot and seen.slot.active:
        yield Problem(
            shard.name,
            f"slot {seen.slot.name}",
            f"{seen.slot.holder} reads it already",
            "Stop that reader, or choose another name: source.names.slot.",
        )
    for other in world.connectors.values():
        if other.name != wanted.connector and other.config.get("topic.prefix") == wanted.config["topic.prefix"]:
            yield Problem(
                shard.name,
                what,
                f"connector {other.name} has the topic prefix {wanted.config['topic.prefix']} already",
                "Give each topology its own, such as `source: {names: {topic_prefix: '{name}.{shard}'}}`.",
            )
    owner = found.config.get(TOPOLOGY_MARK) if found else wanted.config[TOPOLOGY_MARK]
    if owner != wanted.config[TOPOLOGY_MARK]:
        yield Problem(
            shard.name,
            what,
            f"it exists and belongs to {f'topology {owner}' if owner else 'somebody else'}",
            "Remove it there, or choose another name: source.names.connector.",
        )
        return
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
    if wanted.connector in world.orphans:
        yield Problem(
            shard.name,
            f"slot {wanted.slot}",
            "it is gone, and with it the changes since the connector last read",
            f"`connectors remove {shard.name} --delete-offsets`, then `connectors apply`: it reads all rows anew;"
            " rows that were deleted in between stay in the target.",
        )


def strays(topology: Topology, world: World) -> Iterator[str]:
    """Yield a note for each connector of a shard that the topology does not name any more."""
    shards = {shard.name for shard in topology.shards}
    for connector in world.connectors.values():
        shard = connector.config.get(SHARD_MARK, "")
        if connector.config.get(TOPOLOGY_MARK) == topology.name and shard not in shards:
            yield (
                f"connector {connector.name} still reads shard {shard}, which the topology does not name any more:"
                f" `connectors remove {shard}`"
            )

"""What has to be known, and said, of masks that are made at the source (pure)."""

from collections.abc import Collection, Iterator, Mapping

from afflux.clients.catalog import Relation
from afflux.control.planned.changes import some_of
from afflux.control.seen.world import Problem
from afflux.control.wanted.desired import Desired
from afflux.control.wanted.masks import can_mask, masks_of
from afflux.topology.model import Shard, Topology
from afflux.topology.names import table_topic

LACKS = "lacks afflux's plugin in a version that masks (1.1 or newer)"
INSTALL = "Install the plugin of this version on every worker (docs/plugin.md), or mask in the sink: where: sink."


def unable(shard: Shard, plugin: str, wanted: Desired) -> Iterator[Problem]:
    """Yield the problem that the workers' plugin can't make the masks; nothing is done then, so nothing comes in clear.

    Args:
        shard: whose.
        plugin: its version; empty where there is none.
        wanted: what the shard should have.
    """
    masks = masks_of(wanted.config)
    if masks and not can_mask(plugin):
        has = f", it has {plugin}" if plugin else ""
        yield Problem(
            shard.name,
            "Kafka Connect",
            f"it {LACKS}{has}, and {_listed(masks)} shall be masked at the source",
            INSTALL,
        )


def turned(
    topology: Topology, shard: Shard, wanted: Desired, now: Mapping[str, str], followed: Collection[Relation]
) -> Iterator[str]:
    """Yield what a change of masks does not do by itself: events and rows that are there stay as they are.

    Args:
        topology: whose.
        shard: whose.
        wanted: what the shard should have.
        now: the connector's config, as it is.
        followed: the tables that it follows now.
    """
    old, new = masks_of(now), masks_of(wanted.config)
    for table in followed:
        mine = f"{table.full_name}."
        were = {c.removeprefix(mine): how for c, how in old.items() if c.startswith(mine)}
        will = {c.removeprefix(mine): how for c, how in new.items() if c.startswith(mine)}
        whose = f"shard {shard.name}, table {table.full_name}"
        if fresh := will.keys() - were.keys():
            yield (
                f"{whose}: {_listed(fresh)} will be masked at the source from now on; what is in topic "
                f"{table_topic(topology, shard, table.full_name)} stays there in clear until Kafka deletes it, and the "
                "sinks' rows stay as they are (see docs/masking.md)"
            )
        if bare := were.keys() - will.keys():
            yield f"{whose}: {_listed(bare)} will enter Kafka in clear from now on"
        if other := {c for c in were.keys() & will.keys() if were[c] != will[c]}:
            yield f"{whose}: the mask of {_listed(other)} changes, for rows as they change (`afflux tables resync` for all)"


def _listed(columns: Collection[str]) -> str:
    return some_of(sorted(columns), 5)

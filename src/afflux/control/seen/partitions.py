"""Rows that come with a table which is attached to a followed one as its partition (pure).

To PostgreSQL attaching is no change of rows, so no event tells of them: they are asked for by signal. A partition that
was made as one needs nothing of the kind, for all of its rows came later.
"""

from collections.abc import Iterator, Mapping

from afflux.control.seen.copies import Signal, goes_in_chunks, quoted
from afflux.control.seen.world import ShardWorld
from afflux.control.wanted.desired import Desired
from afflux.control.wanted.settings import include_list

SINCE = "afflux.since"
"""Property of ours in a connector's config: the shard's oldest transaction of the moment before its first copy.

What was attached earlier is in that copy. A connector that goes on from the slot of an earlier one has 0.
"""
ATTACHED = "-attached-"
"""What the ids of such signals hold."""


def attached(config: Mapping[str, str], seen: ShardWorld, wanted: Desired) -> Iterator[Signal]:
    """Yield a signal for each partition that was attached since a connector's first copy.

    Args:
        config: the connector's.
        seen: the shard.
        wanted: what it should have.
    """
    since = config.get(SINCE, "")
    roots = {table.full_name: table for table in wanted.tables if table.kind == "p"}
    for leaf in seen.relations if since and roots else ():
        if leaf.root in roots and leaf.attached is not None and leaf.attached >= int(since):
            root = roots[leaf.root]
            name = f"{quoted(leaf.schema)}.{quoted(leaf.name)}".replace("'", "''")
            yield Signal(
                id=f"{wanted.connector}{ATTACHED}{leaf.attached}-{leaf.full_name}",
                tables=(include_list([root]),),
                blocking=not goes_in_chunks(root),
                where=f"tableoid = '{name}'::regclass",
            )

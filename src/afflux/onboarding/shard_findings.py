"""What is to be said of one shard before its changes can flow (pure)."""

import re
from collections.abc import Collection, Iterable, Iterator

from afflux.clients.catalog import Column, Relation
from afflux.control.planned.changes import some_of
from afflux.control.planned.checks import problems
from afflux.control.seen.world import ShardWorld
from afflux.control.wanted.desired import desired
from afflux.onboarding.findings import Finding, Severity
from afflux.topology.model import Shard, Topology

_MODIFIER = re.compile(r"\([^)]*\)")
_INFINITE_INTERVALS = 170000
"""PostgreSQL 17, the first with `infinity` in type interval."""


def shard_findings(
    topology: Topology, shard: Shard, world: ShardWorld, columns: Iterable[Column], *, exact: bool
) -> list[Finding]:
    """Return everything that stands in the way on a shard, and what will hurt later.

    Args:
        topology: as loaded.
        shard: one of its shards.
        world: what was observed there.
        columns: of its tables.
        exact: whether Connect has afflux's plugin.
    """
    where = f"shard {shard.name}"
    found = [
        Finding(Severity.ERROR, where, f"{problem.object}: {problem.message}", problem.hint)
        for problem in problems(topology, shard, world, desired(topology, shard, world.relations, exact=exact))
    ]
    followed = desired(topology, shard, world.relations, exact=exact).tables
    of_followed = [column for column in columns if (column.schema, column.table) in _names(followed)]
    return [*found, *_room(topology, where, world), *_values(where, world, of_followed, followed, exact=exact)]


def _room(topology: Topology, where: str, world: ShardWorld) -> Iterator[Finding]:
    guard = topology.source.guard
    if world.server.max_kept_bytes is None and guard.disk_bytes is None:
        yield Finding(
            Severity.WARNING,
            where,
            "a slot that nobody reads keeps WAL until the disk is full (max_slot_wal_keep_size is -1)",
            "ALTER SYSTEM SET max_slot_wal_keep_size = '100GB'; SELECT pg_reload_conf();"
            " or say in source.guard.disk of the topology how much WAL the disk holds.",
        )
    slots, senders = world.server.max_slots - world.server.used_slots, world.server.max_senders
    if world.slot is not None and slots == 0:
        yield Finding(
            Severity.WARNING,
            where,
            f"all {world.server.max_slots} replication slots are in use: none could be made to replace a lost one",
            "ALTER SYSTEM SET max_replication_slots = ...; then restart the server.",
        )
    if senders <= world.server.used_senders and world.slot is not None and not world.slot.active:
        yield Finding(
            Severity.ERROR,
            where,
            f"all {senders} WAL senders are in use, so the slot can't be read",
            "ALTER SYSTEM SET max_wal_senders = ...; then restart the server.",
        )


def _values(
    where: str, world: ShardWorld, columns: Collection[Column], tables: Iterable[Relation], *, exact: bool
) -> Iterator[Finding]:
    intervals = [column for column in columns if column.type.startswith("interval")]
    if intervals and world.server.version >= _INFINITE_INTERVALS:
        yield Finding(
            Severity.WARNING,
            where,
            f"an interval 'infinity' arrives as 00:00:00 ({_listed(intervals)}): Debezium's driver does not know it",
            "Keep infinite intervals out of these columns: CHECK (isfinite(...)).",
        )
    if exact:
        return
    plugin = "Install afflux's Connect plugin: docs/plugin.md."
    defaults = [column for column in columns if column.default and column.nullable]
    if defaults:
        what = f"a NULL arrives as the column's default ({_listed(defaults)})"
        yield Finding(Severity.WARNING, where, what, plugin)
    full = {(table.schema, table.name) for table in tables if table.identity == "f"}
    hidden = [c for c in columns if c.large and (c.schema, c.table) not in full and _hides_unchanged(c.type)]
    if hidden:
        what = f"a large value that an update did not change arrives as NULL or empty ({_listed(hidden)})"
        yield Finding(Severity.WARNING, where, what, plugin + " Or ALTER TABLE ... REPLICA IDENTITY FULL.")


_MARKED_ARRAYS = frozenset(
    ["text", "character varying", "character", "json", "jsonb", "bytea", "integer", "bigint", "date", "uuid"]
)
_HIDING = frozenset(["bit varying", "bit", "polygon", "path"])
"""Types whose unchanged large values stock Debezium gives as NULL, and arrays for which it does not (observed, 3.7.0)."""


def _hides_unchanged(declared: str) -> bool:
    name = _MODIFIER.sub("", declared.removesuffix("[]"))
    return name not in _MARKED_ARRAYS if declared.endswith("[]") else name in _HIDING


def _names(tables: Iterable[Relation]) -> set[tuple[str, str]]:
    return {(table.schema, table.name) for table in tables}


def _listed(columns: Collection[Column], most: int = 5) -> str:
    return some_of([f"{column.schema}.{column.table}.{column.name}" for column in columns], most)

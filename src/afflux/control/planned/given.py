"""Connectors that others make, such as Strimzi from its resources: what afflux does around them (pure).

Publication, topics and the rows of tables that come later stay afflux's. Which tables a connector was known to follow
can't stand in its config, which is not afflux's to write: it is a note in the topic of signals, which is kept for good.
"""

from collections.abc import Iterator, Sequence

from afflux.clients.connect import Connector
from afflux.control.planned.actions import Action, CopyTables, NoteTables, RestartConnector, Risk
from afflux.control.seen.copies import COPIES
from afflux.control.seen.status import failed
from afflux.control.seen.world import World
from afflux.control.wanted.desired import Desired
from afflux.control.wanted.settings import listed
from afflux.topology.model import Shard, Topology

_TABLES = "table.include.list"


def are_given(topology: Topology) -> bool:
    """Tell whether others make the topology's connectors."""
    return topology.connect.connectors == "given"


def remembered(wanted: Desired, world: World) -> Connector | None:
    """Return a connector as it was noted last, or None for one that never was."""
    note = world.notes.get(wanted.connector)
    return None if note is None else Connector(wanted.connector, dict(note), "RUNNING")


def noting(shard: Shard, wanted: Desired, world: World, copied: str) -> Iterator[Action]:
    """Yield what is done in the place of making or setting a connector: remember its tables, restart what failed."""
    new = {_TABLES: wanted.config[_TABLES]} | ({COPIES: copied} if copied else {})
    old = world.notes.get(wanted.connector)
    found = world.connectors.get(wanted.connector)
    if old != new:
        yield NoteTables(
            shard=shard.name,
            object=f"tables of connector {wanted.connector}",
            reason="they have changed" if old else "nothing was noted yet",
            name=wanted.connector,
            topic_prefix=wanted.config["topic.prefix"],
            old=old or {},
            new=new,
        )
    if found and (reason := failed(found)):
        yield _restart(shard, wanted, reason)


def asking(shard: Shard, wanted: Desired, world: World, copies: Sequence[CopyTables]) -> Iterator[Action]:
    """Yield what asks for new tables' rows: nothing until the connector has them all.

    Whether its task has them already can't be seen, and one that has not would lose the signal. So it is restarted.
    """
    found = world.connectors.get(wanted.connector)
    if copies and found and _has(found, copies):
        if not failed(found):
            yield _restart(shard, wanted, "it has new tables, whose rows are asked for", whole=True)
        yield from copies


def said(topology: Topology, wanted: Desired, world: World) -> Iterator[str]:
    """Yield a note for what only those can mend who make the connector."""
    found, name = world.connectors.get(wanted.connector), wanted.connector
    whose = f"topology {topology.name} has connect.connectors: given, so others make it"
    if found is None:
        yield f"connector {name} is not there yet; {whose}"
        return
    ours = found.config.keys() & {COPIES}
    differ = sorted(
        key
        for key in (found.config.keys() | wanted.config.keys()) - ours
        if found.config.get(key) != wanted.config.get(key)
    )
    if differ:
        yield f"connector {name} differs from the topology in {', '.join(differ)}; {whose}"


def _has(found: Connector, copies: Sequence[CopyTables]) -> bool:
    follows = set(listed(found.config.get(_TABLES, "")))
    return all(follows.issuperset(copy.signal.tables) for copy in copies)


def _restart(shard: Shard, wanted: Desired, reason: str, *, whole: bool = False) -> Action:
    name = wanted.connector
    return RestartConnector(
        shard=shard.name, object=f"connector {name}", reason=reason, risk=Risk.RESTART, name=name, whole=whole
    )

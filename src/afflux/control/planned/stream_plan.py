"""What there is to do so that a shard's changes flow: its publication, its connector, its copies (pure)."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace

from afflux.clients.catalog import Publication
from afflux.clients.connect import Connector
from afflux.control.planned import given
from afflux.control.planned.actions import (
    Action,
    CopyTables,
    CreateConnector,
    DropSlot,
    RestartConnector,
    Risk,
    SetConnector,
    SetPublication,
    StartConnector,
)
from afflux.control.planned.changes import Change, difference, some_of
from afflux.control.seen.copies import COPIES, Signal, copies, due, plain, still_due
from afflux.control.seen.neighbours import finished
from afflux.control.seen.partitions import SINCE, attached
from afflux.control.seen.status import failed
from afflux.control.seen.world import ShardWorld, World
from afflux.control.wanted.desired import Desired
from afflux.control.wanted.settings import include_list, listed
from afflux.topology.model import Shard, Topology

_NEW = "new to the connector, and the rows so far are in no topic"


def stream(
    topology: Topology,
    shard: Shard,
    seen: ShardWorld,
    wanted: Desired,
    *,
    found: Connector | None,
    world: World,
    loses: bool,
) -> Iterator[Action]:
    """Yield what makes a shard's changes flow, and go on flowing from where they stand.

    Args:
        topology: whose shard it is.
        shard: whose.
        seen: what it has.
        wanted: what it should have.
        found: its connector, as it is.
        world: what else was observed.
        loses: whether tables leave it that the connector follows.
    """
    others_make_it = given.are_given(topology)
    existing = given.remembered(wanted, world) if others_make_it else finished(found)
    copied = copies(existing, seen, wanted, world)
    followed = frozenset(listed(existing.config.get("table.include.list", ""))) if existing else frozenset[str]()
    published = [*publication(shard, seen, wanted, followed, loses=loses)]
    make = (
        given.noting(shard, wanted, world, copied) if others_make_it else _connector(shard, seen, wanted, found, copied)
    )
    connector = [*make]
    # A slot must not be made before its publication is whole. Where there is one the connector comes first, for its
    # config keeps which tables are new: a run that dies in between must not take the publication's for known.
    yield from [*published, *connector] if seen.slot is None else [*connector, *published]
    asked = [_copy(shard, wanted, signal, _NEW) for signal in due(copied, wanted, world)]
    yield from given.asking(shard, wanted, world, asked) if others_make_it else asked
    for signal in attached(existing.config if existing else _since(seen), seen, wanted):
        partition = signal.id.rpartition("-")[2]
        for each in still_due(signal, world):
            yield _copy(shard, wanted, each, f"{partition} was attached, with the rows that it had")


def anew(shard: Shard, seen: ShardWorld, wanted: Desired, gap: str) -> Iterator[Action]:
    """Yield what lets a connector read all rows again, because it can't go on: the slot goes before all else.

    Args:
        shard: whose.
        seen: what it has.
        wanted: what it should have.
        gap: why it can't go on.
    """
    yield DropSlot(
        shard=shard.name,
        object=f"slot {wanted.slot}",
        reason=gap,
        risk=Risk.DATA_LOSS,
        slot=wanted.slot,
        connector=wanted.connector,
    )
    without = replace(seen, slot=None)
    yield from publication(shard, without, wanted, ())
    yield from _connector(shard, without, wanted, None, "")


def publication(
    shard: Shard, seen: ShardWorld, wanted: Desired, followed: Collection[str], *, loses: bool = False
) -> Iterator[SetPublication]:
    """Yield the step that makes the publication as it should be, if it is not.

    Args:
        shard: whose.
        seen: what it has.
        wanted: what it should have.
        followed: the tables that the connector follows, as regular expressions.
        loses: whether tables leave it that the connector follows.
    """
    old, new = seen.publication, Publication(wanted.publication, frozenset(wanted.published))
    missed = [
        t.full_name
        for t in wanted.tables
        if old and (t.schema, t.name) not in old.tables and include_list([t]) in followed
    ]
    if old is None:
        reason = "it is missing"
    elif missed:
        reason = f"{', '.join(missed)} left it while the connector followed: the rows are copied again"
    elif old.tables != new.tables:
        reason = "its tables are not the topology's"
    elif (old.filtered, old.via_root, old.operations) != (new.filtered, new.via_root, new.operations):
        reason = "it does not publish every change whole"
    else:
        return
    yield SetPublication(
        shard=shard.name,
        object=f"publication {new.name}",
        reason=reason,
        risk=Risk.DATA_LOSS if loses and old and old.tables - new.tables else Risk.NONE,
        old=old,
        new=new,
    )


def _connector(
    shard: Shard, seen: ShardWorld, wanted: Desired, found: Connector | None, copied: str
) -> Iterator[Action]:
    name, what = wanted.connector, f"connector {wanted.connector}"
    existing = finished(found)
    config = wanted.config | ({COPIES: copied} if copied else {})
    if existing is None:
        yield CreateConnector(
            shard=shard.name,
            object=what,
            reason="it was left half made" if found else "it is missing",
            risk=Risk.SNAPSHOT if seen.slot is None else Risk.NONE,
            name=name,
            config=config | _since(seen),
            forget=seen.slot is None or found is not None,
        )
        return
    config |= {SINCE: existing.config[SINCE]} if SINCE in existing.config else {}
    if existing.config != config:
        yield SetConnector(
            shard=shard.name,
            object=what,
            reason=_differ(difference(existing.config, config)),
            risk=Risk.RESTART,
            name=name,
            old=existing.config,
            new=config,
            running=existing.state == "RUNNING" and not failed(existing),
        )
    elif reason := failed(existing):
        yield RestartConnector(shard=shard.name, object=what, reason=reason, risk=Risk.RESTART, name=name)
    # Just after its config was set, a stopped connector is shown as UNASSIGNED (observed). To resume what runs does no harm.
    if existing.state in {"STOPPED", "UNASSIGNED"} and not existing.tasks and seen.slot is None:
        yield StartConnector(shard=shard.name, object=what, reason="it never ran", risk=Risk.SNAPSHOT, name=name)


def _differ(changes: Sequence[Change], most: int = 2) -> str:
    """Say which properties differ, a few of many by name."""
    return f"its {some_of([change.key for change in changes], most)} differ{'s' if len(changes) == 1 else ''}"


def _since(seen: ShardWorld) -> dict[str, str]:
    return {SINCE: "0" if seen.slot else str(seen.server.oldest_transaction)}


def _copy(shard: Shard, wanted: Desired, signal: Signal, reason: str) -> CopyTables:
    return CopyTables(
        shard=shard.name,
        object=f"rows of {', '.join(plain(table) for table in signal.tables)}",
        reason=reason,
        risk=Risk.SNAPSHOT,
        signal=signal,
        topic_prefix=wanted.config["topic.prefix"],
    )

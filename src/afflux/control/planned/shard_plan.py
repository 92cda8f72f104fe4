"""What there is to do on one shard, in the order in which it is safe (pure)."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from afflux.clients.catalog import Relation
from afflux.clients.connect import Connector
from afflux.control.planned import given
from afflux.control.planned.actions import Action, DropSlot, Refusal, Risk, SetCompatibility, SetPublication
from afflux.control.planned.changes import Change
from afflux.control.planned.checks import problems
from afflux.control.planned.masks import turned, unable
from afflux.control.planned.sink_plan import sink_steps
from afflux.control.planned.stream_plan import anew, stream
from afflux.control.planned.topic_plan import topic_steps
from afflux.control.seen.neighbours import conflicts, finished
from afflux.control.seen.standing import lost
from afflux.control.seen.world import Problem, ShardWorld, World
from afflux.control.wanted.desired import TABLES, Desired, desired, subjects
from afflux.control.wanted.settings import include_list, listed
from afflux.topology.model import Shard, Topology

Step = Action | Refusal | Problem | str
"""What to do, what is left as it is, what stands in the way; a note is only told."""


@dataclass(frozen=True)
class Case:
    """One shard, and all that its plan depends on.

    Args:
        topology: passed `check_settings`.
        world: as observed.
        exact: whether Connect has afflux's plugin.
        leave: the risks that may be taken.
        prefixes: topic prefix -> the connectors that have it.
        shard: one of the topology's.
        seen: what it has.
    """

    topology: Topology
    world: World
    exact: bool
    leave: Collection[Risk]
    prefixes: Mapping[str, Collection[str]]
    shard: Shard
    seen: ShardWorld

    @cached_property
    def declared(self) -> Desired:
        """What the topology wants."""
        return desired(self.topology, self.shard, self.seen.relations, exact=self.exact)

    def wanted(self, *, keep: Collection[str] = (), without: Collection[str] = ()) -> Desired:
        """Return what the topology wants, with more tables or with fewer."""
        if not keep and not without:
            return self.declared
        return desired(self.topology, self.shard, self.seen.relations, exact=self.exact, keep=keep, without=without)

    @cached_property
    def found(self) -> Connector | None:
        """The shard's connector, as it is."""
        return self.world.connectors.get(self.declared.connector)

    @cached_property
    def existing(self) -> Connector | None:
        """The shard's connector, once it was made whole."""
        return finished(self.found)

    @cached_property
    def followed(self) -> frozenset[str]:
        """The tables that the connector follows, as regular expressions."""
        config = self.existing.config if self.existing else {}
        return frozenset(listed(config.get("table.include.list", "")))

    def follows(self, table: Relation) -> bool:
        """Tell whether the connector follows a table now."""
        return include_list([table]) in self.followed


def shard_steps(case: Case) -> Iterator[Step]:
    """Yield a shard's steps in order; where a problem stands in its way, nothing but what must be known."""
    leaving = [*_leaving(case)]
    stays = leaving if Risk.DATA_LOSS not in case.leave else []
    if stays:
        yield _still_followed(case.shard, stays)
    wanted = case.wanted(keep={table.full_name for table in stays})
    late = {problem.table: problem for problem in _late(case, wanted)}
    if late:
        wanted = case.wanted(keep={table.full_name for table in stays}, without=late.keys())
    found = [
        *late.values(),
        *problems(case.topology, case.shard, case.seen, wanted),
        *unable(case.shard, case.world.plugin, wanted),
        *conflicts(case.shard, case.seen, wanted, case.world, case.prefixes, given=given.are_given(case.topology)),
    ]
    yield from found
    if len(found) > len(late):
        return
    yield from topic_steps(case.shard.name, wanted.topics.values(), case.world.topics, case.leave)
    yield from _rules(case, wanted)
    if gap := lost(case.seen.slot, case.seen.publication, case.seen.offsets if case.existing else ()):
        yield from _from_the_start(case, wanted, gap)
    else:
        yield from stream(
            case.topology, case.shard, case.seen, wanted, found=case.found, world=case.world, loses=bool(leaving)
        )
    if case.existing:
        followed = [table for table in wanted.tables if case.follows(table)]
        yield from turned(case.topology, case.shard, wanted, case.existing.config, followed)
    yield from sink_steps(case.topology, case.shard, wanted, case.world)
    if given.are_given(case.topology):
        yield from given.said(case.topology, wanted, case.world)


def _leaving(case: Case) -> Iterator[Relation]:
    """The tables that are followed, still there, and not the topology's any more."""
    names = {table.full_name for table in case.declared.tables}
    for table in case.seen.relations if case.followed else ():
        if table.kind in TABLES and table.full_name not in names and table.root not in names and case.follows(table):
            yield table


def _still_followed(shard: Shard, tables: Collection[Relation]) -> Refusal:
    names = ", ".join(table.full_name for table in tables)
    return Refusal(
        shard=shard.name,
        object=f"table {names}" if len(tables) == 1 else f"tables {names}",
        kind=SetPublication.kind,
        reason="the topology does not name it any more; changes from now on would be lost to the target"
        if len(tables) == 1
        else "the topology does not name them any more; changes from now on would be lost to the target",
        hint="Until leave is given it is followed as before.",
        risk=Risk.DATA_LOSS,
        changes=tuple(Change(table.full_name, "followed", None) for table in tables),
    )


def _late(case: Case, wanted: Desired) -> Iterator[Problem]:
    """Problems of tables that are new to a connector that has others: they keep nothing else from being done."""
    new = {table.full_name for table in wanted.tables if not case.follows(table)}
    if len(new) == len(wanted.tables):
        return
    for problem in problems(case.topology, case.shard, case.seen, wanted):
        if problem.table in new:
            yield problem


def _rules(case: Case, wanted: Desired) -> Iterator[Action]:
    level = case.topology.registry.compatibility
    levels = {subject: case.world.rules.get(subject, "NONE") for subject in sorted(subjects(wanted.topics))}
    other = {subject: now for subject, now in levels.items() if now != level}
    if other:
        free = level == "NONE"
        yield SetCompatibility(
            shard=case.shard.name,
            object=f"compatibility of {len(other)} subjects of {wanted.config['topic.prefix']}",
            reason="a rule would stop the whole connector at a schema change"
            if free
            else "as registry.compatibility says",
            old=other,
            level=level,
        )


def _from_the_start(case: Case, wanted: Desired, gap: str) -> Iterator[Step]:
    steps = [*anew(case.shard, case.seen, wanted, gap)]
    theirs = given.are_given(case.topology)
    if Risk.DATA_LOSS in case.leave and not theirs:
        yield from steps
        return
    yield Refusal(
        shard=case.shard.name,
        object=f"slot {wanted.slot}",
        kind=DropSlot.kind,
        reason=f"{gap}; to begin anew reads all rows again, and rows that were deleted meanwhile stay in the target",
        hint=f"`connectors resync {case.shard.name}` has the sinks remove those rows, too; with leave `apply` does without"
        " that.",
        risk=Risk.NONE if theirs else Risk.DATA_LOSS,
        changes=tuple(change for step in steps[:1] for change in step.changes()),
    )

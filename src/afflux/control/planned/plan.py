"""Compare what was observed with what the topology wants (pure).

A plan is data: actions in the order in which they must happen, each shard's apart from the others', what is left as
it is unless leave is given, and the problems that keep a shard from being touched.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

from afflux.control.planned.actions import Action, Refusal, RemoveConnector, Risk
from afflux.control.planned.shard_plan import Case, Step, shard_steps
from afflux.control.planned.topic_plan import topic_steps
from afflux.control.seen.neighbours import by_prefix, strays
from afflux.control.seen.world import Problem, World
from afflux.control.wanted.desired import shared_topics
from afflux.control.wanted.settings import PLUGIN_WIRE, check_settings
from afflux.topology.model import Topology

_WITHOUT = "lacks afflux's plugin"


@dataclass(frozen=True)
class Plan:
    """What there is to do, what is left, what can't be done, and what else was noticed."""

    actions: tuple[Action, ...] = ()
    refused: tuple[Refusal, ...] = ()
    problems: tuple[Problem, ...] = ()
    notes: tuple[str, ...] = ()
    clear: tuple[str, ...] = field(default=(), compare=False)
    """The shards that are meant and that no problem keeps from being touched."""

    def of(self, shard: str) -> tuple[Action, ...]:
        """Return the actions of one shard, in order; of the empty name, those for all shards."""
        return tuple(action for action in self.actions if action.shard == shard)

    @property
    def pending(self) -> bool:
        """Whether there is something to do, if only with leave."""
        return bool(self.actions) or any(refusal.risk is not Risk.NONE for refusal in self.refused)

    @property
    def differs(self) -> bool:
        """Whether the world differs from the topology in any way that was seen."""
        return bool(self.actions or self.refused)


def make_plan(
    topology: Topology, world: World, *, leave: Collection[Risk] = (), only: Collection[str] | None = None
) -> Plan:
    """Return what makes the world as the topology says.

    Args:
        topology: as loaded.
        world: as observed for this topology.
        leave: the risks that may be taken; see `LEAVE`.
        only: the shards that are meant; None for all, also those that left the topology.

    Raises:
        UsageError: `source.config` can't be combined with what afflux promises.
    """
    check_settings(topology)
    exact = world.plugin.partition(".")[0] == PLUGIN_WIRE
    prefixes = by_prefix(world.connectors.values())
    steps: list[Step] = []
    clear: list[str] = []
    for shard in topology.shards:
        if only is not None and shard.name not in only:
            continue
        seen = world.shards[shard.name]
        if isinstance(seen, Problem):
            steps.append(seen)
            continue
        own = [*shard_steps(Case(topology, world, exact, leave, prefixes, shard, seen))]
        if not own or not all(isinstance(step, Problem) for step in own):
            clear.append(shard.name)
        steps.extend(own)
    if clear:
        steps[:0] = topic_steps("", shared_topics(topology).values(), world.topics, leave)
    steps.extend(_removals(topology, world, leave, only))
    return Plan(
        actions=tuple(step for step in steps if isinstance(step, Action)),
        refused=tuple(step for step in steps if isinstance(step, Refusal)),
        problems=tuple(step for step in steps if isinstance(step, Problem)),
        notes=(*(step for step in steps if isinstance(step, str)), *_notes(world, exact=exact)),
        clear=tuple(clear),
    )


def _removals(
    topology: Topology, world: World, leave: Collection[Risk], only: Collection[str] | None
) -> Iterator[RemoveConnector | Refusal]:
    """The connectors of shards that the topology does not name any more."""
    for shard, connector in strays(topology, world.connectors.values()):
        if only is not None and shard not in only:
            continue
        what = f"connector {connector.name}"
        reason = f"the topology does not name shard {shard} any more"
        step = RemoveConnector(shard=shard, object=what, reason=reason, risk=Risk.REMOVAL, name=connector.name)
        if Risk.REMOVAL in leave:
            yield step
        else:
            yield Refusal(
                shard=shard,
                object=what,
                kind=step.kind,
                reason=f"{reason}; it is still read",
                hint=f"`connectors remove {shard}` also drops its slot and publication, where asked to.",
                risk=Risk.REMOVAL,
                changes=tuple(step.changes()),
            )


def _notes(world: World, *, exact: bool) -> Iterator[str]:
    if not exact:
        lack = f"has version {world.plugin} of afflux's plugin, which is not used" if world.plugin else _WITHOUT
        yield f"Kafka Connect {lack}: Debezium alone loses some values (see docs/plugin.md)"
    for name, target in world.targets.items():
        if isinstance(target, Problem):
            yield target.message if name in target.message else f"sink {name}: {target.message}"
        else:
            for topic, reason in sorted(target.stopped.items()):
                yield f"sink {name} has stopped {topic}: {reason} (see `afflux tables list`)"

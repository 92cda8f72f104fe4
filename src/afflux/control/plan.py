"""Compare what was observed with what the topology wants (pure).

A plan is data: actions in the order in which they must happen, each shard's apart from the others', and the
problems that keep a shard from being touched.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from afflux.clients.catalog import Publication
from afflux.clients.connect import Connector
from afflux.clients.topics import Topic
from afflux.control import given
from afflux.control.actions import (
    Action,
    CopyTables,
    CreateConnector,
    CreateTopics,
    FreeSubjects,
    RestartConnector,
    Risk,
    SetConnector,
    SetPublication,
    SetTopic,
    StartConnector,
)
from afflux.control.checks import problems
from afflux.control.copies import COPIES, copies, unsent
from afflux.control.desired import Desired, desired, shared_topics, subjects
from afflux.control.neighbours import conflicts, finished, strays
from afflux.control.settings import PLUGIN_WIRE, check_settings
from afflux.control.status import failed
from afflux.control.world import Problem, ShardWorld, World
from afflux.topology.model import Shard, Topology

_WITHOUT = "lacks afflux's plugin"


@dataclass(frozen=True)
class Plan:
    """What there is to do, what can't be done, and what else was noticed."""

    actions: tuple[Action, ...] = ()
    problems: tuple[Problem, ...] = ()
    notes: tuple[str, ...] = ()

    def of(self, shard: str) -> tuple[Action, ...]:
        """Return the actions of one shard, in order; of the empty name, those for all shards."""
        return tuple(action for action in self.actions if action.shard == shard)


def make_plan(topology: Topology, world: World) -> Plan:
    """Return what makes the world as the topology says.

    Args:
        topology: as loaded.
        world: as observed for this topology.

    Raises:
        UsageError: `source.config` can't be combined with what afflux promises.
    """
    check_settings(topology)
    exact = world.plugin.partition(".")[0] == PLUGIN_WIRE
    actions: list[Action] = []
    blocked: list[Problem] = []
    notes = [*strays(topology, world)]
    for shard in topology.shards:
        seen = world.shards[shard.name]
        if isinstance(seen, Problem):
            blocked.append(seen)
            continue
        wanted = desired(topology, shard, seen.relations, exact=exact)
        found = [*problems(topology, shard, seen, wanted), *conflicts(shard, seen, wanted, world)]
        blocked.extend(found)
        if not found:
            actions.extend(_shard(topology, shard, seen, wanted, world))
            notes.extend(given.said(topology, wanted, world) if given.are_given(topology) else ())
    untouchable = {problem.shard for problem in blocked}
    if any(shard.name not in untouchable for shard in topology.shards):
        actions = [*_topics("", shared_topics(topology).values(), world), *actions]
    if not exact:
        lack = f"has version {world.plugin} of afflux's plugin, which is not used" if world.plugin else _WITHOUT
        notes.append(f"Kafka Connect {lack}: Debezium alone loses some values (see docs/plugin.md)")
    return Plan(tuple(actions), tuple(blocked), tuple(notes))


def _shard(topology: Topology, shard: Shard, seen: ShardWorld, wanted: Desired, world: World) -> Iterator[Action]:
    yield from _topics(shard.name, wanted.topics.values(), world)
    rules = {subject: world.rules[subject] for subject in sorted(subjects(wanted.topics) & world.rules.keys())}
    if rules:
        yield FreeSubjects(
            shard=shard.name,
            object=f"{len(rules)} subjects of {wanted.config['topic.prefix']}",
            reason="a rule would stop the whole connector at a schema change",
            rules=rules,
        )
    publication = [*_publication(shard, seen, wanted)]
    found = world.connectors.get(wanted.connector)
    others_make_it = given.are_given(topology)
    known = given.remembered(wanted, world) if others_make_it else finished(found)
    copied = copies(known, seen, wanted, world)
    make = (
        given.noting(shard, wanted, world, copied) if others_make_it else _connector(shard, seen, wanted, found, copied)
    )
    connector = [*make]
    # A connector can't start without its publication. Where that exists the connector comes first, for its config
    # keeps which tables are new: a run that dies in between must not take the publication's for known.
    yield from [*publication, *connector] if seen.publication is None else [*connector, *publication]
    asked = [
        CopyTables(
            shard=shard.name,
            object=f"rows of {', '.join(table.replace(chr(92), '') for table in signal.tables)}",
            reason="new to the connector, and the rows so far are in no topic",
            risk=Risk.SNAPSHOT,
            signal=signal,
            topic_prefix=wanted.config["topic.prefix"],
        )
        for signal in unsent(copied, wanted, world)
    ]
    yield from given.asking(shard, wanted, world, asked) if others_make_it else asked


def _topics(shard: str, wanted: Collection[Topic], world: World) -> Iterator[Action]:
    missing = tuple(topic for topic in wanted if topic.name not in world.topics)
    if missing:
        rest = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        what, reason = f"topic {missing[0].name}{rest}", "they are missing" if rest else "it is missing"
        yield CreateTopics(shard=shard, object=what, reason=reason, topics=missing)
    for topic in wanted:
        have = world.topics[topic.name].config if topic.name in world.topics else topic.config
        new, reasons = {}, []
        if "compact" in have.get("cleanup.policy", ""):
            new["cleanup.policy"] = "delete"
            reasons.append("compaction removes rows that later updates stand on")
        if int(have.get("max.message.bytes", 0)) < int(topic.config["max.message.bytes"]):
            new["max.message.bytes"] = topic.config["max.message.bytes"]
            reasons.append("a larger row would stop the connector")
        if new:
            what = f"topic {topic.name}"
            yield SetTopic(shard=shard, object=what, reason="; ".join(reasons), topic=topic.name, old=have, new=new)


def _publication(shard: Shard, seen: ShardWorld, wanted: Desired) -> Iterator[Action]:
    old, new = seen.publication, Publication(wanted.publication, frozenset(wanted.published))
    if old is None:
        reason, risk = "it is missing", Risk.NONE
    elif old.tables != new.tables:
        gone = old.tables - new.tables
        reason = "its tables are not the topology's"
        risk = Risk.LESS if gone else Risk.NONE
    elif (old.filtered, old.via_root, old.operations) != (new.filtered, new.via_root, new.operations):
        reason, risk = "it does not publish every change whole", Risk.NONE
    else:
        return
    yield SetPublication(shard=shard.name, object=f"publication {new.name}", reason=reason, risk=risk, old=old, new=new)


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
            config=config,
            forget=seen.slot is None or found is not None,
        )
    elif existing.config != config:
        yield SetConnector(
            shard=shard.name,
            object=what,
            reason="its config is not the topology's",
            risk=Risk.RESTART,
            name=name,
            old=existing.config,
            new=config,
        )
    elif reason := failed(existing):
        yield RestartConnector(shard=shard.name, object=what, reason=reason, risk=Risk.RESTART, name=name)
    if existing is not None and existing.state == "STOPPED" and seen.slot is None:
        yield StartConnector(shard=shard.name, object=what, reason="it never ran", risk=Risk.SNAPSHOT, name=name)

"""Compare what was observed with what the topology wants (pure).

A plan is data: actions in the order in which they must happen, each shard's apart from the others', and the
problems that keep a shard from being touched.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from itertools import count

from afflux.clients.catalog import Publication
from afflux.clients.connect import Connector
from afflux.clients.topics import Topic
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
from afflux.control.desired import Desired, desired, shared_topics, subjects
from afflux.control.settings import SHARD_MARK, TOPOLOGY_MARK, check_settings, include_list, listed
from afflux.control.status import failed
from afflux.control.world import Problem, ShardWorld, World
from afflux.topology.model import Shard, Topology

COPIES = "afflux.copies"
"""Property of ours in a connector's config: the id of the signal that asks for added tables' rows, then the tables.

It is set together with the tables, and the signal's id is looked for in the signal topic: a run that dies between
the two is completed by the next one.
"""

UNFINISHED = "afflux.unfinished"
"""Property of ours in the config of a connector that is being made and may have old offsets yet.

A connector finds the offsets of an earlier one of its name. Where the slot is new they point to nothing and would
stop it, but they can be deleted only once the new connector exists.
"""


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
    actions: list[Action] = []
    blocked: list[Problem] = []
    for shard in topology.shards:
        seen = world.shards[shard.name]
        if isinstance(seen, Problem):
            blocked.append(seen)
            continue
        wanted = desired(topology, shard, seen.relations)
        found = [*problems(topology, shard, seen, wanted), *_neighbours(shard, seen, wanted, world)]
        blocked.extend(found)
        if not found:
            actions.extend(_shard(shard, seen, wanted, world))
    untouchable = {problem.shard for problem in blocked}
    if any(shard.name not in untouchable for shard in topology.shards):
        actions = [*_topics("", shared_topics(topology).values(), world), *actions]
    return Plan(tuple(actions), tuple(blocked), tuple(_strays(topology, world)))


def _shard(shard: Shard, seen: ShardWorld, wanted: Desired, world: World) -> Iterator[Action]:
    yield from _topics(shard.name, wanted.topics.values(), world)
    yield from _publication(shard, seen, wanted)
    rules = {subject: world.rules[subject] for subject in sorted(subjects(wanted.topics) & world.rules.keys())}
    if rules:
        yield FreeSubjects(
            shard=shard.name,
            object=f"{len(rules)} subjects of {wanted.config['topic.prefix']}",
            reason="a rule would stop the whole connector at a schema change",
            rules=rules,
        )
    yield from _connector(shard, seen, wanted, world)


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


def _connector(shard: Shard, seen: ShardWorld, wanted: Desired, world: World) -> Iterator[Action]:
    name, what = wanted.connector, f"connector {wanted.connector}"
    existing = _finished(world.connectors.get(name))
    copies = _copies(existing, seen, wanted, world)
    config = wanted.config | ({COPIES: copies} if copies else {})
    if existing is None:
        yield CreateConnector(
            shard=shard.name,
            object=what,
            reason="it was left half made" if name in world.connectors else "it is missing",
            risk=Risk.SNAPSHOT if seen.slot is None else Risk.NONE,
            name=name,
            config=config,
            forget=seen.slot is None or name in world.connectors,
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
    for signal, tables, blocking in _unsent(copies, wanted, world):
        shown = ", ".join(table.replace("\\", "") for table in tables)
        yield CopyTables(
            shard=shard.name,
            object=f"rows of {shown}",
            reason="new to the connector, and the rows so far are in no topic",
            risk=Risk.SNAPSHOT,
            id=signal,
            topic_prefix=wanted.config["topic.prefix"],
            tables=tables,
            blocking=blocking,
        )


def _finished(connector: Connector | None) -> Connector | None:
    return None if connector is None or UNFINISHED in connector.config else connector


def _copies(existing: Connector | None, seen: ShardWorld, wanted: Desired, world: World) -> str:
    """The value of COPIES that a connector should have: what it has, or a new one when tables were added."""
    have = existing.config.get(COPIES, "") if existing else ""
    if existing:
        before = set(listed(existing.config.get("table.include.list", "")))
    elif seen.slot and seen.publication:
        # The connector was removed and will go on from its offsets, with the tables that it had then.
        before = {include_list([t]) for t in wanted.tables if (t.schema, t.name) in seen.publication.tables}
    else:
        return ""
    current = set(listed(wanted.config["table.include.list"]))
    if not current - before:
        return have
    waiting = {table for _, tables, _ in _unsent(have, wanted, world) for table in tables}
    taken = {*world.signals, *listed(have)[:1]}
    new = next(name for n in count(1) if (name := f"{wanted.connector}-{n}") not in taken)
    return ",".join([new, *sorted(current & (waiting | (current - before)))])


def _unsent(copies: str, wanted: Desired, world: World) -> Iterator[tuple[str, tuple[str, ...], bool]]:
    """The signals that a value of COPIES stands for and that were not sent: id, tables, whether it blocks."""
    signal, *tables = listed(copies) or ("",)
    generated = {include_list([table]) for table in wanted.tables if table.generated}
    for name, blocking in ((signal, False), (f"{signal}-blocking", True)):
        of_kind = tuple(table for table in tables if (table in generated) is blocking)
        if of_kind and name not in world.signals:
            yield name, of_kind, blocking


def _neighbours(shard: Shard, seen: ShardWorld, wanted: Desired, world: World) -> Iterator[Problem]:
    """What others hold that this shard needs, and what can't be changed on a connector that has run."""
    existing, what = _finished(world.connectors.get(wanted.connector)), f"connector {wanted.connector}"
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
    if existing is None:
        return
    owner = existing.config.get(TOPOLOGY_MARK)
    if owner != wanted.config[TOPOLOGY_MARK]:
        yield Problem(
            shard.name,
            what,
            f"it exists and belongs to {f'topology {owner}' if owner else 'somebody else'}",
            "Remove it there, or choose another name: source.names.connector.",
        )
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


_FIXED = ("topic.prefix", "slot.name", "database.dbname")


def _strays(topology: Topology, world: World) -> Iterator[str]:
    shards = {shard.name for shard in topology.shards}
    for connector in world.connectors.values():
        shard = connector.config.get(SHARD_MARK, "")
        if connector.config.get(TOPOLOGY_MARK) == topology.name and shard not in shards:
            yield (
                f"connector {connector.name} still reads shard {shard}, which the topology does not name any more:"
                f" `connectors remove {shard}`"
            )

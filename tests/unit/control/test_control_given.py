"""Connectors that others make: afflux sees to all around them, and no row of a new table is missed."""

import dataclasses
from collections.abc import Iterator, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from afflux.clients.catalog import Relation
from afflux.control.planned.actions import (
    Action,
    CopyTables,
    CreateConnector,
    NoteTables,
    RestartConnector,
    SetConnector,
)
from afflux.control.planned.plan import Plan, make_plan
from afflux.control.seen.world import ShardWorld, World
from afflux.topology.model import Topology
from afflux.topology.names import shard_names
from unit.control.worlds import SERVER, after, config_of, connector, published, slot, table, topology, world

NAMES = ("a", "b", "c")
some_tables = st.sets(st.sampled_from(NAMES), min_size=1).map(lambda names: [table(name) for name in sorted(names)])


def strimzi(shards: int = 1) -> Topology:
    made = topology(shards)
    return made.model_copy(update={"connect": made.connect.model_copy(update={"connectors": "given"})})


def operated(of: Topology, seen: World) -> World:
    """The operator makes each connector as the chart says; it streams once its publication is there."""
    connectors, shards = dict(seen.connectors), dict(seen.shards)
    for shard in of.shards:
        there = shards[shard.name]
        assert isinstance(there, ShardWorld)
        name = shard_names(of, shard).connector
        connectors[name] = connector(name, config_of(of, shard, *there.relations))
        if there.publication:
            shards[shard.name] = dataclasses.replace(there, slot=slot(of, shard))
    return dataclasses.replace(seen, connectors=connectors, shards=shards)


def carry_out(of: Topology, seen: World, plan: Plan) -> World:
    for action in plan.actions:
        seen = after(of, seen, action)
    return seen


def settled(of: Topology, seen: World) -> tuple[World, list[CopyTables]]:
    """Turns of afflux and the operator, until neither has anything to do; and the rows that were asked for."""
    asked: list[CopyTables] = []
    for _ in range(6):
        plan = make_plan(of, seen)
        asked += [action for action in plan.actions if isinstance(action, CopyTables)]
        seen = operated(of, carry_out(of, seen, plan))
    assert make_plan(of, seen) == Plan()
    return seen, asked


def with_tables(seen: World, *tables: Relation) -> World:
    shards = {name: dataclasses.replace(there, relations=tables) for name, there in seen.shards.items()}
    return dataclasses.replace(seen, shards=shards)


def turns(of: Topology, seen: World) -> Iterator[tuple[Sequence[Action], World]]:
    """What was done, and the world it left, for each action after which a run may die; the operator acts at any time."""
    for start in (seen, operated(of, seen)):
        plan = make_plan(of, start)
        for at in range(len(plan.actions) + 1):
            done = plan.actions[:at]
            died = carry_out(of, start, dataclasses.replace(plan, actions=done))
            yield from ((done, died), (done, operated(of, died)))


def test_afflux_makes_no_connector_and_sets_none() -> None:
    of = strimzi()
    start = world(of, table())
    other = operated(of, start)
    (shard,) = of.shards
    name = shard_names(of, shard).connector
    changed = connector(name, other.connectors[name].config | {"poll.interval.ms": "9"})
    for seen in (start, other, dataclasses.replace(other, connectors={name: changed})):
        assert not any(isinstance(a, CreateConnector | SetConnector) for a in make_plan(of, seen).actions)


def test_a_missing_or_differing_connector_is_said() -> None:
    of = strimzi()
    (shard,) = of.shards
    name = shard_names(of, shard).connector
    assert f"connector {name} is not there yet" in make_plan(of, world(of, table())).notes[0]
    config = config_of(of, shard, table()) | {"poll.interval.ms": "9"}
    seen = world(of, table(), connectors={name: connector(name, config)})
    assert "differs from the topology in poll.interval.ms" in make_plan(of, seen).notes[0]


def test_a_new_shard_gets_topics_publication_and_note_and_no_copy() -> None:
    of = strimzi()
    _, asked = settled(of, world(of, table()))
    kinds = [action.kind for action in make_plan(of, world(of, table())).of("shard0")]
    assert kinds == ["create topics", "set publication", "note tables"]
    assert asked == []


@settings(max_examples=60)
@given(some_tables, some_tables)
def test_every_table_that_comes_later_is_copied_wherever_a_run_dies(
    first: list[Relation], later: list[Relation]
) -> None:
    of = strimzi()
    seen, _ = settled(of, world(of, *first))
    grown = with_tables(seen, *{t.full_name: t for t in [*first, *later]}.values())
    new = {t.full_name.replace(".", r"\.") for t in later} - {t.full_name.replace(".", r"\.") for t in first}
    for done, died in turns(of, grown):
        _, asked = settled(of, died)
        copies = [*asked, *(action for action in done if isinstance(action, CopyTables))]
        assert new == {name for copy in copies for name in copy.signal.tables}


def test_rows_are_asked_for_only_of_a_task_that_has_the_tables() -> None:
    of = strimzi()
    seen, _ = settled(of, world(of, table("had")))
    grown = with_tables(seen, table("had"), table("new"))
    early = carry_out(of, grown, make_plan(of, grown))
    assert not any(isinstance(action, CopyTables) for action in make_plan(of, early).actions)
    restart, copies = make_plan(of, operated(of, early)).actions
    assert isinstance(restart, RestartConnector)
    assert restart.whole  # a task that runs may have the old tables yet
    assert isinstance(copies, CopyTables)


def test_what_a_connector_of_afflux_s_own_followed_is_known_after_the_change_of_hands() -> None:
    of = strimzi()
    (shard,) = of.shards
    had, new = table("had"), table("new")
    left = ShardWorld(SERVER, (had, new), published(of, shard, had), slot(of, shard))
    _, asked = settled(of, operated(of, World(plugin="1.1.0", shards={"shard0": left})))
    assert [action.signal.tables for action in asked] == [(r"public\.new",)]


@pytest.mark.parametrize("connectors", [{}, None])
def test_a_failed_connector_is_restarted(connectors: dict[str, str] | None) -> None:
    of = strimzi()
    (shard,) = of.shards
    seen, _ = settled(of, world(of, table()))
    name = shard_names(of, shard).connector
    broken = connector(name, config_of(of, shard, table()), trace="" if connectors is None else "broken")
    kinds = [type(a) for a in make_plan(of, dataclasses.replace(seen, connectors={name: broken})).actions]
    assert kinds == ([] if connectors is None else [RestartConnector])


def test_the_note_is_written_before_the_publication_takes_a_table() -> None:
    of = strimzi()
    seen, _ = settled(of, world(of, table("had")))
    plan = make_plan(of, with_tables(seen, table("had"), table("new")))
    kinds = [action.kind for action in plan.actions]
    assert kinds.index(NoteTables.kind) < kinds.index("set publication")

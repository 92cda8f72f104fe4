import dataclasses
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from worlds import SERVER, after, config_of, connector, published, slot, table, topology, world

from afflux.clients.catalog import Publication, Relation
from afflux.clients.topics import Topic
from afflux.control.actions import CopyTables, CreateConnector, SetConnector
from afflux.control.copies import COPIES
from afflux.control.desired import desired
from afflux.control.neighbours import UNFINISHED
from afflux.control.plan import Plan, make_plan
from afflux.control.settings import TOPOLOGY_MARK, listed
from afflux.control.world import Problem, ShardWorld, World
from afflux.topology.model import Shard, Topology
from afflux.topology.names import shard_names

NAMES = ("a", "b", "c", "d")
some_tables = st.sets(st.sampled_from(NAMES)).map(lambda names: [table(name) for name in sorted(names)])


@st.composite
def shard_worlds(draw: st.DrawFn, of: Topology, shard: Shard, tables: list[Relation]) -> ShardWorld:
    had = draw(some_tables)
    publications = st.none() | st.just(published(of, shard, *had)).flatmap(
        lambda p: st.builds(
            Publication,
            st.just(p.name),
            st.just(p.tables),
            filtered=st.booleans(),
            via_root=st.booleans(),
            operations=st.sampled_from([p.operations, frozenset({"insert"})]),
        )
    )
    return ShardWorld(SERVER, tuple(tables), draw(publications))


@st.composite
def worlds(draw: st.DrawFn, of: Topology) -> World:
    shards: dict[str, ShardWorld | Problem] = {}
    connectors, topics, rules, orphans = {}, {}, {}, set()
    for shard in of.shards:
        tables = draw(st.sets(st.sampled_from(NAMES), min_size=1).map(lambda names: [table(n) for n in sorted(names)]))
        seen = draw(shard_worlds(of, shard, tables))
        name = shard_names(of, shard).connector
        kind = draw(
            st.sampled_from(["none", "running", "failed", "paused", "stopped", "half made", "gone with a slot"])
        )
        if kind == "half made":
            connectors[name] = connector(name, config_of(of, shard, *tables) | {UNFINISHED: "true"}, "STOPPED")
        elif kind == "gone with a slot":
            seen = dataclasses.replace(seen, slot=slot(of, shard, active=False))
        elif kind != "none":
            config = config_of(of, shard, *draw(some_tables)) | draw(st.dictionaries(st.just("x.y"), st.just("z")))
            waiting = draw(some_tables)
            if waiting:
                config[COPIES] = ",".join([f"{name}-1", *(rf"public\.{t.name}" for t in waiting)])
            state = {"paused": "PAUSED", "stopped": "STOPPED"}.get(kind, "RUNNING")
            connectors[name] = connector(name, config, state, trace="broken" if kind == "failed" else "")
            if kind != "stopped" or draw(st.booleans()):
                seen = dataclasses.replace(seen, slot=slot(of, shard, active=kind == "running"))
        shards[shard.name] = draw(st.just(seen) | st.just(Problem(shard.name, "server", "it is away")))
        for topic in desired(of, shard, tables, exact=True).topics.values():
            if draw(st.booleans()):
                settings = draw(st.sampled_from([topic.config, {}, {**topic.config, "cleanup.policy": "compact"}]))
                topics[topic.name] = dataclasses.replace(topic, config=settings)
            rules |= draw(st.dictionaries(st.just(f"{topic.name}-value"), st.just("BACKWARD")))
    signals = draw(st.sets(st.sampled_from([f"{name}-1" for name in connectors]))) if connectors else set()
    return World(shards, "1.0.0", connectors, frozenset(orphans), topics, rules, frozenset(signals))


topologies = st.integers(1, 2).map(topology)
cases = topologies.flatmap(lambda of: st.tuples(st.just(of), worlds(of)))


def carry_out(of: Topology, seen: World, plan: Plan) -> World:
    for action in plan.actions:
        seen = after(of, seen, action)
    return seen


@settings(max_examples=50)
@given(cases)
def test_an_applied_plan_leaves_nothing_to_do(case: tuple[Topology, World]) -> None:
    of, seen = case
    plan = make_plan(of, seen)
    done = carry_out(of, seen, plan)
    assert make_plan(of, done) == Plan((), plan.problems, plan.notes)


def deaths(of: Topology, seen: World) -> Iterator[tuple[Plan, World]]:
    """What was carried out, and the world it left, for each action after which a run may die."""
    plan = make_plan(of, seen)
    for at in range(len(plan.actions) + 1):
        part = dataclasses.replace(plan, actions=plan.actions[:at])
        yield part, carry_out(of, seen, part)


@settings(max_examples=50)
@given(cases)
def test_a_run_that_dies_anywhere_is_completed_by_the_next(case: tuple[Topology, World]) -> None:
    of, seen = case
    for _, died in deaths(of, seen):
        done = carry_out(of, died, make_plan(of, died))
        assert make_plan(of, done).actions == ()


@settings(max_examples=50)
@given(cases)
def test_every_added_table_is_copied_wherever_the_first_run_dies(case: tuple[Topology, World]) -> None:
    of, seen = case
    for part, died in deaths(of, seen):
        actions = [*part.actions, *make_plan(of, died).actions]
        copies = [action for action in actions if isinstance(action, CopyTables)]
        sent = {(copy.shard, name) for copy in copies for name in copy.signal.tables}
        for shard in of.shards:
            assert {(shard.name, name) for name in added(of, shard, seen)} <= sent


def added(of: Topology, shard: Shard, seen: World) -> set[str]:
    """The tables that a connector with a history is to follow from now on."""
    then = seen.shards[shard.name]
    before = seen.connectors.get(shard_names(of, shard).connector)
    if isinstance(then, Problem) or (before and UNFINISHED in before.config):
        return set()
    wanted = set(listed(config_of(of, shard, *then.relations)["table.include.list"]))
    if before:
        return wanted - set(listed(before.config["table.include.list"]))
    if then.slot and then.publication:
        return wanted - {rf"{schema}\.{name}" for schema, name in then.publication.tables}
    return set()


@settings(max_examples=50)
@given(cases)
def test_a_shard_with_a_problem_is_not_touched(case: tuple[Topology, World]) -> None:
    plan = make_plan(*case)
    assert not {action.shard for action in plan.actions} & {problem.shard for problem in plan.problems}


def test_a_new_shard_gets_topics_then_publication_then_connector() -> None:
    of = topology()
    kinds = [action.kind for action in make_plan(of, world(of, table())).of("shard0")]
    assert kinds == ["create topics", "set publication", "create connector"]


def test_only_the_new_shard_is_made() -> None:
    old, grown = topology(1), topology(2)
    done = carry_out(old, world(old, table()), make_plan(old, world(old, table())))
    both = dataclasses.replace(done, shards={**done.shards, "shard1": ShardWorld(SERVER, (table(),))})
    assert {action.shard for action in make_plan(grown, both).actions} == {"shard1"}


def test_nothing_at_all_is_made_when_no_shard_can_be_set_up() -> None:
    of = topology()
    plan = make_plan(of, world(of, table(primary_key=())))
    assert plan.problems
    assert not plan.actions


def test_existing_topics_keep_their_partitions() -> None:
    of = topology()
    (shard,) = of.shards
    name = f"{shard_names(of, shard).topic_prefix}.public.orders"
    mine = Topic(name, 4, 3, desired(of, shard, [table()], exact=True).topics[name].config)
    actions = make_plan(of, world(of, table(), topics={name: mine})).actions
    assert all(name not in change.key for action in actions for change in action.changes())


def test_a_table_with_generated_columns_is_copied_by_itself() -> None:
    of = topology()
    (shard,) = of.shards
    config = config_of(of, shard, table("old"))
    name = shard_names(of, shard).connector
    tables = (table("old"), table("plain"), table("made", generated=("sum",)))
    seen = world(of, *tables, connectors={name: connector(name, config)})
    copies = [action.signal for action in make_plan(of, seen).actions if isinstance(action, CopyTables)]
    assert [(signal.tables, signal.blocking) for signal in copies] == [
        ((r"public\.plain",), False),
        ((r"public\.made",), True),
    ]


def test_a_connector_made_again_copies_what_was_added_meanwhile() -> None:
    of = topology()
    (shard,) = of.shards
    had, new = table("had"), table("new")
    left = ShardWorld(SERVER, (had, new), published(of, shard, had), slot(of, shard, active=False))
    for part, died in deaths(of, World(plugin="1.0.0", shards={"shard0": left})):
        actions = [*part.actions, *make_plan(of, died).actions]
        assert [a.signal.tables for a in actions if isinstance(a, CopyTables)][-1:] == [(r"public\.new",)]


def test_a_connector_whose_slot_is_new_forgets_what_an_earlier_one_read() -> None:
    of = topology()
    (made,) = [a for a in make_plan(of, world(of, table())).actions if isinstance(a, CreateConnector)]
    assert made.forget


def test_a_connector_that_somebody_paused_stays_paused() -> None:
    of = topology()
    (shard,) = of.shards
    name = shard_names(of, shard).connector
    paused = connector(name, config_of(of, shard, table()), "PAUSED")
    seen = world(of, table(), connectors={name: paused})
    assert "start connector" not in {action.kind for action in make_plan(of, seen).actions}


def test_a_lost_slot_is_a_problem_and_no_silent_new_start() -> None:
    of = topology()
    (shard,) = of.shards
    name = shard_names(of, shard).connector
    seen = world(
        of,
        table(),
        connectors={name: connector(name, config_of(of, shard, table()))},
        orphans=frozenset({name}),
    )
    (problem,) = make_plan(of, seen).problems
    assert "it is gone" in problem.message


def test_another_topology_with_the_same_topic_prefix_is_a_problem() -> None:
    of = topology()
    other = connector("other", {"topic.prefix": "shard0", TOPOLOGY_MARK: "other"})
    (problem,) = make_plan(of, world(of, table(), connectors={"other": other})).problems
    assert "has the topic prefix shard0 already" in problem.message


def test_a_connector_of_somebody_else_is_not_taken_over() -> None:
    of = topology()
    name = shard_names(of, of.shards[0]).connector
    (problem,) = make_plan(of, world(of, table(), connectors={name: connector(name, {})})).problems
    assert "belongs to somebody else" in problem.message


def test_a_slot_that_another_reads_is_a_problem() -> None:
    of = topology()
    (shard,) = of.shards
    held = ShardWorld(SERVER, (table(),), slot=slot(of, shard))
    (problem,) = make_plan(of, World(plugin="1.0.0", shards={"shard0": held})).problems
    assert "reads it already" in problem.message


def test_a_shard_that_left_the_topology_is_noted() -> None:
    of = topology()
    left = connector("orders-shard9", {TOPOLOGY_MARK: "orders", "afflux.shard": "shard9", "topic.prefix": "shard9"})
    (note,) = make_plan(of, world(of, table(), connectors={left.name: left})).notes
    assert "`connectors remove shard9`" in note


def test_the_plugin_is_used_where_connect_has_it_behind_the_user_s_transforms() -> None:
    of = topology(config={"transforms": "mine", "transforms.mine.type": "x.Y"})
    (made,) = [a for a in make_plan(of, world(of, table())).actions if isinstance(a, CreateConnector)]
    assert made.config["transforms"] == "mine,afflux"
    assert made.config["converters"] == "afflux"


@pytest.mark.parametrize(("version", "said"), [("", "lacks afflux's plugin"), ("2.1", "which is not used")])
def test_without_a_plugin_that_it_reads_afflux_goes_on_and_says_so(version: str, said: str) -> None:
    of = topology()
    plan = make_plan(of, world(of, table(), plugin=version))
    (made,) = [a for a in plan.actions if isinstance(a, CreateConnector)]
    assert "converters" not in made.config
    assert said in plan.notes[0]


def test_a_changed_setting_is_shown_old_against_new() -> None:
    of = topology()
    (shard,) = of.shards
    name = shard_names(of, shard).connector
    config = config_of(of, shard, table())
    seen = world(of, table(), connectors={name: connector(name, config | {"poll.interval.ms": "9"})})
    (change,) = next(a for a in make_plan(of, seen).actions if isinstance(a, SetConnector)).changes()
    assert (change.key, change.old, change.new) == ("poll.interval.ms", "9", config["poll.interval.ms"])


def test_no_secret_is_shown() -> None:
    of = topology()
    (shard,) = of.shards
    name = shard_names(of, shard).connector
    config = config_of(of, shard, table()) | {"database.password": "hunter2"}
    seen = world(of, table(), connectors={name: connector(name, config)})
    (change,) = next(a for a in make_plan(of, seen).actions if isinstance(a, SetConnector)).changes()
    assert (change.old, change.new) == ("***", "${env:CDC_PASSWORD}")

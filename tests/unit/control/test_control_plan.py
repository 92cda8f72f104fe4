"""What a plan says of worlds that are laid down one by one."""

import dataclasses
import sys
from typing import Any

import pytest

from afflux.clients.catalog import Relation
from afflux.clients.signals import Sent
from afflux.clients.topics import Topic
from afflux.control.planned.actions import CopyTables, CreateConnector, Risk, SetConnector
from afflux.control.planned.plan import Plan, make_plan
from afflux.control.seen.copies import COPIES
from afflux.control.seen.partitions import SINCE
from afflux.control.seen.standing import lost
from afflux.control.seen.world import ShardWorld, World
from afflux.control.wanted.desired import desired, shared_topics
from afflux.control.wanted.settings import SHARD_MARK, TOPOLOGY_MARK
from afflux.topology.model import Topology
from afflux.topology.names import shard_names
from unit.control.worlds import (
    SERVER,
    after,
    carry_out,
    config_of,
    connector,
    deaths,
    published,
    slot,
    table,
    topology,
    world,
)


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
    shards = {"shard0": ShardWorld(SERVER, tables, published(of, shard, table("old")), slot(of, shard))}
    seen = world(of, shards=shards, connectors={name: connector(name, config)})
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
    for part, died in deaths(of, World(plugin="1.1.0", shards={"shard0": left})):
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


GONE = {"offsets": ({"lsn": 5},)}
LOST = {"held": {"wal_status": "lost"}}
AHEAD = {"offsets": ({"lsn": 5},), "held": {"flushed": 6, "active": False}}


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (GONE, "the slot is gone"),
        (LOST, "has removed the WAL"),
        (AHEAD, "further than the connector has read"),
        ({"publication": None, "held": {}}, "the publication is gone while its slot stayed"),
    ],
)
def test_a_connector_that_lost_its_place_begins_anew_only_with_leave(found: dict[str, Any], said: str) -> None:
    of = topology()
    (shard,) = of.shards
    name = shard_names(of, shard).connector
    held = dataclasses.replace(slot(of, shard), **found["held"]) if "held" in found else None
    shards = {
        "shard0": ShardWorld(
            SERVER,
            (table(),),
            found.get("publication", published(of, shard, table())),
            held,
            found.get("offsets", ()),
        )
    }
    seen = world(of, table(), shards=shards, connectors={name: connector(name, config_of(of, shard, table()))})
    plan = make_plan(of, seen)
    (refusal,) = plan.refused
    assert (refusal.kind, refusal.risk) == ("drop slot", Risk.DATA_LOSS)
    assert said in refusal.reason
    assert {action.kind for action in plan.actions} <= {"create topics"}
    kinds = [action.kind for action in make_plan(of, seen, leave={Risk.DATA_LOSS}).actions]
    assert kinds.index("drop slot") < kinds.index("create connector")


def test_a_slot_whose_reader_only_made_its_first_copy_is_not_taken_for_lost() -> None:
    of = topology()
    (shard,) = of.shards
    held = dataclasses.replace(slot(of, shard, active=False), flushed=6)
    assert not lost(held, published(of, shard), ({"lsn": 5, "snapshot": "INITIAL", "snapshot_completed": False},))
    assert lost(held, published(of, shard), ({"lsn": 5, "snapshot": "BLOCKING", "snapshot_completed": False},))


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
    (problem,) = make_plan(of, World(plugin="1.1.0", shards={"shard0": held})).problems
    assert "reads it already" in problem.message


def test_the_connector_of_a_shard_that_left_is_removed_only_with_leave() -> None:
    of = topology()
    left = connector("orders-shard9", {TOPOLOGY_MARK: "orders", SHARD_MARK: "shard9", "topic.prefix": "shard9"})
    seen = world(of, table(), connectors={left.name: left})
    (refusal,) = make_plan(of, seen).refused
    assert (refusal.kind, refusal.risk) == ("remove connector", Risk.REMOVAL)
    assert "`connectors remove shard9`" in refusal.hint
    assert "remove connector" in {action.kind for action in make_plan(of, seen, leave={Risk.REMOVAL}).actions}


def streaming(of: Topology, *tables: Relation, relations: tuple[Relation, ...] = (), **config: str) -> World:
    """A world in which the only shard streams these tables, and has others."""
    (shard,) = of.shards
    name = shard_names(of, shard).connector
    whole = connector(name, config_of(of, shard, *tables) | config)
    shards = {"shard0": ShardWorld(SERVER, relations or tables, published(of, shard, *tables), slot(of, shard))}
    made = desired(of, shard, tables, exact=True).topics | shared_topics(of)
    return World(shards, "1.1.0", {name: whole}, made)


def test_a_stream_as_it_should_be_leaves_nothing_to_do() -> None:
    of = topology()
    assert make_plan(of, streaming(of, table())) == Plan(clear=("shard0",))


def test_a_table_that_leaves_the_topology_is_followed_until_leave_is_given() -> None:
    of = topology(pattern=r"public\.a")
    seen = streaming(of, table("a"), table("b"), **{"table.include.list": r"public\.a,public\.b"})
    seen = dataclasses.replace(
        seen,
        shards={
            "shard0": dataclasses.replace(
                seen.shards["shard0"], publication=published(of, of.shards[0], table("a"), table("b"))
            )
        },
        topics=seen.topics | desired(topology(), of.shards[0], [table("b")], exact=True).topics,
    )
    plan = make_plan(of, seen)
    assert not plan.actions
    (refusal,) = plan.refused
    assert (refusal.object, refusal.risk) == ("table public.b", Risk.DATA_LOSS)
    actions = make_plan(of, seen, leave={Risk.DATA_LOSS}).actions
    assert [action.kind for action in actions] == ["set connector", "set publication"]
    assert actions[1].risk is Risk.DATA_LOSS


def test_a_dropped_table_leaves_without_asking() -> None:
    of = topology()
    seen = streaming(of, table("a"), relations=(table("a"),), **{"table.include.list": r"public\.a,public\.b"})
    plan = make_plan(of, seen)
    assert [action.kind for action in plan.actions] == ["set connector"]
    assert not plan.refused


def test_a_table_taken_out_of_the_publication_by_hand_is_copied_again() -> None:
    of = topology()
    seen = streaming(of, table("a"), table("b"))
    shards = {"shard0": dataclasses.replace(seen.shards["shard0"], publication=published(of, of.shards[0], table("a")))}
    plan = make_plan(of, dataclasses.replace(seen, shards=shards))
    assert [action.kind for action in plan.actions] == ["set connector", "set publication", "copy tables"]
    assert "public.b left it while the connector followed" in plan.actions[1].reason


def test_a_new_table_that_can_t_be_followed_keeps_nothing_else_from_being_done() -> None:
    of = topology()
    bad = table("bad", primary_key=())
    seen = streaming(of, table("a"), relations=(table("a"), bad, table("c")))
    plan = make_plan(of, seen)
    (problem,) = plan.problems
    assert problem.table == "public.bad"
    (copy,) = [action for action in plan.actions if isinstance(action, CopyTables)]
    assert copy.signal.tables == (r"public\.c",)


def test_a_table_that_is_followed_and_can_t_be_any_more_stops_its_shard_s_plan() -> None:
    of = topology()
    seen = streaming(of, table("a"), table("b"), relations=(table("a", identity="n"), table("b")), **{"x.y": "z"})
    plan = make_plan(of, seen)
    assert plan.problems
    assert not plan.actions


def test_a_pattern_that_matches_a_new_table_is_a_difference() -> None:
    of = topology()
    plan = make_plan(of, streaming(of, table("a"), relations=(table("a"), table("new"))))
    assert [action.kind for action in plan.actions][-3:] == ["set connector", "set publication", "copy tables"]
    assert plan.differs


def test_a_partition_that_was_attached_with_its_rows_is_copied_and_one_made_as_such_is_not() -> None:
    of = topology()
    root, parts = (
        table("a", kind="p"),
        [
            table("p1", root="public.a"),
            table("p2", root="public.a", attached=150),
            table("p3", root="public.a", attached=50),
        ],
    )
    seen = streaming(of, root, relations=(root, *parts), **{SINCE: "100"})
    (copy,) = make_plan(of, seen).actions
    assert isinstance(copy, CopyTables)
    assert (copy.signal.tables, copy.signal.where) == ((r"public\.a",), 'tableoid = \'"public"."p2"\'::regclass')
    assert not make_plan(of, after(of, seen, copy)).actions


def test_a_copy_that_failed_is_asked_for_once_more_in_the_surer_way() -> None:
    of = topology()
    name = shard_names(of, of.shards[0]).connector
    seen = streaming(of, table("a"), table("b"), **{COPIES: rf"{name}-1,public\.a,public\.b"})
    sent = dataclasses.replace(seen, signals={f"{name}-1": Sent(f"{name}-1")})
    assert not make_plan(of, sent).actions
    failed = dataclasses.replace(sent, scans={f"{name}-1": {"public.a": "SUCCEEDED", "public.b": "SQL_EXCEPTION"}})
    (copy,) = make_plan(of, failed).actions
    assert isinstance(copy, CopyTables)
    assert (copy.signal.id, copy.signal.tables, copy.signal.blocking) == (f"{name}-1-2", (r"public\.b",), True)


def test_a_table_without_a_key_is_taken_where_rows_are_only_appended() -> None:
    made = topology()
    of = made.model_copy(update={"tables": [each.model_copy(update={"mode": "append"}) for each in made.tables]})
    seen = streaming(of, table("a"), relations=(table("a"), table("log", primary_key=(), identity="f")))
    (copy,) = [action for action in make_plan(of, seen).actions if isinstance(action, CopyTables)]
    assert copy.signal.blocking
    (problem,) = make_plan(of, streaming(of, table("a"), relations=(table("a"), table("log", primary_key=())))).problems
    assert "REPLICA IDENTITY FULL" in problem.hint


def test_a_topic_with_other_partitions_is_told_and_left() -> None:
    of = topology()
    seen = streaming(of, table())
    name = "shard0.public.orders"
    other = dataclasses.replace(seen.topics[name], partitions=4)
    plan = make_plan(of, dataclasses.replace(seen, topics={**seen.topics, name: other}))
    (refusal,) = plan.refused
    assert (refusal.object, refusal.risk, plan.differs, plan.pending) == (f"topic {name}", Risk.NONE, True, False)
    assert [(c.key, c.old, c.new) for c in refusal.changes] == [("partitions", "4", "1")]


@pytest.mark.parametrize(("old", "refused"), [("-1", True), ("1209600000", True), ("60000", False), (None, False)])
def test_retention_is_shortened_only_with_leave(old: str | None, refused: bool) -> None:
    made = topology()
    topics = made.kafka.topics.model_copy(update={"retention": "7d"})
    of = made.model_copy(update={"kafka": made.kafka.model_copy(update={"topics": topics})})
    seen = streaming(of, table())
    name = "shard0.public.orders"
    config = {key: value for key, value in seen.topics[name].config.items() if key != "retention.ms"}
    other = dataclasses.replace(seen.topics[name], config=config | ({"retention.ms": old} if old else {}))
    seen = dataclasses.replace(seen, topics={**seen.topics, name: other})
    plan = make_plan(of, seen)
    assert bool(plan.refused) is refused
    assert bool(plan.actions) is not refused
    assert make_plan(of, seen, leave={Risk.DATA_LOSS}).actions


def test_subjects_are_held_to_the_topology_s_level() -> None:
    made = topology()
    of = made.model_copy(update={"registry": made.registry.model_copy(update={"compatibility": "BACKWARD"})})
    (action,) = make_plan(of, streaming(of, table())).actions
    assert {(change.old, change.new) for change in action.changes()} == {("NONE", "BACKWARD")}
    free = make_plan(made, dataclasses.replace(streaming(made, table()), rules={"shard0.public.orders-key": "FULL"}))
    (action,) = free.actions
    assert [(c.key, c.old, c.new) for c in action.changes()] == [
        ("compatibility of shard0.public.orders-key", "FULL", "NONE")
    ]


def test_one_shard_alone_can_be_meant() -> None:
    of = topology(3)
    plan = make_plan(of, world(of, table()), only={"shard1"})
    assert {action.shard for action in plan.actions} == {"", "shard1"}
    assert plan.clear == ("shard1",)


def test_a_plan_takes_work_in_proportion_to_the_shards() -> None:
    def calls(shards: int) -> int:
        """Count the function calls of a plan for a new topology and of one for the same when all is made."""
        of = topology(shards)
        seen = world(of, *(table(name) for name in "abc"))
        done = carry_out(of, seen, make_plan(of, seen))
        count = 0

        def counted(_frame: object, event: str, _argument: object) -> None:
            nonlocal count
            count += event in {"call", "c_call"}

        sys.setprofile(counted)
        try:
            make_plan(of, seen)
            make_plan(of, done)
        finally:
            sys.setprofile(None)
        return count

    calls(2)  # templates are read once
    assert calls(40) < 2.2 * calls(20)


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

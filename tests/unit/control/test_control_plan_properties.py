"""What holds of every plan, whatever the world is like."""

import dataclasses
from collections.abc import Collection

from hypothesis import given, settings
from hypothesis import strategies as st

from afflux.control.planned.actions import LEAVE, CopyTables, Risk
from afflux.control.planned.plan import make_plan
from afflux.control.seen.neighbours import UNFINISHED
from afflux.control.seen.world import Problem, World
from afflux.control.wanted.settings import listed
from afflux.topology.model import Shard, Topology
from afflux.topology.names import shard_names
from unit.control.drawn import cases
from unit.control.worlds import carry_out, config_of, deaths

leaves = st.sampled_from([frozenset[Risk](), LEAVE])


@settings(max_examples=40)
@given(cases(), leaves)
def test_an_applied_plan_leaves_nothing_to_do(case: tuple[Topology, World], leave: Collection[Risk]) -> None:
    of, seen = case
    plan = make_plan(of, seen, leave=leave)
    done = carry_out(of, seen, plan)
    assert make_plan(of, done, leave=leave) == dataclasses.replace(plan, actions=())


@settings(max_examples=40)
@given(cases())
def test_with_leave_nothing_is_left_but_what_nobody_can_change(case: tuple[Topology, World]) -> None:
    assert {refusal.risk for refusal in make_plan(*case, leave=LEAVE).refused} <= {Risk.NONE}


@settings(max_examples=40)
@given(cases())
def test_without_leave_no_action_has_a_risk_that_needs_it(case: tuple[Topology, World]) -> None:
    assert not {action.risk for action in make_plan(*case).actions} & LEAVE


@settings(max_examples=40)
@given(cases(), leaves)
def test_a_run_that_dies_anywhere_ends_in_the_same_place_once_run_again(
    case: tuple[Topology, World], leave: Collection[Risk]
) -> None:
    of, seen = case
    whole = carry_out(of, seen, make_plan(of, seen, leave=leave))
    for _, died in deaths(of, seen, leave):
        assert carry_out(of, died, make_plan(of, died, leave=leave)) == whole


@settings(max_examples=40)
@given(cases())
def test_every_added_table_is_copied_wherever_the_first_run_dies(case: tuple[Topology, World]) -> None:
    of, seen = case
    for part, died in deaths(of, seen):
        actions = [*part.actions, *make_plan(of, died).actions]
        copies = [action for action in actions if isinstance(action, CopyTables)]
        sent = {(copy.shard, name) for copy in copies for name in copy.signal.tables if not copy.signal.where}
        for shard in of.shards:
            if not make_plan(of, seen, only={shard.name}).problems:
                assert {(shard.name, name) for name in added(of, shard, seen)} <= sent


def added(of: Topology, shard: Shard, seen: World) -> set[str]:
    """The tables that a connector with a history is to follow from now on, or has missed changes of."""
    then = seen.shards[shard.name]
    before = seen.connectors.get(shard_names(of, shard).connector)
    if isinstance(then, Problem) or then.slot is None or then.slot.wal_status == "lost" or then.publication is None:
        return set()
    wanted = set(listed(config_of(of, shard, *then.relations)["table.include.list"]))
    wanted -= {rf"{schema}\.{name}" for schema, name in then.publication.tables}
    return wanted if before is None or UNFINISHED not in before.config else set()


@settings(max_examples=40)
@given(cases())
def test_a_shard_with_a_problem_is_not_touched(case: tuple[Topology, World]) -> None:
    plan = make_plan(*case)
    assert not {action.shard for action in plan.actions} & {p.shard for p in plan.problems if not p.table}

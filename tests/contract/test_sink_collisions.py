"""Equal keys of two shards are seen, told once, and over when one of them goes; a row on the move is none."""

from datetime import UTC, datetime, timedelta

import pytest

from afflux.sinks.batch import Mark
from targets import ONE, ZERO, Target, batch, changes

WINDOW = timedelta(seconds=30)
SHARDS = ("shard0", "shard1")


def meets(target: Target) -> None:
    """Row 7 is on both shards, since second 20; row 8 on one."""
    sink = target.sink()
    sink.claim([ZERO, ONE])
    sink.apply(batch(0, changes(target, [("shard0", 10, False, 7, "a"), ("shard0", 11, False, 8, "alone")])))
    sink.apply(batch(0, changes(target, [("shard1", 20, False, 7, "b")]), partition=ONE))


def passes(target: Target, seconds: int, *shards: str) -> None:
    """Move watermarks."""
    marks = [Mark(shard, seconds * 1_000_000, seconds, {}) for shard in shards]
    target.sink().pass_marks(marks, SHARDS)


def judge(target: Target, shards: tuple[str, ...] = SHARDS) -> list[tuple[str, tuple[str, ...]]]:
    return [(found.key, found.shards) for found in target.state().judge_contests(WINDOW, shards)]


COLLISION = ('["7"]', SHARDS)


def test_a_contest_is_a_collision_when_both_shards_are_past_it_and_is_told_once(target: Target) -> None:
    meets(target)
    assert judge(target) == []
    passes(target, 49, "shard0", "shard1")
    assert judge(target) == []
    passes(target, 50, "shard0")
    assert judge(target) == []
    assert target.state().collisions() == []
    passes(target, 50, "shard1")
    assert judge(target) == [COLLISION]
    assert judge(target) == []
    (found,) = target.state().collisions()
    assert (found.table, found.key, found.shards) == (f"{target.schema}.t", *COLLISION)
    assert found.since == datetime.fromtimestamp(20, UTC)


@pytest.mark.parametrize("goes", ["shard0", "shard1"])
def test_it_is_over_when_one_side_deletes(target: Target, goes: str) -> None:
    meets(target)
    passes(target, 90, "shard0", "shard1")
    assert judge(target) == [COLLISION]
    sink = target.sink()
    sink.claim([ZERO, ONE])
    partition = ZERO if goes == "shard0" else ONE
    sink.apply(batch(1, changes(target, [(goes, 60, True, 7, None)]), partition=partition))
    assert judge(target) == []
    assert target.state().collisions() == []


def test_later_changes_of_the_row_do_not_begin_it_anew(target: Target) -> None:
    meets(target)
    judge(target)
    sink = target.sink()
    sink.claim([ONE])
    sink.apply(batch(1, changes(target, [("shard1", 45, False, 7, "changed")]), partition=ONE))
    passes(target, 50, "shard0", "shard1")
    assert judge(target) == [COLLISION]


def test_a_shard_that_is_no_more_is_not_waited_for(target: Target) -> None:
    meets(target)
    passes(target, 60, "shard1")
    assert judge(target) == []
    assert judge(target, ("shard1",)) == [COLLISION]


def test_a_row_that_has_moved_in_time_was_no_collision(target: Target) -> None:
    meets(target)
    assert judge(target) == []
    sink = target.sink()
    sink.claim([ZERO])
    sink.apply(batch(1, changes(target, [("shard0", 25, True, 7, None)])))
    passes(target, 90, "shard0", "shard1")
    assert judge(target) == []

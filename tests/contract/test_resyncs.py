"""What every sink promises of tables that are read anew: what was not seen again is gone, and nothing else."""

from dataclasses import replace

import pytest

from afflux.errors import Overtaken
from afflux.sinks.batch import Batch, DeadLetter, Truncate
from afflux.sinks.resyncs import Resync, ResyncState
from afflux.sinks.state import LetterFilter, LetterState
from targets import ONE, ZERO, Target, batch, changes, content


def asked(lsn: int = 100, number: str = "r-1", start: int = 1) -> Resync:
    return Resync(ZERO.topic, "shard0", "public.t", lsn, number, True, 7, {0: start}, "me@here")


def ends(target: Target, resync: Resync) -> Batch:
    """The batch that a daemon ends a resynchronisation with: as one with nothing but a truncate, it has no key."""
    gone = changes(target, [], (), truncates=(Truncate(resync.shard, resync.lsn, resync.topic),))
    gone = replace(gone, key=())
    return Batch({}, (gone,), truncated={ZERO: resync.starts[0]}, resynced={resync.topic: resync.id})


def test_what_was_asked_for_is_told_as_it_goes_on(target: Target) -> None:
    sink, state = target.sink(), target.state()
    sink.claim([ZERO])
    assert state.resyncs() == []
    state.ask_resyncs([asked()])
    (found,) = state.resyncs()
    assert (found.topic, found.shard, found.source, found.lsn, found.id) == (
        ZERO.topic,
        "shard0",
        "public.t",
        100,
        "r-1",
    )
    assert (found.by_signal, found.heard, found.starts, found.by) == (True, 7, {0: 1}, "me@here")
    assert (found.state, found.ends, found.passed, found.open) == (ResyncState.ASKED, {}, False, True)
    state.resync_read(found, {ZERO: 3})
    (found,) = state.resyncs()
    assert (found.state, found.starts, found.ends, found.passed) == (ResyncState.READ, {0: 1}, {0: 3}, False)
    sink.apply(batch(0, end=3))
    assert [resync.passed for resync in state.resyncs()] == [True]


def test_rows_that_were_not_seen_again_are_gone_at_the_end_and_no_others(target: Target) -> None:
    sink, state = target.sink(), target.state()
    sink.claim([ZERO, ONE])
    sink.apply(batch(0, changes(target, [("shard0", 1, False, n, "old") for n in range(4)])))
    sink.apply(batch(0, changes(target, [("shard1", 1, False, 9, "other")]), partition=ONE))
    state.ask_resyncs([asked()])
    sink.apply(batch(1, changes(target, [("shard0", 100, False, 1, "read"), ("shard0", 105, False, 2, "streamed")])))
    state.resync_read(asked(), {ZERO: 2})
    sink.apply(ends(target, asked()))
    assert content(target) == [(1, "read", "shard0"), (2, "streamed", "shard0"), (9, "other", "shard1")]
    (done,) = state.resyncs()
    assert (done.state, done.open) == (ResyncState.DONE, False)
    assert done.closed is not None


def test_another_shards_row_takes_the_place_of_one_that_is_gone(target: Target) -> None:
    sink, state = target.sink(), target.state()
    sink.claim([ZERO, ONE])
    sink.apply(batch(0, changes(target, [("shard1", 1, False, 5, "hidden")]), partition=ONE))
    sink.apply(batch(0, changes(target, [("shard0", 2, False, 5, "shown")])))
    assert content(target) == [(5, "shown", "shard0")]
    state.ask_resyncs([asked()])
    state.resync_read(asked(), {ZERO: 1})
    sink.apply(ends(target, asked()))
    assert content(target) == [(5, "hidden", "shard1")]


def test_a_hidden_row_that_was_not_seen_again_is_gone_too(target: Target) -> None:
    sink, state = target.sink(), target.state()
    sink.claim([ZERO, ONE])
    sink.apply(batch(0, changes(target, [("shard0", 1, False, 5, "hidden")])))
    sink.apply(batch(0, changes(target, [("shard1", 2, False, 5, "shown")]), partition=ONE))
    state.ask_resyncs([asked()])
    state.resync_read(asked(), {ZERO: 1})
    sink.apply(ends(target, asked()))
    sink.apply(batch(1, changes(target, [("shard1", 3, True, 5, None)]), partition=ONE))
    assert content(target) == []


def test_nothing_goes_before_all_that_was_read_is_in_the_target(target: Target) -> None:
    sink, state = target.sink(), target.state()
    sink.claim([ZERO])
    sink.apply(batch(0, changes(target, [("shard0", 1, False, 1, "old")])))
    state.ask_resyncs([asked()])
    for step in (lambda: None, lambda: state.resync_read(asked(), {ZERO: 3})):
        step()
        with pytest.raises(Overtaken):
            sink.apply(ends(target, asked()))
        assert content(target) == [(1, "old", "shard0")]


def test_one_that_was_asked_for_again_or_has_failed_ends_nothing(target: Target) -> None:
    sink, state = target.sink(), target.state()
    sink.claim([ZERO])
    sink.apply(batch(0, changes(target, [("shard0", 1, False, 1, "old")])))
    state.ask_resyncs([asked()])
    state.resync_read(asked(), {ZERO: 1})
    state.ask_resyncs([asked(200, "r-2")])
    state.resync_read(asked(), {ZERO: 1})
    with pytest.raises(Overtaken):
        sink.apply(ends(target, asked()))
    state.resync_failed(asked(200, "r-2"), "no key")
    (failed,) = state.resyncs()
    assert (failed.id, failed.state, failed.reason, failed.open) == ("r-2", ResyncState.FAILED, "no key", False)
    with pytest.raises(Overtaken):
        sink.apply(ends(target, asked(200, "r-2")))
    assert content(target) == [(1, "old", "shard0")]


def test_one_that_is_done_is_not_done_twice(target: Target) -> None:
    sink, state = target.sink(), target.state()
    sink.claim([ZERO])
    sink.apply(batch(0, changes(target, [("shard0", 1, False, 1, "old")])))
    state.ask_resyncs([asked()])
    state.resync_read(asked(), {ZERO: 1})
    sink.apply(ends(target, asked()))
    with pytest.raises(Overtaken):
        target.sink().apply(ends(target, asked()))


def test_dead_letters_from_before_it_are_superseded_and_later_ones_stay_open(target: Target) -> None:
    sink, state = target.sink(), target.state()
    sink.claim([ZERO])
    letters = [DeadLetter(ZERO, n, b"\0\0\0\0\1" + bytes([n]), b"x", (), kind="k", reason="r") for n in (0, 5)]
    sink.apply(Batch(batch(0, end=6).spans, dead=tuple(letters)))
    state.ask_resyncs([asked(start=3)])
    state.resync_read(asked(), {ZERO: 6})
    sink.apply(ends(target, asked(start=3)))
    found = {head.id.offset: head.state for head in state.letters(LetterFilter(states=None))}
    assert found == {0: LetterState.SUPERSEDED, 5: LetterState.OPEN}


def test_a_rewind_below_its_end_lets_it_wait_again(target: Target) -> None:
    sink, state = target.sink(), target.state()
    sink.claim([ZERO])
    sink.apply(batch(0, end=4))
    state.ask_resyncs([asked()])
    state.resync_read(asked(), {ZERO: 4})
    state.rewind({ZERO: 2}, {}, "me")
    assert [resync.passed for resync in state.resyncs()] == [False]
    with pytest.raises(Overtaken):
        sink.apply(ends(target, asked()))

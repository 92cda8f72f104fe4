"""What every sink promises of its dead letters, and of what people may change beside running daemons."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from afflux.errors import Fenced, Overtaken, RefusedError, SinkError
from afflux.sinks.batch import HELD, Batch, DeadLetter, EventKey, LetterId, Partition, Span, Truncate
from afflux.sinks.sql.state import SqlState
from afflux.sinks.state import LetterFilter, LetterState
from targets import ONE, ZERO, PostgresTarget, Target, batch, changes, content

KEY = b"\x00\x00\x00\x00\x07\x02"
OTHER_KEY = b"\x00\x00\x00\x00\x07\x04"
OPEN, SUPERSEDED, REPLAYED, DISCARDED = LetterState


def letter(offset: int, key: bytes | None = KEY, partition: Partition = ZERO, *, kind: str = "refused") -> DeadLetter:
    headers = (("__debezium.newkey", b"{}"), ("odd", None))
    return DeadLetter(partition, offset, key, b"\x00value", headers, kind=kind, reason="because \x00 of that")


def dead(start: int, *letters: DeadLetter, end: int | None = None) -> Batch:
    """A batch that writes nothing but dead letters."""
    return replace(batch(start, end=end), dead=letters)


def key_of(data: bytes, partition: Partition = ZERO) -> EventKey:
    return EventKey(partition.topic, data[5:])


def says_all(target: Target, offset: int, note: str) -> Batch:
    """A batch with an event that says all of row 1, whose key is KEY."""
    rows = changes(target, [("shard0", offset, False, 1, note)])
    return replace(batch(offset, rows), superseded={key_of(KEY): LetterId(ZERO, offset)})


def replay_of(target: Target, offset: int, note: str = "replayed") -> Batch:
    rows = changes(target, [("shard0", offset, False, 1, note)])
    return Batch({}, (rows,), replayed=frozenset([LetterId(ZERO, offset)]))


def states(target: Target) -> dict[int, LetterState]:
    return {head.id.offset: head.state for head in target.state().letters(LetterFilter(states=None))}


def test_a_dead_letter_is_written_with_its_batch_whole(target: Target) -> None:
    sink = target.sink()
    sink.claim([ZERO])
    sink.apply(dead(0, letter(3), end=5))
    (head,) = target.state().letters(LetterFilter())
    assert (head.id, head.key, head.kind, head.state, head.size) == (LetterId(ZERO, 3), KEY, "refused", OPEN, 6)
    assert abs(head.first_seen - datetime.now(UTC)) < timedelta(minutes=5)
    (whole,) = target.state().whole([head.id]).values()
    assert (whole.value, whole.headers) == (b"\x00value", letter(3).headers)
    assert sink.claim([ZERO]) == {ZERO: 5}
    assert sink.open_dead_letters() == {LetterId(ZERO, 3): key_of(KEY)}


def test_a_batch_that_is_fenced_writes_no_dead_letter(target: Target) -> None:
    old, new = target.sink(), target.sink()
    old.claim([ZERO])
    new.claim([ZERO])
    with pytest.raises(Fenced):
        old.apply(dead(0, letter(0)))
    assert states(target) == {}


def test_a_dead_letter_is_superseded_in_the_batch_of_the_event_that_does(target: Target) -> None:
    sink = target.sink()
    sink.claim([ZERO])
    sink.apply(dead(0, letter(0), letter(1, OTHER_KEY), letter(2, None), end=3))
    sink.apply(says_all(target, 3, "good"))
    assert states(target) == {0: SUPERSEDED, 1: OPEN, 2: OPEN}
    assert list(sink.open_dead_letters()) == [LetterId(ZERO, 1)]


def test_an_event_supersedes_no_later_letter(target: Target) -> None:
    sink = target.sink()
    sink.claim([ZERO])
    sink.apply(dead(0, letter(0), letter(9), end=1))
    sink.apply(says_all(target, 1, "good"))
    assert states(target) == {0: SUPERSEDED, 9: OPEN}


def test_a_truncate_supersedes_what_came_before_it_in_its_partition(target: Target) -> None:
    sink = target.sink()
    sink.claim([ZERO, ONE])
    sink.apply(dead(0, letter(0), letter(1, None), letter(3, OTHER_KEY), end=2))
    sink.apply(replace(batch(0, partition=ONE), dead=(letter(0, KEY, ONE),)))
    truncate = changes(target, [], truncates=(Truncate("shard0", 5),))
    sink.apply(replace(batch(2, truncate), truncated={ZERO: 2}))
    found = {(h.id.partition, h.id.offset): h.state for h in target.state().letters(LetterFilter(states=None))}
    assert found == {(ZERO, 0): SUPERSEDED, (ZERO, 1): SUPERSEDED, (ZERO, 3): OPEN, (ONE, 0): OPEN}


def test_a_replay_applies_a_letter_once(target: Target) -> None:
    sink, person = target.sink(), target.sink()
    sink.claim([ZERO])
    sink.apply(dead(0, letter(0)))
    person.apply(replay_of(target, 0))
    assert (content(target), states(target)) == ([(1, "replayed", "shard0")], {0: REPLAYED})
    with pytest.raises(Overtaken):
        target.sink().apply(replay_of(target, 0, "twice"))
    assert content(target) == [(1, "replayed", "shard0")]


@pytest.mark.parametrize("how", ["superseded", "discarded", "never there"])
def test_a_letter_that_is_not_open_is_not_replayed(target: Target, how: str) -> None:
    sink = target.sink()
    sink.claim([ZERO])
    sink.apply(dead(0, letter(0)) if how != "never there" else batch(0))
    sink.apply(says_all(target, 1, "good") if how == "superseded" else batch(1))
    if how == "discarded":
        assert target.state().discard([LetterId(ZERO, 0), LetterId(ZERO, 7)]) == {LetterId(ZERO, 0)}
        assert target.state().discard([LetterId(ZERO, 0)]) == frozenset()
    before = target.rows(changes(target, []).table) if how == "superseded" else None
    with pytest.raises(Overtaken):
        target.sink().apply(replay_of(target, 0))
    assert before is None or target.rows(changes(target, []).table) == before


def test_a_letter_that_fails_again_stays_open_with_its_new_reason(target: Target) -> None:
    sink = target.sink()
    sink.claim([ZERO])
    sink.apply(dead(0, letter(0), letter(1, OTHER_KEY), end=2))
    (_, first) = target.state().letters(LetterFilter())
    again = replace(letter(1, OTHER_KEY), kind="other", reason="still")
    both = replace(replay_of(target, 0), dead=(again,), replayed=frozenset([LetterId(ZERO, 0), LetterId(ZERO, 1)]))
    target.sink().apply(both)
    (left,) = target.state().letters(LetterFilter())
    assert (left.id.offset, left.kind, left.reason) == (1, "other", "still")
    assert left.last_seen > first.last_seen
    assert left.first_seen == first.first_seen


def test_an_event_waits_only_for_a_letter_that_is_open(target: Target) -> None:
    sink = target.sink()
    sink.claim([ZERO])
    sink.apply(dead(0, letter(0)))
    waits = replace(dead(1, letter(1, kind=HELD)), awaited={key_of(KEY): LetterId(ZERO, 1)})
    target.state().discard([LetterId(ZERO, 0)])
    with pytest.raises(Overtaken):
        sink.apply(waits)
    assert (states(target), sink.claim([ZERO])) == ({0: DISCARDED}, {ZERO: 1})


def test_an_event_waits_for_no_later_letter(target: Target) -> None:
    sink = target.sink()
    sink.claim([ZERO])
    sink.apply(dead(0, letter(0), letter(5), end=1))
    target.state().discard([LetterId(ZERO, 0)])
    with pytest.raises(Overtaken):
        sink.apply(replace(dead(1, letter(1, kind=HELD)), awaited={key_of(KEY): LetterId(ZERO, 1)}))


def test_letters_are_found_by_what_is_asked_for_in_order(target: Target) -> None:
    sink = target.sink()
    sink.claim([ZERO, ONE])
    sink.apply(replace(batch(0, partition=ONE), dead=(letter(0, KEY, ONE),)))
    sink.apply(dead(0, letter(7, None), letter(2, kind=HELD), end=9))
    target.state().discard([LetterId(ZERO, 7)])

    def found(wanted: LetterFilter) -> list[tuple[Partition, int]]:
        return [tuple(head.id) for head in target.state().letters(wanted)]

    now = datetime.now(UTC)
    assert found(LetterFilter()) == [(ZERO, 2), (ONE, 0)]
    assert found(LetterFilter(states=None)) == [(ZERO, 2), (ZERO, 7), (ONE, 0)]
    assert found(LetterFilter(states=[DISCARDED])) == [(ZERO, 7)]
    assert found(LetterFilter(topics=[ONE.topic])) == [(ONE, 0)]
    assert found(LetterFilter(kind=HELD)) == [(ZERO, 2)]
    assert found(LetterFilter(since=now + timedelta(hours=1))) == []
    assert found(LetterFilter(until=now - timedelta(hours=1))) == []


def test_a_table_is_stopped_and_resumed(target: Target) -> None:
    sink, state = target.sink(), target.state()
    sink.stop_table("a", "by itself")
    state.stop(["a", "b"], "by hand")
    assert sink.stopped_tables() == {"a": "by itself", "b": "by hand"}
    assert [(stop.topic, stop.reason) for stop in state.stops()] == [("a", "by itself"), ("b", "by hand")]
    state.resume(["a", "never stopped"])
    assert sink.stopped_tables() == {"b": "by hand"}


def test_a_rewind_fences_the_worker_and_the_next_claim_begins_there(target: Target) -> None:
    sink, state = target.sink(), target.state()
    sink.claim([ZERO, ONE])
    sink.apply(batch(0, changes(target, [("shard0", 1, False, 1, "a")]), end=5))
    state.rewind({ZERO: 2}, {}, "me@here")
    assert sink.rewound() == {ZERO}
    assert [(s.partition, s.next_offset, s.owner) for s in state.positions()][:1] == [(ZERO, 2, "rewound by me@here")]
    with pytest.raises(Fenced):
        sink.apply(batch(5, changes(target, [("shard0", 9, False, 1, "stale")])))
    with pytest.raises(Fenced):
        sink.apply(batch(2, changes(target, [("shard0", 9, False, 1, "stale")])))
    assert sink.claim([ZERO]) == {ZERO: 2}
    assert sink.rewound() == frozenset()
    sink.apply(batch(2, changes(target, [("shard0", 9, False, 1, "again")])))
    assert content(target) == [(1, "again", "shard0")]


def test_a_rewind_supersedes_the_letters_that_are_read_again(target: Target) -> None:
    sink = target.sink()
    sink.claim([ZERO])
    sink.apply(dead(0, letter(1), letter(4), letter(5, None), end=6))
    target.state().rewind({ZERO: 4}, {}, "me")
    assert states(target) == {1: OPEN, 4: SUPERSEDED, 5: SUPERSEDED}
    sink.claim([ZERO])
    sink.apply(dead(4, letter(4), end=6))
    assert states(target) == {1: OPEN, 4: OPEN, 5: SUPERSEDED}


def test_a_topic_made_anew_is_noticed_until_its_position_is_set_in_it(target: Target) -> None:
    sink, state = target.sink(), target.state()
    sink.claim([ZERO, ONE], {ZERO.topic: "old"})
    sink.apply(dead(0, letter(0), end=3))
    assert sink.recreated({ZERO.topic: "old", ONE.topic: "any"}) == frozenset()
    assert sink.claim([ZERO], {ZERO.topic: "new"}) == {ZERO: 3}
    assert sink.recreated({ZERO.topic: "new"}) == {ZERO.topic}
    state.rewind({ZERO: 1}, {ZERO.topic: "new"}, "me")
    assert sink.recreated({ZERO.topic: "new"}) == frozenset()
    assert {s.partition: s.topic_id for s in state.positions()} == {ZERO: "new", ONE: ""}
    assert states(target) == {0: SUPERSEDED}, "events of the old topic are nowhere else now"


# --- PostgreSQL: a daemon and replays at one moment -------------------------------------------------


@pytest.fixture
def warehouse(warehouse_url: str) -> Iterator[PostgresTarget]:
    made = PostgresTarget(warehouse_url)
    yield made
    made.close()


class Beside:
    """A transaction of somebody else, open at the moment of the test."""

    def __init__(self, url: str, target: PostgresTarget) -> None:
        self._connection = psycopg.connect(url)
        self._watch = psycopg.connect(url, autocommit=True)
        self._thread = ThreadPoolExecutor(1)
        self._topology = target.schema

    def set_state(self, state: LetterState) -> None:
        self._connection.execute(
            "UPDATE afflux.dead_letters SET state = %s WHERE topology = %s AND state = 'open'", [state, self._topology]
        )

    def write(self, target: PostgresTarget, note: str) -> None:
        self._connection.execute(f"UPDATE {target.schema}.t SET note = %s", [note])  # type: ignore[arg-type]

    def meanwhile(self, step: Callable[[], None]) -> "Future[None]":
        """Begin a step, and come back when it waits for this transaction."""
        going = self._thread.submit(step)
        blocked = (
            "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%%dead_letters%%'"
        )
        while self._watch.execute(blocked).fetchone() == (0,) and not going.done():
            threading.Event().wait(0.01)
        assert not going.done(), "it did not wait"
        return going

    def commit(self) -> None:
        self._connection.commit()

    def close(self) -> None:
        self._thread.shutdown()
        self._connection.close()
        self._watch.close()


@pytest.fixture
def beside(warehouse: PostgresTarget, warehouse_url: str) -> Iterator[Beside]:
    made = Beside(warehouse_url, warehouse)
    yield made
    made.close()


def prepared(target: PostgresTarget) -> None:
    """Row 1 is there, and a later event of it is dead."""
    sink = target.sink()
    sink.claim([ZERO])
    sink.apply(batch(0, changes(target, [("shard0", 0, False, 1, "first")])))
    sink.apply(dead(1, letter(1)))


def test_a_replay_waits_for_the_daemon_that_supersedes_its_letter_and_writes_nothing(
    warehouse: PostgresTarget, beside: Beside
) -> None:
    prepared(warehouse)
    beside.set_state(SUPERSEDED)
    beside.write(warehouse, "the daemon's")
    going = beside.meanwhile(lambda: warehouse.sink().apply(replay_of(warehouse, 1)))
    beside.commit()
    with pytest.raises(Overtaken):
        going.result()
    assert content(warehouse) == [(1, "the daemon's", "shard0")]


def test_a_daemon_waits_for_the_replay_of_what_it_supersedes_and_writes_over_it(
    warehouse: PostgresTarget, beside: Beside
) -> None:
    prepared(warehouse)
    beside.set_state(REPLAYED)
    beside.write(warehouse, "the replay's")
    sink = warehouse.sink()
    sink.claim([ZERO])
    going = beside.meanwhile(lambda: sink.apply(says_all(warehouse, 2, "the daemon's")))
    beside.commit()
    going.result()
    assert content(warehouse) == [(1, "the daemon's", "shard0")]
    assert states(warehouse) == {1: REPLAYED}


def test_a_daemon_that_lets_an_event_wait_waits_for_the_replay_of_what_it_waits_for(
    warehouse: PostgresTarget, beside: Beside
) -> None:
    prepared(warehouse)
    beside.set_state(REPLAYED)
    sink = warehouse.sink()
    sink.claim([ZERO])
    waits = replace(dead(2, letter(2, kind=HELD)), awaited={key_of(KEY): LetterId(ZERO, 2)})
    going = beside.meanwhile(lambda: sink.apply(waits))
    beside.commit()
    with pytest.raises(Overtaken):
        going.result()
    assert states(warehouse) == {1: REPLAYED}


def test_of_two_replays_at_once_one_applies(warehouse: PostgresTarget) -> None:
    prepared(warehouse)
    together = threading.Barrier(2)

    def attempt(note: str) -> str:
        sink = warehouse.sink()
        together.wait()
        try:
            sink.apply(replay_of(warehouse, 1, note))
        except Overtaken:
            return ""
        return note

    with ThreadPoolExecutor(2) as threads:
        applied = [note for note in threads.map(attempt, ["one", "other"]) if note]
    assert len(applied) == 1
    assert content(warehouse) == [(1, applied[0], "shard0")]


def test_a_daemon_and_replays_at_once_end_with_the_daemons_row(warehouse: PostgresTarget) -> None:
    sink = warehouse.sink()
    sink.claim([ZERO])
    sink.apply(batch(0, changes(warehouse, [("shard0", 0, False, 1, "first")])))
    people = [warehouse.sink(), warehouse.sink()]

    def attempt(person: int, offset: int) -> None:
        with suppress(Overtaken):
            people[person].apply(replay_of(warehouse, offset))

    with ThreadPoolExecutor(3) as threads:
        for offset in range(1, 30, 2):
            sink.apply(dead(offset, letter(offset)))
            replays = [threads.submit(attempt, person, offset) for person in (0, 1)]
            daemon = threads.submit(sink.apply, says_all(warehouse, offset + 1, f"daemon {offset}"))
            for going in (*replays, daemon):
                going.result()
            assert content(warehouse) == [(1, f"daemon {offset}", "shard0")]
            assert states(warehouse)[offset] in (SUPERSEDED, REPLAYED)


def test_a_refused_replay_leaves_the_letter_open(warehouse: PostgresTarget) -> None:
    prepared(warehouse)
    with pytest.raises(RefusedError):
        warehouse.sink().apply(replay_of(warehouse, 1, "nul \x00"))
    assert (content(warehouse), states(warehouse)) == ([(1, "first", "shard0")], {1: OPEN})


def test_a_target_without_state_is_said_to_have_none(warehouse_url: str) -> None:
    elsewhere = warehouse_url.rpartition("/")[0] + "/postgres"
    with pytest.raises(SinkError, match="has no state yet"):
        SqlState(name="w", url=elsewhere, topology="t", group="g").positions()


def test_positions_and_letters_are_of_one_group_of_one_topology(warehouse_url: str) -> None:
    one, other = PostgresTarget(warehouse_url), PostgresTarget(warehouse_url)
    sink = one.sink()
    sink.claim([ZERO])
    sink.apply(Batch({ZERO: Span(0, 1)}, dead=(letter(0),)))
    sink.stop_table("t", "r")
    state = other.state()
    state.rewind({ZERO: 0}, {}, "me")
    assert (state.positions(), state.stops(), state.letters(LetterFilter(states=None))) == ([], [], [])
    assert state.discard([LetterId(ZERO, 0)]) == frozenset()
    assert states(one) == {0: OPEN}
    one.close()
    other.close()

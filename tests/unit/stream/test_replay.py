"""A replay applies what died as if it had never died, and brings nothing back that is gone."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from afflux.sinks.batch import HELD, LetterId, Partition
from afflux.sinks.memory import Memory
from afflux.sinks.memory_state import MemoryState
from afflux.sinks.state import LetterState
from afflux.types.stock import PLACEHOLDER
from debezium import Event, Wire, column
from declared import topology
from lines import COLUMNS, ID, REFUSED, TABLE, TOPIC, Line, broken, row

PARTITION = Partition(TOPIC, 0)


@pytest.fixture
def wire() -> Wire:
    return Wire()


@pytest.fixture
def line(wire: Wire) -> Iterator[Line]:
    made = Line(wire, topology(), Memory())
    yield made
    made.pipeline.close()


def test_a_replay_applies_in_order_and_releases_what_is_held(wire: Wire, line: Line) -> None:
    line.feed([row(wire, "c", 1, "old")], [row(wire, "u", 1, REFUSED)], [row(wire, "u", 1, PLACEHOLDER, 7)])
    assert [kind for _, kind in line.dead()] == ["refused by the target", HELD]
    line.replay([LetterId(PARTITION, 1)])
    assert [(r["note"], r["n"]) for r in line.memory.rows(TABLE).values()] == [(REFUSED, 7)]
    assert line.states() == {1: LetterState.REPLAYED, 2: LetterState.REPLAYED}


def test_a_letter_that_fails_again_stays_open_and_so_does_what_waits_for_it(wire: Wire, line: Line) -> None:
    line.feed([row(wire, "c", 1, "old")], [row(wire, "u", 1, REFUSED)], [row(wire, "u", 1, PLACEHOLDER, 7)])
    before = dict(line.memory.letters)
    line.replay(picky=True)
    assert line.states() == {1: LetterState.OPEN, 2: LetterState.OPEN}
    assert line.rows() == {1: "old"}
    assert all(line.memory.letters[at].last_seen > kept.last_seen for at, kept in before.items())
    assert all(line.memory.letters[at].first_seen == kept.first_seen for at, kept in before.items())


def test_a_letter_that_fails_otherwise_has_its_new_reason(wire: Wire, line: Line) -> None:
    line.feed([row(wire, "c", 1, REFUSED)])
    wire.schemas.clear()
    line.replay()
    assert line.dead() == [(0, "its table can't take it")]
    assert "schema id 2 is not in the registry" in line.memory.dead[LetterId(PARTITION, 0)].reason


def test_a_good_letter_is_replayed_beside_a_bad_one(wire: Wire, line: Line) -> None:
    line.feed([broken(row(wire, "c", 1, "x")), row(wire, "c", 2, REFUSED), row(wire, "c", 3, REFUSED)])
    line.replay()
    assert (line.rows(), line.dead()) == ({2: REFUSED, 3: REFUSED}, [(0, "not of its schema")])


def test_letters_are_replayed_once(wire: Wire, line: Line) -> None:
    line.feed([row(wire, "c", 1, REFUSED)])
    letters = list(line.memory.dead)
    line.replay()
    line.feed([row(wire, "u", 1, "later")])
    line.replay(letters)
    assert line.rows() == {1: "later"}


@pytest.mark.parametrize("op", ["u", "d"])
def test_what_a_later_event_has_superseded_is_not_brought_back(wire: Wire, line: Line, op: str) -> None:
    line.feed([row(wire, "c", 1, REFUSED)])
    letters = list(line.memory.dead)
    line.feed([row(wire, op, 1, "later")])
    line.replay(letters)
    assert line.rows() == ({1: "later"} if op == "u" else {})


def test_a_truncated_row_is_not_brought_back(wire: Wire, line: Line) -> None:
    line.feed([row(wire, "c", 1, REFUSED)])
    line.feed([wire.event("shard0", "public.t", COLUMNS, "t", None)])
    line.replay()
    assert (line.rows(), line.states()) == ({}, {0: LetterState.SUPERSEDED})


def test_a_letter_whose_table_can_not_take_it_keeps_no_other_from_being_replayed(wire: Wire, line: Line) -> None:
    odd = [ID, column("odd", "string", "HSTORE")]
    line.feed([row(wire, "c", 1, REFUSED), row(wire, "c", 2, REFUSED), row(wire, "u", 3, REFUSED)])
    at = LetterId(PARTITION, 1)
    other = wire.event("shard0", "public.t", odd, "c", {"id": 2, "odd": ""}).value() or b""
    kept = line.memory.letters[at]
    line.memory.letters[at] = replace(kept, letter=replace(kept.letter, value=other))
    line.replay()
    assert line.rows() == {1: REFUSED, 3: REFUSED}
    assert line.dead() == [(1, "its table can't take it")]


def test_what_waits_for_a_letter_whose_table_can_not_take_it_goes_on_waiting(wire: Wire, line: Line) -> None:
    odd = [ID, column("odd", "string", "HSTORE")]
    line.feed([row(wire, "c", 1, "old")], [row(wire, "u", 1, REFUSED)], [row(wire, "u", 1, PLACEHOLDER, 7)])
    kept = line.memory.letters[LetterId(PARTITION, 1)]
    other = wire.event("shard0", "public.t", odd, "u", {"id": 1, "odd": ""}).value() or b""
    line.memory.letters[kept.letter.id] = replace(kept, letter=replace(kept.letter, value=other))
    line.replay()
    assert line.dead() == [(1, "its table can't take it"), (2, HELD)]
    assert [r["n"] for r in line.memory.rows(TABLE).values()] == [0]


def test_a_change_of_key_waits_with_the_values_that_a_dead_letter_has_changed(wire: Wire, line: Line) -> None:
    """The row under its new key takes its large value from the old row, which lacks what the dead one says."""
    line.feed([row(wire, "c", 1, "old"), row(wire, "u", 1, REFUSED)])
    line.feed(moved(wire, 1, 2))
    assert line.rows() == {1: "old"}
    line.replay([LetterId(PARTITION, 1)])
    assert line.rows() == {2: REFUSED}


def test_rewound_letters_are_not_replayed_for_they_are_read_again(wire: Wire, line: Line) -> None:
    events = [row(wire, "c", 1, "a"), row(wire, "u", 1, REFUSED)]
    line.feed(events)
    MemoryState(line.memory).rewind({PARTITION: 1}, {}, "me")
    assert line.states() == {1: LetterState.SUPERSEDED}
    line.rejoin()
    line.feed(events[1:])
    assert line.dead() == [(1, "refused by the target")]


# --- any history ------------------------------------------------------------------------------------


def moved(wire: Wire, old: int, new: int, n: int = 0, note: str = PLACEHOLDER) -> list[Event]:
    """An update that changes the key, as Debezium writes it: two events of one LSN, large values left out."""
    lsn = next(wire.lsn)
    gone = wire.event("shard0", "public.t", COLUMNS, "d", {"id": old, "note": None, "n": 0}, lsn=lsn)
    came = wire.event("shard0", "public.t", COLUMNS, "c", {"id": new, "note": note, "n": n}, lsn=lsn)
    gone._headers.append(("__debezium.newkey", b"{}"))
    came._headers.append(("__debezium.oldkey", b"{}"))
    return [gone, came]


@st.composite
def stories(draw: st.DrawFn) -> tuple[list[tuple[Any, ...]], list[int]]:
    """Changes of two or three rows, some of them refused, and how many events each batch has; 0: a replay."""
    steps = draw(
        st.lists(
            st.tuples(
                st.sampled_from(["write", "write", "touch", "touch", "delete", "move", "truncate"]),
                st.integers(1, 3),
                st.booleans(),
            ),
            min_size=1,
            max_size=14,
        )
    )
    return steps, draw(st.lists(st.integers(0, 4), min_size=40, max_size=40))


@settings(max_examples=80)
@given(stories())
def test_any_history_with_dead_letters_ends_equal_once_they_are_mended_and_replayed(
    story: tuple[list[tuple[Any, ...]], list[int]],
) -> None:
    steps, sizes = story
    wire = Wire()
    events, truth = played(wire, steps)
    line = Line(wire, topology(), Memory())
    for size in sizes:
        position = line.memory.offsets.get(PARTITION, 0)
        batch = events[position : position + size]
        if not size:
            line.replay()
        elif batch:
            line.rejoin()
            line.feed(batch)
        if line.memory.stopped:  # a row without a value that only a dead letter has: replayed, it is there
            line.replay()
            MemoryState(line.memory).resume([TOPIC])
            line.pipeline.look().result()
    line.rejoin()
    line.feed(events[line.memory.offsets.get(PARTITION, 0) :])
    line.replay()
    line.pipeline.close()
    assert line.memory.stopped == {}
    assert {r["id"]: (r["note"], r["n"]) for r in line.memory.rows(TABLE).values()} == truth
    assert line.dead() == []


def played(wire: Wire, steps: list[tuple[Any, ...]]) -> tuple[list[Event], dict[int, tuple[str, int]]]:
    """Play changes one by one at the source; the target refuses a row while its number is below zero."""
    rows: dict[int, tuple[str, int]] = {}
    events: list[Event] = []
    for number, (what, key, refused) in enumerate(steps, 1):
        n = -number if refused else number
        if what == "write":
            events.append(row(wire, "u" if key in rows else "c", key, f"note {number}", n))
            rows[key] = (f"note {number}", n)
        elif what == "touch" and key in rows:
            events.append(row(wire, "u", key, PLACEHOLDER, n))
            rows[key] = (rows[key][0], n)
        elif what == "delete" and key in rows:
            events.append(row(wire, "d", key, None, 0))
            del rows[key]
        elif what == "move" and key in rows and key + 1 not in rows:
            events.extend(moved(wire, key, key + 1, n))
            rows[key + 1] = (rows.pop(key)[0], n)
        elif what == "truncate":
            events.append(wire.event("shard0", "public.t", COLUMNS, "t", None))
            rows.clear()
    return events, rows

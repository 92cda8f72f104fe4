"""A bad event stops nothing else, and what is dead never comes back over what is alive."""

import itertools
from collections.abc import Iterator

import pytest

from afflux.errors import DecodeError
from afflux.sinks.batch import HELD, Partition
from afflux.sinks.memory import Memory
from afflux.sinks.memory_state import MemoryState
from afflux.sinks.state import LetterState
from afflux.stream.deaths import Deaths
from afflux.topology.model import OnError
from afflux.types.stock import PLACEHOLDER
from debezium import Wire, column
from declared import topology
from lines import ID, TABLE, TOPIC, Line, broken, row


@pytest.fixture
def wire() -> Wire:
    return Wire()


@pytest.fixture
def line(wire: Wire) -> Iterator[Line]:
    made = Line(wire, topology(), Memory())
    yield made
    made.pipeline.close()


def test_undecodable_bytes_become_a_dead_letter_and_the_others_are_applied(wire: Wire, line: Line) -> None:
    line.feed([row(wire, "c", 1, "a"), broken(row(wire, "c", 2, "b")), row(wire, "c", 3, "c")])
    assert line.rows() == {1: "a", 3: "c"}
    assert line.dead() == [(1, "not of its schema")]
    assert line.memory.offsets == {Partition("shard0.public.t", 0): 3}


def test_trailing_bytes_are_seen(wire: Wire, line: Line) -> None:
    long = row(wire, "c", 1, "a")
    long._value = (long._value or b"") + b"\x00\x00"
    line.feed([long, row(wire, "c", 2, "b")])
    assert line.rows() == {2: "b"}
    assert line.dead() == [(0, "not of its schema")]


def test_a_first_event_that_can_not_be_read_hides_no_other(wire: Wire, line: Line) -> None:
    line.feed([broken(row(wire, "c", 1, "a")), row(wire, "c", 2, "b")])
    assert line.rows() == {2: "b"}


def test_bytes_without_a_schema_id_become_a_dead_letter(wire: Wire, line: Line) -> None:
    odd = row(wire, "c", 1, "a")
    odd._value = b'{"json": true}'
    line.feed([odd, row(wire, "c", 2, "b")])
    assert (line.rows(), line.dead()) == ({2: "b"}, [(0, "no schema id")])


def test_a_refused_value_becomes_a_dead_letter_in_its_batchs_own_transaction(wire: Wire, line: Line) -> None:
    line.feed([row(wire, "c", 1, "a"), row(wire, "c", 2, "refuse me"), row(wire, "u", 1, "b")])
    assert (line.rows(), line.dead()) == ({1: "b"}, [(1, "refused by the target")])


def test_the_row_stays_as_its_last_good_event_left_it(wire: Wire, line: Line) -> None:
    line.feed([row(wire, "c", 1, "good"), row(wire, "u", 1, "refuse me")])
    assert (line.rows(), line.dead()) == ({1: "good"}, [(1, "refused by the target")])


@pytest.mark.parametrize("together", [True, False])
def test_a_later_full_event_supersedes_a_dead_letter(wire: Wire, line: Line, *, together: bool) -> None:
    bad, good = broken(row(wire, "u", 1, "bad")), row(wire, "u", 1, "good")
    line.feed([row(wire, "c", 1, "a"), bad, good]) if together else line.feed([row(wire, "c", 1, "a"), bad], [good])
    assert (line.rows(), line.dead()) == ({1: "good"}, [])


def test_a_delete_supersedes_a_dead_letter(wire: Wire, line: Line) -> None:
    line.feed([row(wire, "c", 1, "a"), broken(row(wire, "u", 1, "bad"))], [row(wire, "d", 1, None)])
    assert (line.rows(), line.dead()) == ({}, [])


@pytest.mark.parametrize("together", [True, False])
def test_an_event_without_the_values_of_a_dead_one_is_held_behind_it(wire: Wire, line: Line, *, together: bool) -> None:
    first, bad = row(wire, "c", 1, "old"), row(wire, "u", 1, "refuse me")
    masked = row(wire, "u", 1, PLACEHOLDER, 7)
    line.feed([first, bad, masked]) if together else line.feed([first], [bad], [masked])
    assert line.rows() == {1: "old"}
    assert [offset for offset, _ in line.dead()] == [1, 2]


def test_a_held_event_says_so(wire: Wire, line: Line) -> None:
    line.feed([row(wire, "c", 1, "old")], [broken(row(wire, "u", 1, "x"))], [row(wire, "u", 1, PLACEHOLDER, 7)])
    assert line.dead() == [(1, "not of its schema"), (2, HELD)]


def test_an_unknown_schema_id_stops_its_table_alone_and_keeps_its_position(wire: Wire, line: Line) -> None:
    lost = row(wire, "c", 1, "a", table="public.lost")
    lost._value = b"\x00\x00\x00\x03\xe7" + (lost._value or b"")[5:]
    wire.schemas.pop(999, None)
    line.feed([lost, row(wire, "c", 2, "b")])
    assert line.rows() == {2: "b"}
    assert list(line.memory.stopped) == ["shard0.public.lost"]
    assert line.memory.offsets[Partition("shard0.public.lost", 0)] == 0


def test_a_type_that_is_not_handled_stops_its_table_alone(wire: Wire, line: Line) -> None:
    odd = [ID, column("odd", "string", "HSTORE")]
    line.feed([wire.event("shard0", "public.odd", odd, "c", {"id": 1, "odd": ""}), row(wire, "c", 2, "b")])
    assert line.rows() == {2: "b"}
    assert "type hstore" in line.memory.stopped["shard0.public.odd"]


def test_a_stopped_table_goes_on_from_its_position(wire: Wire, line: Line) -> None:
    odd = [ID, column("odd", "string", "HSTORE")]
    event = wire.event("shard0", "public.t", odd, "c", {"id": 1, "odd": ""})
    line.feed([event])
    number = int.from_bytes((event._value or b"")[1:5], "big")
    text = str(wire.schemas[number]).replace("HSTORE", "TEXT")
    wire.schemas[number] = eval(text)  # noqa: S307 - our own text
    line.memory.stopped.clear()
    line.preparer.resume("shard0.public.t")
    line._next.clear()
    line.feed([event])
    assert [r["odd"] for r in line.memory.rows(TABLE).values()] == [""]


def test_a_registry_that_lost_its_ids_stops_everything(wire: Wire, line: Line) -> None:
    event, other = row(wire, "c", 1, "a"), row(wire, "c", 1, "a", table="public.other")
    one, two = (int.from_bytes((m._value or b"")[1:5], "big") for m in (event, other))
    wire.schemas[one], wire.schemas[two] = wire.schemas[two], wire.schemas[one]
    with pytest.raises(DecodeError, match="schema is of"):
        line.feed([event])
    assert line.memory.offsets == {Partition("shard0.public.t", 0): 0}


def test_a_bad_event_in_a_batch_takes_its_values_with_it(wire: Wire, line: Line) -> None:
    """A large value that only the bad event knows is not made up from an earlier event of the same batch."""
    line.feed([row(wire, "c", 1, "old"), broken(row(wire, "u", 1, "new")), row(wire, "u", 1, PLACEHOLDER, 7)])
    assert (line.rows(), line.dead()) == ({1: "old"}, [(1, "not of its schema"), (2, HELD)])


def test_an_event_before_a_dead_letter_does_not_wait_for_it(wire: Wire, line: Line) -> None:
    line.feed([row(wire, "c", 1, "old")], [row(wire, "u", 1, PLACEHOLDER, 7), broken(row(wire, "u", 1, "x"))])
    assert line.dead() == [(2, "not of its schema")]
    assert [r["n"] for r in line.memory.rows(TABLE).values()] == [7]


def test_an_event_behind_a_full_one_waits_for_nothing(wire: Wire, line: Line) -> None:
    first, bad = row(wire, "c", 1, "old"), broken(row(wire, "u", 1, "x"))
    line.feed([first, bad], [row(wire, "u", 1, "full"), row(wire, "u", 1, PLACEHOLDER, 7)])
    assert (line.rows(), line.dead(), line.states()) == ({1: "full"}, [], {1: LetterState.SUPERSEDED})


def test_a_held_event_that_a_full_one_follows_is_superseded_with_what_it_waits_for(wire: Wire, line: Line) -> None:
    line.feed([row(wire, "c", 1, "old"), broken(row(wire, "u", 1, "x"))], [row(wire, "u", 1, PLACEHOLDER, 7)])
    line.feed([row(wire, "u", 1, "full")])
    assert (line.rows(), line.dead()) == ({1: "full"}, [])


def test_a_truncate_supersedes_the_dead_letters_before_it_and_no_later_one(wire: Wire, line: Line) -> None:
    truncate = wire.event("shard0", "public.t", [ID, column("note", "string", "TEXT")], "t", None)
    before, after = broken(row(wire, "c", 1, "x")), broken(row(wire, "c", 2, "y"))
    truncate._offset, before._offset = before._offset, truncate._offset
    line.feed([before, truncate, after])
    assert line.states() == {0: LetterState.SUPERSEDED, 2: LetterState.OPEN}


def test_a_key_of_a_new_schema_is_the_same_key(wire: Wire, line: Line) -> None:
    line.feed([row(wire, "c", 1, "a"), broken(row(wire, "u", 1, "x"))])
    later = row(wire, "u", 1, "later")
    number = wire.register({"type": "record", "name": "Key", "fields": [{"name": "id", "type": "long"}]})
    later._key = b"\x00" + number.to_bytes(4, "big") + (later._key or b"")[5:]
    line.feed([later])
    assert line.dead() == []


def test_what_a_person_has_replayed_is_waited_for_no_more(wire: Wire, line: Line) -> None:
    line.feed([row(wire, "c", 1, "old"), row(wire, "u", 1, "refuse me")])
    line.replay()
    line.feed([row(wire, "u", 1, PLACEHOLDER, 7)])
    assert (line.rows(), line.dead()) == ({1: "refuse me"}, [])
    assert [r["n"] for r in line.memory.rows(TABLE).values()] == [7]


def test_what_a_person_has_discarded_is_waited_for_no_more(wire: Wire, line: Line) -> None:
    line.feed([row(wire, "c", 1, "old"), broken(row(wire, "u", 1, "x"))])
    MemoryState(line.memory).discard(list(line.memory.dead))
    line.feed([row(wire, "u", 1, PLACEHOLDER, 7)])
    assert (line.rows(), line.dead()) == ({1: "old"}, [])


def test_a_table_that_a_person_stops_is_read_no_further_until_it_is_resumed(wire: Wire, line: Line) -> None:
    events = [row(wire, "c", n, "a") for n in (1, 2, 3)]
    line.feed(events[:1])
    MemoryState(line.memory).stop([TOPIC], "by hand")
    line.pipeline.look().result()
    line.feed([events[1], row(wire, "c", 7, "z", table="public.other")])
    assert line.preparer.stopped == {TOPIC: "by hand"}
    assert (line.rows(), line.memory.offsets[Partition(TOPIC, 0)]) == ({1: "a"}, 1)
    MemoryState(line.memory).resume([TOPIC])
    line.pipeline.look().result()
    line.rejoin()
    line.feed(events[1:])
    assert line.rows() == {1: "a", 2: "a", 3: "a"}


def test_a_table_that_stopped_by_itself_is_told_to_people_and_not_resumed_by_a_look(wire: Wire, line: Line) -> None:
    lost = row(wire, "c", 1, "a", table="public.lost")
    lost._value = b"\x00\x00\x00\x03\xe7" + (lost._value or b"")[5:]
    line.feed([lost])
    line.pipeline.look().result()
    assert [stop.topic for stop in MemoryState(line.memory).stops()] == ["shard0.public.lost"]
    assert list(line.preparer.stopped) == ["shard0.public.lost"]


def test_a_topic_made_anew_stops_its_table_and_a_rewind_reads_it(wire: Wire, line: Line) -> None:
    partition = Partition(TOPIC, 0)
    line.topic_ids[TOPIC] = "old"
    line.feed([row(wire, "c", 1, "a"), row(wire, "c", 2, "b")])
    line.topic_ids[TOPIC] = "new"
    line.rejoin()
    other = row(wire, "c", 7, "z", table="public.other")
    line.feed([row(wire, "c", 3, "c"), other])
    assert "deleted and made anew" in line.preparer.stopped[TOPIC]
    assert line.memory.offsets == {partition: 2, Partition(other.topic(), 0): 1}
    MemoryState(line.memory).rewind({partition: 0}, line.topic_ids, "me")
    MemoryState(line.memory).resume([TOPIC])
    line.rejoin()
    wire.offsets[TOPIC] = itertools.count()
    line.feed([row(wire, "c", 4, "d")])
    assert line.rows() == {1: "a", 2: "b", 4: "d"}


def test_too_many_dead_letters_stop_the_table_before_the_first_one_too_many(wire: Wire) -> None:
    limited = Line(wire, topology(), Memory(), Deaths(lambda _: OnError(most=2)))
    first, good = [broken(row(wire, "c", 1, "x")), row(wire, "c", 8, "good")], row(wire, "c", 9, "good")
    bad = [broken(row(wire, "c", n, "x")) for n in range(4)]
    limited.feed(first, [good, *bad, row(wire, "c", 1, "a", table="public.other")])
    limited.pipeline.close()
    assert (limited.rows(), [offset for offset, _ in limited.dead()]) == ({8: "good", 9: "good"}, [0, 3])
    assert limited.memory.offsets == {Partition(TOPIC, 0): 4, Partition("shard0.public.other", 0): 1}
    assert limited.memory.stopped[TOPIC].startswith(f"more than 2 dead letters within 1h; the next is {TOPIC}:0:4: not")


def test_the_first_dead_letter_stops_the_table_where_none_is_borne(wire: Wire) -> None:
    strict = Line(wire, topology(), Memory(), Deaths(lambda _: OnError(most=0)))
    strict.feed([row(wire, "c", 1, "a"), row(wire, "c", 2, "refuse me"), row(wire, "c", 3, "c")])
    strict.pipeline.close()
    assert (strict.rows(), strict.dead()) == ({1: "a"}, [])
    assert strict.memory.offsets == {Partition(TOPIC, 0): 1}
    assert strict.memory.stopped[TOPIC].startswith(f"a dead letter; the next is {TOPIC}:0:1: refused by the target")


def test_a_resumed_table_bears_as_many_again(wire: Wire) -> None:
    limited = Line(wire, topology(), Memory(), Deaths(lambda _: OnError(most=1)))
    events = [*(broken(row(wire, "c", n, "x")) for n in range(3)), row(wire, "c", 9, "good")]
    for _ in range(3):
        limited.feed(events[limited.memory.offsets.get(Partition(TOPIC, 0), 0) :])
        MemoryState(limited.memory).resume([TOPIC])
        limited.pipeline.look().result()
        limited.rejoin()
    limited.pipeline.close()
    assert (limited.rows(), len(limited.dead())) == ({9: "good"}, 3)

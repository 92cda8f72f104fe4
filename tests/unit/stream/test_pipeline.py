"""A bad event stops nothing else, and what is dead never comes back over what is alive."""

from collections.abc import Iterator
from typing import Any

import pytest

from afflux.errors import DecodeError, RefusedError
from afflux.sinks.base import Batch, Partition, Span, TableName
from afflux.sinks.memory import Memory, MemorySink
from afflux.stream.decoder import Decoder
from afflux.stream.intake import Raw
from afflux.stream.pipeline import Pipeline
from afflux.stream.prepare import HELD, Preparer
from afflux.stream.router import Router
from afflux.topology.model import Topology
from afflux.types.stock import PLACEHOLDER
from debezium import Event, Wire, column
from declared import topology

ID = column("id", "int", "INT4", null=False)
NOTE = column("note", "string", "TEXT")
N = column("n", "long", "INT8")
COLUMNS = [ID, NOTE, N]
TABLE = TableName("public", "t")


class PickySink(MemorySink):
    """Refuses rows whose note is `refuse me`."""

    def apply(self, batch: Batch) -> None:
        for changes in batch.tables:
            for row in changes.rows.iter_rows(named=True):
                if row.get("note") == "refuse me":
                    raise RefusedError("value refused", sequence=row["afflux.sequence"])
        super().apply(batch)


class Line:
    """A pipeline fed by hand."""

    def __init__(self, wire: Wire, declared: Topology, memory: Memory) -> None:
        decoder = Decoder(wire.schema, Router(declared), {"shard0": "shard0", "shard1": "shard1"})
        self.preparer = Preparer(decoder, lambda topic: {Partition(topic, 0): 0})
        self.memory = memory
        self.sink = PickySink(memory)
        self.pipeline = Pipeline(self.preparer, self.sink)
        self.pipeline.open().result()
        self._next: dict[Partition, int] = {}

    def feed(self, *batches: list[Event]) -> None:
        """Run batches through, all in flight at once where there are several."""
        raws = []
        for messages in batches:
            raw = Raw(list(messages))
            for message in messages:
                partition = Partition(message.topic(), message.partition())
                if partition not in self._next:
                    self._next.update(self.pipeline.claim([partition]).result())
                start = raw.spans[partition].start if partition in raw.spans else self._next[partition]
                self._next[partition] = message.offset() + 1
                raw.spans[partition] = Span(start, message.offset() + 1)
            raws.append(raw)
        for raw in raws:
            self.pipeline.submit(raw)
        self.pipeline.drain(30)
        list(self.pipeline.durable())

    def rows(self) -> dict[int, Any]:
        return {row["id"]: row["note"] for row in self.memory.rows(TABLE).values()}

    def dead(self) -> list[tuple[int, str]]:
        return sorted((letter.offset, letter.kind) for letter in self.memory.dead.values())


@pytest.fixture
def wire() -> Wire:
    return Wire()


@pytest.fixture
def line(wire: Wire) -> Iterator[Line]:
    made = Line(wire, topology(), Memory())
    yield made
    made.pipeline.close()


def row(wire: Wire, op: str, key: int, note: str | None, n: int = 0, *, table: str = "public.t") -> Event:
    return wire.event("shard0", table, COLUMNS, op, {"id": key, "note": note, "n": n})


def broken(event: Event) -> Event:
    event._value = (event._value or b"")[:-3]
    return event


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

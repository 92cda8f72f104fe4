"""A table with masked columns: no clear value comes out of the pipeline, and none lies beside it."""

from collections.abc import Iterator
from typing import Any

import pytest
from structlog.testing import capture_logs

from afflux.sinks.batch import LetterId, Partition
from afflux.sinks.memory import Memory
from afflux.sinks.state import LetterState
from afflux.topology.masking import ColumnRule, Masking
from afflux.topology.model import Topology
from afflux.transforms.masks import Mask
from afflux.types.stock import PLACEHOLDER
from debezium import Wire, column
from declared import topology
from lines import ID, REFUSED, TABLE, TOPIC, Line, N, broken, row

SECRET = "4111-secret-1234"
PARTITION = Partition(TOPIC, 0)


def masks(monkeypatch: pytest.MonkeyPatch, **columns: str) -> Topology:
    monkeypatch.setenv("MASK_KEY", "k")
    declared = topology()
    rules = {name: ColumnRule(mask=mask) for name, mask in columns.items()}
    tables = [table.model_copy(update={"columns": rules}) for table in declared.tables]
    return declared.model_copy(update={"tables": tables, "masking": Masking(key="${env:MASK_KEY}")})


@pytest.fixture
def wire() -> Wire:
    return Wire()


@pytest.fixture
def line(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> Iterator[Line]:
    made = Line(wire, masks(monkeypatch, note="hash"), Memory())
    yield made
    made.pipeline.close()


def notes(line: Line) -> dict[int, object]:
    return {r["id"]: r["note"] for r in line.memory.rows(TABLE).values()}


def test_a_masked_value_comes_as_its_hash_and_an_unchanged_one_stays(wire: Wire, line: Line) -> None:
    hashed = Mask("hash", key=b"k").text(SECRET)
    line.feed([row(wire, "c", 1, SECRET), row(wire, "c", 2, None)], [row(wire, "u", 1, PLACEHOLDER, 7)])
    assert notes(line) == {1: hashed, 2: None}


def test_a_dead_letter_holds_nothing_of_its_event(wire: Wire, line: Line) -> None:
    with capture_logs() as logs:
        line.feed([row(wire, "c", 1, SECRET), row(wire, "c", 2, SECRET, -1), broken(row(wire, "c", 3, SECRET))])
    assert len(line.dead()) == 2
    assert SECRET not in repr(line.memory.dead) + repr(line.memory.letters) + repr(logs)
    for letter in line.memory.dead.values():
        assert (letter.value, [name for name, _ in letter.headers]) == (b"", ["afflux.sha256"])


def test_a_replay_reads_the_event_from_kafka_again(wire: Wire, line: Line) -> None:
    line.feed([row(wire, "c", 2, SECRET, -1)], [row(wire, "u", 2, PLACEHOLDER, 5)])
    assert [kind for _, kind in line.dead()] == ["refused by the target", "held"]
    line.replay()
    assert notes(line) == {2: Mask("hash", key=b"k").text(SECRET)}
    assert set(line.states().values()) == {LetterState.REPLAYED}


def test_a_later_event_that_says_all_makes_a_sealed_letter_irrelevant(wire: Wire, line: Line) -> None:
    line.feed([row(wire, "c", 2, SECRET, -1)], [row(wire, "u", 2, "new", 5)])
    assert line.states() == {0: LetterState.SUPERSEDED}


@pytest.mark.parametrize("made_anew", [True, False])
def test_what_kafka_has_no_more_or_is_another_event_stays_open(wire: Wire, line: Line, *, made_anew: bool) -> None:
    line.feed([row(wire, "c", 2, SECRET, -1)])
    at = LetterId(PARTITION, 0)
    if made_anew:
        line.kafka[at] = row(wire, "c", 2, "of a topic made anew", 1)
    else:
        del line.kafka[at]
    line.replay()
    assert line.states() == {0: LetterState.OPEN}
    assert notes(line) == {}


def test_a_refused_value_is_not_in_the_letter(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    line = Line(wire, masks(monkeypatch, n="remove"), Memory())
    line.feed([row(wire, "c", 1, REFUSED, 9)])
    line.pipeline.close()
    (letter,) = line.memory.dead.values()
    assert REFUSED.encode() not in (letter.key or b"") + letter.value
    assert letter.reason == "its text is not kept, for the table has masked columns"


@pytest.mark.parametrize(("column", "says"), [("id", "it is of the key"), ("note", "")])
def test_a_masked_key_stops_the_table_before_a_value_is_read(
    wire: Wire, monkeypatch: pytest.MonkeyPatch, column: str, says: str
) -> None:
    line = Line(wire, masks(monkeypatch, **{column: "hash"}), Memory())
    line.feed([row(wire, "c", 1, "x", 3)])
    line.pipeline.close()
    assert says in line.preparer.stopped.get(TOPIC, "")
    assert (TOPIC in line.preparer.stopped) == (column == "id")


def at_source(mask: str, source: str = "TEXT", **wire: str) -> list[Any]:
    """The columns of a table whose note was masked by the plugin."""
    made = column("note", "string", source)
    made["type"][1]["connect.parameters"] |= {"afflux.wire": "1", "afflux.type": "text", "afflux.mask": mask} | wire
    return [ID, made, N]


@pytest.mark.parametrize("rule", ["hash", "partial"])
def test_what_was_masked_at_the_source_stays_as_it_is_beside_what_came_in_clear(
    wire: Wire, monkeypatch: pytest.MonkeyPatch, rule: str
) -> None:
    line = Line(wire, masks(monkeypatch, note=rule), Memory())
    mask = Mask(rule, key=b"k")
    made = {"id": 1, "note": mask.text(SECRET), "n": 1}
    written = {"hash": "hash", "partial": "partial:4"}[rule]
    line.feed(
        [row(wire, "c", 2, SECRET), wire.event("shard0", "public.t", at_source(written), "c", made)],
        [wire.event("shard0", "public.t", at_source(written), "u", {**made, "note": "\0unchanged", "n": 5})],
    )
    line.pipeline.close()
    assert notes(line) == {1: mask.text(SECRET), 2: mask.text(SECRET)}


def test_a_number_that_was_masked_at_the_source_comes_as_text(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    line = Line(wire, masks(monkeypatch, note="hash"), Memory())
    columns = at_source("hash", "INT4", **{"afflux.type": "int4"})
    line.feed([wire.event("shard0", "public.t", columns, "c", {"id": 1, "note": "ab12", "n": 1})])
    line.pipeline.close()
    assert notes(line) == {1: "ab12"}


def test_what_is_to_be_removed_is_removed_whatever_the_source_has_made_of_it(
    wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = Line(wire, masks(monkeypatch, note="remove"), Memory())
    line.feed([wire.event("shard0", "public.t", at_source("hash"), "c", {"id": 1, "note": "ab12", "n": 1})])
    line.pipeline.close()
    assert notes(line) == {1: None}


@pytest.mark.parametrize("rules", [{}, {"note": "hash"}])
def test_a_type_that_the_source_could_not_mask_stops_the_table(
    wire: Wire, monkeypatch: pytest.MonkeyPatch, rules: dict[str, str]
) -> None:
    line = Line(wire, masks(monkeypatch, **rules), Memory())
    columns = at_source("hash", "JSONB", **{"afflux.type": "jsonb"})
    line.feed([wire.event("shard0", "public.t", columns, "c", {"id": 1, "note": None, "n": 1})])
    line.pipeline.close()
    assert "can't be masked by `hash`" in line.preparer.stopped[TOPIC]

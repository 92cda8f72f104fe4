"""An event that came without values which the target has never had is completed by its row at the shard."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import polars as pl
import pytest

from afflux.errors import SourceError
from afflux.sinks.batch import HELD
from afflux.sinks.memory import Memory
from afflux.sinks.state import LetterState
from afflux.stream.completing import Completer, key_texts
from afflux.types.stock import PLACEHOLDER
from debezium import Event, Wire
from declared import topology
from lines import REFUSED, TABLE, TOPIC, Line, row


@dataclass
class Shard:
    """The rows that a shard has now, and what was asked of it."""

    notes: dict[str, str | None] = field(default_factory=dict)
    asked: list[tuple[str, tuple[str, str], list[str]]] = field(default_factory=list)
    away: bool = False

    def by_key(
        self,
        shard: str,
        table: tuple[str, str],
        key: Sequence[str],
        keys: Sequence[Sequence[str]],
        columns: Sequence[str],
    ) -> list[tuple[str | None, ...] | None]:
        self.asked.append((shard, table, [k for (k,) in keys]))
        if self.away:
            raise SourceError("shard shard0 refuses")
        assert (list(key), list(columns)) == (["id"], ["note"])
        return [(self.notes[k],) if k in self.notes else None for (k,) in keys]


@pytest.fixture
def wire() -> Wire:
    return Wire()


def line(wire: Wire, shard: Shard) -> Line:
    made = Line(wire, topology(), Memory())
    made.preparer.completer = Completer(shard, wire.schema)
    return made


def touched(wire: Wire, key: int, n: int) -> Event:
    """An update that leaves the note out."""
    return row(wire, "u", key, PLACEHOLDER, n)


def content(line: Line) -> dict[int, tuple[str, int]]:
    line.pipeline.close()
    return {r["id"]: (r["note"], r["n"]) for r in line.memory.rows(TABLE).values()}


def test_rows_that_were_never_here_are_completed(wire: Wire) -> None:
    shard = Shard({"1": "large", "2": None})
    made = line(wire, shard)
    made.feed([touched(wire, 1, 7), row(wire, "c", 3, "whole", 9), touched(wire, 2, 8)])
    assert content(made) == {1: ("large", 7), 2: (None, 8), 3: ("whole", 9)}
    assert {(of, table) for of, table, _ in shard.asked} == {("shard0", ("public", "t"))}


def test_a_row_that_the_target_has_is_not_asked_for(wire: Wire) -> None:
    shard = Shard({"1": "as it is now"})
    made = line(wire, shard)
    made.feed([row(wire, "c", 1, "large")], [touched(wire, 1, 7)])
    assert content(made) == {1: ("large", 7)}
    assert shard.asked == []


def test_a_row_that_is_gone_by_now_is_left_out_and_its_delete_comes(wire: Wire) -> None:
    made = line(wire, Shard())
    made.feed([touched(wire, 1, 7)])
    assert made.memory.rows(TABLE) == {}
    made.feed([row(wire, "d", 1, None)])
    assert content(made) == {}
    assert made.memory.stopped == {}


def test_a_shard_that_can_not_be_asked_leaves_the_table_stopped(wire: Wire) -> None:
    made = line(wire, Shard(away=True))
    made.feed([row(wire, "c", 5, "before")], [touched(wire, 1, 7)])
    assert "came without a large unchanged value" in made.memory.stopped[TOPIC]
    assert content(made) == {5: ("before", 0)}


def test_an_update_behind_a_dead_letter_is_completed_and_supersedes_it(wire: Wire) -> None:
    shard = Shard({"1": "mended since"})
    made = line(wire, shard)
    made.feed([row(wire, "c", 1, "old")], [row(wire, "u", 1, REFUSED)], [touched(wire, 1, 7)])
    assert made.states() == {1: LetterState.SUPERSEDED}
    assert content(made) == {1: ("mended since", 7)}


def test_an_update_behind_a_dead_letter_that_can_not_be_completed_is_held(wire: Wire) -> None:
    made = line(wire, Shard(away=True))
    made.feed([row(wire, "c", 1, "old")], [row(wire, "u", 1, REFUSED)], [touched(wire, 1, 7)])
    assert [kind for _, kind in made.dead()] == ["refused by the target", HELD]
    assert content(made) == {1: ("old", 0)}


def test_what_the_shard_still_has_is_refused_again_and_nothing_is_lost(wire: Wire) -> None:
    made = line(wire, Shard({"1": REFUSED}))
    made.feed([row(wire, "c", 1, "old")], [row(wire, "u", 1, REFUSED)], [touched(wire, 1, 7)])
    assert made.dead() == [(1, "refused by the target"), (2, "refused by the target")]
    made.replay()
    assert made.states() == {1: LetterState.REPLAYED, 2: LetterState.REPLAYED}
    made.pipeline.close()


def test_keys_are_written_as_postgresql_reads_them() -> None:
    assert key_texts(pl.Series([1, -2])) == ["1", "-2"]
    assert key_texts(pl.Series(["a b", ""])) == ["a b", ""]
    assert key_texts(pl.Series([b"\x00\xff"])) == ["\\x00ff"]
    assert key_texts(pl.Series([True, False])) == ["true", "false"]
    assert key_texts(pl.Series([1.5, 1e300])) == ["1.5", "1e+300"]

"""What tables keep, from messages to batches: lineage, declared keys, changes without a key, histories."""

from typing import Any

import pytest

from afflux.errors import TableError
from afflux.sinks.batch import DELETED, LINEAGE, LSN, SEQUENCE, TableChanges
from afflux.sinks.memory import Memory
from afflux.stream.decoder import Decoder
from afflux.stream.folder import fold
from afflux.stream.router import Router
from afflux.stream.subscription import Declared
from debezium import Event, Wire, column
from declared import topology
from lines import TABLE, Line, broken, row

CODE = column("code", "string", "TEXT")
N = column("n", "long", "INT8")
COLUMNS = [CODE, N]


def of(**entry: Any) -> Any:
    return topology(tables=[{"source": "public.t", **entry}])


def folded(events: list[Event], wire: Wire, **entry: Any) -> TableChanges:
    decoder = Decoder(wire.schema, Router(of(**entry)), {"shard0": "shard0", "shard1": "shard1"})
    (changes,) = fold(decoder.decode(events))
    return changes


def change(
    wire: Wire, op: str, code: str | None, n: int, *, before: dict[str, Any] | None = None, **more: Any
) -> Event:
    return wire.event("shard0", "public.t", COLUMNS, op, {"code": code, "n": n}, key=(), before=before, **more)


def test_a_row_says_by_which_event_it_came_where_that_is_asked_for() -> None:
    wire = Wire()
    events = [row(wire, "c", 1, "a"), row(wire, "u", 1, "b"), row(wire, "c", 2, "c")]
    changes = folded(events, wire, lineage=True)
    found = changes.rows.sort("id").select(*LINEAGE).rows()
    assert found == [("u", "shard0.public.t", 0, 1, 1101), ("c", "shard0.public.t", 0, 2, 1102)]
    assert not set(LINEAGE) & set(folded(events, wire).rows.columns)


# --- declared keys --------------------------------------------------------------------------------


def test_an_update_that_changes_a_declared_key_is_a_delete_and_an_insert() -> None:
    wire = Wire()
    update = change(wire, "u", "new", 2, before={"code": "old", "n": 1})
    changes = folded([change(wire, "c", "old", 1), update], wire, key=["code"])
    assert changes.key == ("code",)
    assert sorted(changes.rows.select("code", "n", DELETED).rows()) == [("new", 2, False), ("old", None, True)]


def test_an_update_that_keeps_its_declared_key_is_one_row() -> None:
    wire = Wire()
    changes = folded([change(wire, "u", "same", 2, before={"code": "same", "n": 1})], wire, key=["code"])
    assert changes.rows.select("code", "n", DELETED).rows() == [("same", 2, False)]


def test_keys_that_are_swapped_by_updates_end_with_each_others_rows() -> None:
    wire = Wire()
    swap = [
        change(wire, "u", "x", 1, before={"code": "a", "n": 1}),
        change(wire, "u", "a", 2, before={"code": "b", "n": 2}),
        change(wire, "u", "b", 1, before={"code": "x", "n": 1}),
    ]
    changes = folded(swap, wire, key=["code"])
    assert sorted(changes.rows.select("code", "n", DELETED).rows()) == [
        ("a", 2, False),
        ("b", 1, False),
        ("x", None, True),
    ]


def test_a_table_with_a_declared_key_needs_whole_rows() -> None:
    wire = Wire()
    with pytest.raises(TableError, match="came without the row as it was") as refused:
        folded([change(wire, "u", "a", 1)], wire, key=["code"])
    assert "REPLICA IDENTITY FULL" in refused.value.hint


def test_a_delete_without_its_declared_key_is_refused_and_not_lost() -> None:
    wire = Wire()
    with pytest.raises(TableError, match="a delete came without a value of its key's column 'code'"):
        folded([change(wire, "d", None, 0)], wire, key=["code"])


def test_a_declared_key_that_the_table_has_not_is_named() -> None:
    wire = Wire()
    with pytest.raises(TableError, match="'cod'"):
        folded([change(wire, "c", "a", 1)], wire, key=["cod"])


@pytest.mark.parametrize(
    ("entry", "message"), [({"key": ["code"]}, "not spread by the declared key"), ({"mode": "history"}, "is a history")]
)
def test_several_partitions_are_refused_where_they_lose_an_order(entry: dict[str, Any], message: str) -> None:
    wire = Wire()
    event = change(wire, "c", "a", 1) if "key" in entry else row(wire, "c", 1, "a")
    event._partition = 1
    with pytest.raises(TableError, match=message):
        folded([event], wire, **entry)


# --- changes --------------------------------------------------------------------------------------


def test_every_change_of_a_table_without_a_key_is_kept_whole() -> None:
    wire = Wire()
    events = [
        change(wire, "c", "a", 1),
        change(wire, "u", "a", 2, before={"code": "a", "n": 1}),
        change(wire, "d", "a", 2),
        wire.event("shard0", "public.t", COLUMNS, "t", None),
    ]
    changes = folded(events, wire, mode="append")
    assert changes.key == ()
    found = changes.rows.sort(SEQUENCE).select(LINEAGE[0], "code", "n").rows()
    assert found == [("c", "a", 1), ("u", "a", 2), ("d", "a", 2), ("t", None, None)]
    assert changes.truncates == ()


def test_a_table_without_a_key_is_refused_where_rows_are_to_be_updated() -> None:
    wire = Wire()
    with pytest.raises(TableError, match="no key") as refused:
        folded([change(wire, "c", "a", 1)], wire)
    assert "mode: append" in refused.value.hint


def test_what_a_change_leaves_out_is_not_looked_for() -> None:
    wire = Wire()
    events = [row(wire, "c", 1, "large"), row(wire, "u", 1, "__debezium_unavailable_value")]
    changes = folded(events, wire, mode="append")
    assert changes.rows.sort(SEQUENCE)["note"].to_list() == ["large", None]
    assert changes.rows.sort(SEQUENCE)["afflux.unchanged.note"].to_list() == [False, True]


def test_a_dead_change_is_made_irrelevant_by_none_and_holds_none_up() -> None:
    wire = Wire()
    line = Line(wire, of(mode="append"), Memory())
    first, dead = row(wire, "c", 1, "a"), broken(row(wire, "u", 1, "b"))
    masked = row(wire, "u", 1, "__debezium_unavailable_value", 7)
    line.feed([first, dead, masked, row(wire, "u", 1, "whole")])
    line.feed([wire.event("shard0", "public.t", [column("id", "int", "INT4", null=False)], "t", None)])
    line.pipeline.close()
    assert line.dead() == [(1, "not of its schema")]
    kept = [(found["_op"], found["_offset"]) for found in line.memory.rows(TABLE).values()]
    assert kept == [("c", 0), ("u", 2), ("u", 3), ("t", 4)]


def test_a_replayed_change_takes_its_own_place() -> None:
    wire = Wire()
    line = Line(wire, of(mode="append"), Memory())
    line.feed([row(wire, "c", 1, "a"), row(wire, "u", 1, "refuse me"), row(wire, "u", 1, "c")])
    line.replay()
    line.pipeline.close()
    assert [found["note"] for found in line.memory.rows(TABLE).values()] == ["a", "refuse me", "c"]
    assert line.dead() == []


def test_versions_know_the_wal_position_of_each_event() -> None:
    wire = Wire()
    changes = folded([row(wire, "c", 1, "a"), row(wire, "u", 1, "b"), row(wire, "d", 1, None)], wire, mode="history")
    assert changes.rows.sort(SEQUENCE)[LSN].to_list() == [100, 101, 102]
    assert changes.rows.sort(SEQUENCE)[DELETED].to_list() == [False, False, True]


# --- reference tables -----------------------------------------------------------------------------


def test_a_reference_table_is_read_from_the_first_shard_alone() -> None:
    declared = Declared(of(shards="one"))
    assert declared.table_of("shard0.public.t") is not None
    assert declared.table_of("shard1.public.t") is None

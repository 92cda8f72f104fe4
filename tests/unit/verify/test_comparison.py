from typing import Any

import polars as pl
import pytest

from afflux.errors import SourceError
from afflux.sinks.batch import TableName
from afflux.verify import Comparison
from afflux.verify.columns import Layout, common_key, union
from afflux.verify.differences import differences
from afflux.verify.digests import schema

TABLE = TableName("public", "orders")


def compared(source: list[tuple[Any, ...]], target: list[tuple[Any, ...]]) -> Comparison:
    there, here = (pl.DataFrame(rows, schema=schema(["id"]), orient="row") for rows in (source, target))
    return Comparison(TABLE, ("id",), len(source), len(target), differences(there, here, ["k0"]))


def test_the_kinds_are_counted_apart_and_named_with_their_keys() -> None:
    source = [("shard0", "1", 1), ("shard0", "2", 2), ("shard1", "3", 3), ("shard1", "4", 4), ("shard1", "5", 5)]
    target = [("shard0", "1", 1), ("shard0", "2", 9), ("shard0", "3", 3), ("shard1", "6", 6), ("shard1", "5", 5)]
    found = compared(source, target)
    assert (found.missing, found.extra, found.different, found.misplaced) == (1, 1, 1, 1)
    assert not found.equal
    assert found.lines() == [
        "public.orders: 5 rows at the source, 5 in the target: 1 missing, 1 extra, 1 different, 1 misplaced",
        "  different  shard0  id=2",
        "  extra      shard1  id=6",
        "  misplaced  shard1  id=3, in the target under shard0",
        "  missing    shard1  id=4",
    ]


def test_only_the_first_differences_are_named() -> None:
    found = compared([("shard0", str(n), n) for n in range(2000)], [])
    assert len(found.lines(3)) == 4
    assert found.lines()[0] == "public.orders: 2,000 rows at the source, 0 in the target: 2,000 missing"


def test_equal_sides_are_said_to_be_equal() -> None:
    rows = [("shard0", "1", 1)]
    assert compared(rows, rows).equal
    assert compared(rows, rows).lines() == ["public.orders: 1 rows at the source, 1 in the target, all equal"]


def test_shards_with_different_columns_are_compared_over_all_of_them() -> None:
    old, new = Layout({"id": "int8", "a": "text"}, ("id",)), Layout({"id": "int8", "b": "money", "a": "text"}, ("id",))
    assert union([old, new]) == ("id", "a", "b")
    assert [old.text(name).as_string(None) for name in union([old, new])] == ['"id"', '"a"', "NULL"]
    assert new.text("b").as_string(None) == '"b"::numeric'


def test_a_table_without_a_primary_key_is_refused_by_name() -> None:
    with pytest.raises(SourceError, match=r"shard shard1: table public\.orders has no primary key"):
        common_key({"shard0": Layout({"id": "int8"}, ("id",)), "shard1": Layout({"id": "int8"})}, TABLE)


def test_shards_that_disagree_about_the_key_are_refused() -> None:
    keys = {"shard0": Layout({"a": "int8", "b": "int8"}, ("a", "b")), "shard1": Layout({"a": "int8"}, ("a",))}
    with pytest.raises(SourceError, match=r"\(a\) on shard shard1 and \(a, b\) on shard shard0"):
        common_key(keys, TABLE)

"""Telling two sides apart, against doing so with dictionaries, a row at a time."""

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from afflux.verify.differences import FOUND_UNDER, KIND, Kind, differences
from afflux.verify.digests import DIGEST, SHARD, schema

KEY = ("a", "b")
COLUMNS = ("k0", "k1")

shards = st.sampled_from(["shard0", "shard1", "shard2"])
keys = st.tuples(st.sampled_from(["1", "2", "", "NULL"]), st.sampled_from(["x", '"', "y,z"]))
sides = st.dictionaries(st.tuples(shards, keys), st.integers(0, 2), max_size=12)


def frame(side: dict[tuple[str, tuple[str, str]], int]) -> pl.DataFrame:
    rows = [(shard, *key, digest) for (shard, key), digest in side.items()]
    return pl.DataFrame(rows, schema=schema(KEY), orient="row")


def told(found: pl.DataFrame, kind: Kind) -> set[tuple[str, tuple[str, str]]]:
    rows = found.filter(pl.col(KIND) == str(kind)).select(SHARD, *COLUMNS).rows()
    assert len(rows) == len(set(rows))
    return {(shard, (a, b)) for shard, a, b in rows}


@given(sides)
def test_equal_sides_have_no_difference(side: dict[tuple[str, tuple[str, str]], int]) -> None:
    assert differences(frame(side), frame(side).reverse(), COLUMNS).is_empty()


@given(sides, sides)
def test_every_row_that_is_not_the_same_on_both_sides_is_told_once(
    source: dict[tuple[str, tuple[str, str]], int], target: dict[tuple[str, tuple[str, str]], int]
) -> None:
    found = differences(frame(source), frame(target), COLUMNS)
    both = source.keys() & target.keys()
    assert told(found, Kind.DIFFERENT) == {place for place in both if source[place] != target[place]}
    missing, extra, misplaced = (told(found, kind) for kind in (Kind.MISSING, Kind.EXTRA, Kind.MISPLACED))
    assert missing | misplaced == source.keys() - both
    assert not missing & misplaced
    under = found.filter(pl.col(KIND) == str(Kind.MISPLACED)).select(FOUND_UNDER, *COLUMNS).rows()
    misplaced_there = {(shard, (a, b)) for shard, a, b in under}
    assert len(misplaced_there) == len(misplaced)
    assert extra | misplaced_there == target.keys() - both
    assert not extra & misplaced_there


@given(sides, sides)
def test_a_key_that_only_another_shard_has_is_misplaced(
    source: dict[tuple[str, tuple[str, str]], int], target: dict[tuple[str, tuple[str, str]], int]
) -> None:
    found = differences(frame(source), frame(target), COLUMNS)
    lost = {key for _, key in told(found, Kind.MISSING)}
    found_elsewhere = {key for _, key in told(found, Kind.EXTRA)}
    moved = {key for _, key in told(found, Kind.MISPLACED)}
    assert (lost & found_elsewhere) <= moved  # what is left over once one row of a key is misplaced


def test_a_row_that_the_target_has_twice_is_extra() -> None:
    side = frame({("shard0", ("1", "x")): 7})
    found = differences(side, pl.concat([side, side]), COLUMNS)
    assert found.select(KIND, SHARD, *COLUMNS).rows() == [("extra", "shard0", "1", "x")]


def test_rows_are_compared_by_their_digest_alone() -> None:
    source = frame({("shard0", ("1", "x")): 7})
    assert differences(source, source.with_columns(pl.lit(8, pl.Int64).alias(DIGEST)), COLUMNS).height == 1

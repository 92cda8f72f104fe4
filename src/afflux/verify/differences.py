"""Tell two sides apart (pure)."""

from collections.abc import Sequence
from enum import StrEnum

import polars as pl

from afflux.verify.digests import DIGEST, SHARD

KIND, FOUND_UNDER = "kind", "found_under"


class Kind(StrEnum):
    """How a row differs."""

    MISSING = "missing"
    """A shard has it, the target does not."""
    EXTRA = "extra"
    """The target has it, its shard does not."""
    DIFFERENT = "different"
    """Both have it, and some value is not the same."""
    MISPLACED = "misplaced"
    """A shard has it, and the target has its key under another shard's name."""


def differences(source: pl.DataFrame, target: pl.DataFrame, key: Sequence[str]) -> pl.DataFrame:
    """Give every row that is not the same on both sides.

    Args:
        source: the shards' rows, as `digests.read` gives them, all shards in one frame.
        target: the target's rows.
        key: the names of the key's columns in the frames.

    Returns:
        A row a difference, sorted by kind, shard and key: `kind`, `shard` (the source's; of an extra row the
        target's), `found_under` (of a misplaced row the target's shard, else null), and the key's columns.
        Each row of either side is in at most one of them; a misplaced row stands for one of each side. Where the
        target has a row twice, all but one are extra.
    """
    place = [SHARD, *key]
    first = pl.struct(place).is_first_distinct()
    target, repeated = target.filter(first), target.filter(~first)
    both = source.join(target, on=place, how="inner", nulls_equal=True)
    different = both.filter(pl.col(DIGEST) != pl.col(f"{DIGEST}_right"))
    missing = source.join(target, on=place, how="anti", nulls_equal=True)
    extra = target.join(source, on=place, how="anti", nulls_equal=True)
    found = extra.select(*key, pl.col(SHARD).alias(FOUND_UNDER)).unique(list(key), keep="first", maintain_order=True)
    misplaced = missing.join(found, on=list(key), how="inner", nulls_equal=True).unique(
        list(key), keep="first", maintain_order=True
    )
    missing = missing.join(misplaced, on=place, how="anti", nulls_equal=True)
    extra = extra.join(misplaced, left_on=place, right_on=[FOUND_UNDER, *key], how="anti", nulls_equal=True)
    told = [
        _told(Kind.MISSING, missing, key),
        _told(Kind.EXTRA, extra, key),
        _told(Kind.EXTRA, repeated, key),
        _told(Kind.DIFFERENT, different, key),
        _told(Kind.MISPLACED, misplaced, key),
    ]
    return pl.concat(told).sort(KIND, *place, nulls_last=True)


def _told(kind: Kind, rows: pl.DataFrame, key: Sequence[str]) -> pl.DataFrame:
    under = pl.col(FOUND_UNDER) if FOUND_UNDER in rows.columns else pl.lit(None, pl.String).alias(FOUND_UNDER)
    return rows.select(pl.lit(str(kind)).alias(KIND), SHARD, under, *key)

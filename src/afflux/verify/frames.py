"""Rows of a target that can't make PostgreSQL's digests itself: they are read in frames, and digested here."""

import hashlib
from collections.abc import Collection, Sequence

import polars as pl

from afflux.sinks.batch import DELETED
from afflux.sinks.batch import SHARD as ROW_SHARD
from afflux.sinks.reference.columns import CURRENT
from afflux.types.exact_text import exact_text, record_text
from afflux.verify.columns import Layout
from afflux.verify.digests import DIGEST, SHARD, key_columns


def living(columns: Collection[str]) -> pl.Expr:
    """Give the condition of the rows of a table with some columns that are rows now."""
    if CURRENT in columns:
        return pl.col(CURRENT)
    return ~pl.col(DELETED) if DELETED in columns else pl.lit(value=True)


def digested(rows: pl.DataFrame, layout: Layout, columns: Sequence[str], key: Sequence[str]) -> pl.DataFrame:
    """Give a frame of `digests.schema(key)` of a target's rows, as PostgreSQL would of the same rows.

    Args:
        rows: with afflux's own columns by their names within afflux.
        layout: the table's columns, and the types that they have at the source.
        columns: those to compare, in the order common to both sides.
        key: those that tell rows apart.
    """
    nothing = pl.Series([None] * rows.height, dtype=pl.String)
    texts = {name: exact_text(rows[name]) if name in rows.columns else nothing for name in columns}
    digests = [_digest(record) for record in record_text([texts[name] for name in columns])]
    keys = {column: _cast(texts[name], layout.types[name]) for column, name in zip(key_columns(key), key, strict=True)}
    return pl.DataFrame({SHARD: rows[ROW_SHARD], **keys, DIGEST: pl.Series(digests, dtype=pl.Int64)})


def _digest(record: str) -> int:
    return int.from_bytes(hashlib.md5(record.encode(), usedforsecurity=False).digest()[:8], "big", signed=True)


def _cast(texts: pl.Series, source: str) -> pl.Series:
    """Give a key's texts as PostgreSQL's cast to text does, which differs from its output for some types."""
    match source:
        case "bool":
            return texts.replace_strict({"t": "true", "f": "false"}, default=None, return_dtype=pl.String)
        case "bpchar":
            return texts.str.strip_chars_end(" ")
        case "inet":
            whole = (
                pl.when(pl.col("text").str.contains(":", literal=True)).then(pl.lit("/128")).otherwise(pl.lit("/32"))
            )
            host = ~pl.col("text").str.contains("/", literal=True)
            return (
                texts.to_frame("text")
                .select(pl.col("text") + pl.when(host).then(whole).otherwise(pl.lit("")))
                .to_series()
            )
    return texts

"""Masks of columns: what is written instead of a value. The same value always gets the same mask.

A masked column is text, whatever it is at the source:

hash     HMAC-SHA-256 (RFC 2104) of PostgreSQL's text of the value, UTF-8, in hexadecimal: 64 characters
partial  a star for each character but the last few; for every one, where there are no more than these few
remove   NULL

NULL stays NULL.
"""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256

import polars as pl

from afflux.types.postgres import PgType

_BLOCK = 64
"""Bytes of SHA-256's block, by which a key is padded."""

TEXTS = frozenset({"text", "varchar", "uuid", "int2", "int4", "int8"})
"""Types whose values in a frame can be written just as PostgreSQL writes them: those that may be hashed or shown in part."""


@dataclass(frozen=True)
class Mask:
    """How one column is masked.

    Attributes:
        kind: `hash`, `partial` or `remove`.
        keep: with `partial`, how many characters stay.
        key: of `hash`.
    """

    kind: str
    keep: int = 4
    key: bytes = field(default=b"", repr=False)

    def fits(self, of: PgType) -> bool:
        """Tell whether values of a type can be masked so."""
        return self.kind == "remove" or (of.name in TEXTS and not of.array)

    def apply(self, values: pl.Series) -> pl.Series:
        """Mask a column of a frame; each different value is worked on once.

        Args:
            values: in the frame's form.

        Returns:
            Texts of the same length, in the same order.
        """
        if self.kind == "remove":
            return pl.repeat(None, values.len(), dtype=pl.String, eager=True).alias(values.name)
        texts = values.cast(pl.String)
        known = texts.drop_nulls().unique()
        masked = pl.Series([self.text(text) for text in known], dtype=pl.String)
        return texts.replace_strict(known, masked, default=None, return_dtype=pl.String).alias(values.name)

    def text(self, text: str | None) -> str | None:
        """Mask one value, in PostgreSQL's text."""
        if text is None or self.kind == "remove":
            return None
        if self.kind == "hash":
            return hmac.digest(self.key, text.encode(), "sha256").hex()
        hidden = len(text) - self.keep
        return "*" * len(text) if hidden <= 0 else "*" * hidden + text[hidden:]

    def pads(self) -> tuple[bytes, bytes]:
        """Give the inner and the outer padded key, with which anything that knows SHA-256 makes the same hash."""
        key = sha256(self.key).digest() if len(self.key) > _BLOCK else self.key
        padded = key.ljust(_BLOCK, b"\0")
        return bytes(byte ^ 0x36 for byte in padded), bytes(byte ^ 0x5C for byte in padded)


Masks = Mapping[str, Mask]
"""Column -> its mask."""


def masked(rows: pl.DataFrame, masks: Masks) -> pl.DataFrame:
    """Mask the columns of a frame that have masks; others stay, and the order with them."""
    return rows.with_columns([mask.apply(rows[name]) for name, mask in masks.items() if name in rows.columns])

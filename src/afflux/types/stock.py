"""The forms in which stock Debezium hands values over, and the way from each to a frame's form.

Observed on Debezium 3.7.0 with `decimal.handling.mode=string`, `interval.handling.mode=string`,
`time.precision.mode=microseconds` and `binary.handling.mode=bytes`. A type that has no exact form
there is not in this table, and is refused by name.
"""

from collections.abc import Callable
from dataclasses import dataclass

import polars as pl

from afflux.errors import UnsupportedTypeError
from afflux.types.dates import date_text, time_text, timestamp_text
from afflux.types.postgres import PgType

PLACEHOLDER = "__debezium_unavailable_value"
"""What Debezium writes in place of an unchanged out-of-line value, where its type can hold it."""


def _itself(values: pl.Series) -> pl.Series:
    return values


Convert = Callable[[pl.Series, PgType], pl.Series]


@dataclass(frozen=True, slots=True)
class Form:
    """One form: the Avro type on the wire, and how its values become a frame's."""

    avro: str
    convert: Convert
    placeholder: bool = False
    """Whether this form can hold the placeholder."""
    marker: str | bytes | None = None
    """What the plugin writes for an unchanged value; None for stock forms, which have only the placeholder."""
    unwrap: Callable[[pl.Series], pl.Series] = _itself
    """Takes off what the plugin wraps around a value."""


def _same(values: pl.Series, _type: PgType) -> pl.Series:
    return values


def _cast(values: pl.Series, of: PgType) -> pl.Series:
    return values.cast(of.kind.dtype)


_NUMERIC_SPECIALS = {"NAN": "NaN", "POSITIVE_INFINITY": "Infinity", "NEGATIVE_INFINITY": "-Infinity"}


def _numeric(values: pl.Series, _type: PgType) -> pl.Series:
    return values.replace(_NUMERIC_SPECIALS)


def _zoned(values: pl.Series, _type: PgType) -> pl.Series:
    """Rewrite `2024-01-01T00:00:00.100000Z`; years before Christ come as -0043 for 44 BC."""
    text = values.str.replace("T", " ", literal=True).str.replace("Z", "+00", literal=True).str.strip_prefix("+")
    before_christ = text.str.contains(r"^-\d").fill_null(value=False)
    if not before_christ.any():
        return text
    rewritten = [_era(value) if bc else value for value, bc in zip(text, before_christ, strict=True)]
    return pl.Series(values.name, rewritten, dtype=pl.String)


def _era(text: str) -> str:
    year, rest = text[1:].split("-", 1)
    return f"{int(year) + 1:04}-{rest} BC"


def _bits(values: pl.Series, of: PgType) -> pl.Series:
    """Write little-endian bytes without leading zeros as a bit string of the declared length."""
    if values.dtype == pl.Boolean:
        return values.cast(pl.Int8).cast(pl.String)
    width = of.length or 1
    texts = [None if v is None else format(int.from_bytes(v, "little"), "b").zfill(width) for v in values]
    return pl.Series(values.name, texts, dtype=pl.String)


_TEXT = Form("string", _same, placeholder=True)
_PLAIN = Form("string", _same)

STOCK: dict[str, tuple[Form, ...]] = {
    "bool": (Form("boolean", _same),),
    "int2": (Form("int", _cast),),
    "int4": (Form("int", _cast),),
    "int8": (Form("long", _same),),
    "oid": (Form("long", _same),),
    "float4": (Form("float", _same),),
    "float8": (Form("double", _same),),
    "numeric": (Form("string", _numeric, placeholder=True),),
    "money": (_PLAIN,),
    "char": (_PLAIN,),
    "name": (_PLAIN,),
    "bytea": (Form("bytes", _same, placeholder=True),),
    "date": (Form("int", lambda values, _type: date_text(values)),),
    "time": (Form("long", lambda values, _type: time_text(values)),),
    "timestamp": (Form("long", lambda values, _type: timestamp_text(values)),),
    "timestamptz": (Form("string", _zoned),),
    "interval": (_PLAIN,),
    "uuid": (_PLAIN,),
    "inet": (_PLAIN,),
    "cidr": (_PLAIN,),
    "macaddr": (_PLAIN,),
    "macaddr8": (_PLAIN,),
    "bit": (Form("boolean", _bits), Form("bytes", _bits)),
    **dict.fromkeys(
        (
            *("text", "varchar", "bpchar", "citext", "enum", "json", "jsonb", "xml", "tsvector", "ltree"),
            *("int4range", "int8range", "numrange", "tsrange", "tstzrange", "daterange"),
        ),
        (_TEXT,),
    ),
}

_BAD_IN_ARRAYS = {
    "time": "Debezium cuts microseconds to milliseconds in it",
    "bit": "Debezium gives NULL for it",
    "date": "Debezium gives infinities and years before Christ wrong in it",
}


def stock_form(of: PgType, avro: str) -> Form:
    """Find the way from the wire to a frame.

    Args:
        of: the column's type.
        avro: the Avro type's name on the wire, of the element for an array.

    Raises:
        UnsupportedTypeError: stock Debezium has no exact form for this type, or this is not it.
    """
    if of.array and of.name in _BAD_IN_ARRAYS:
        raise UnsupportedTypeError(f"type {of.name}[]: {_BAD_IN_ARRAYS[of.name]}")
    for form in STOCK.get(of.name, ()):
        if form.avro == avro:
            return form
    known = "no exact form of it is known" if of.name not in STOCK else f"it came as Avro {avro}"
    raise UnsupportedTypeError(f"type {of.name}{'[]' if of.array else ''}: {known}")

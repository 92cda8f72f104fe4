r"""Values of exact types as PostgreSQL's own text, as its servers write it with the settings of `verify.exact`.

The way back from `exact.py`, made without it, so that each can tell what is wrong with the other.
"""

import math
import struct
from collections.abc import Callable, Mapping
from decimal import Decimal
from fractions import Fraction
from types import MappingProxyType

import polars as pl

_IN_RECORD = r'[(),"\\\s]'
"""What lets a value within a record's text be quoted (PostgreSQL's `record_out`)."""
_IN_ARRAY = r'[{},"\\\s]|^(?i:null)$'
"""What lets an element within an array's text be quoted (PostgreSQL's `array_out`)."""


def exact_text(values: pl.Series) -> pl.Series:
    """Write values of any type that `exact_type` gives as PostgreSQL's text; a null stays one."""
    of = values.dtype
    if isinstance(of, pl.List):
        return _arrays(values)
    return _TEXT.get(type(of), _itself)(values)


def record_text(values: list[pl.Series]) -> pl.Series:
    """Write rows as PostgreSQL writes a record of such columns, by the columns' texts."""
    fields = [_quoted(each, _IN_RECORD, doubled=True).fill_null("").alias(str(n)) for n, each in enumerate(values)]
    joined = pl.concat_str([pl.col(field.name) for field in fields], separator=",")
    return pl.DataFrame(fields).select(pl.concat_str(pl.lit("("), joined, pl.lit(")")).alias("record")).to_series()


def _itself(values: pl.Series) -> pl.Series:
    return values if values.dtype == pl.String else values.cast(pl.String)


def _boolean(values: pl.Series) -> pl.Series:
    return values.replace_strict({True: "t", False: "f"}, default=None, return_dtype=pl.String)


def _binary(values: pl.Series) -> pl.Series:
    return "\\x" + values.bin.encode("hex")


def _date(values: pl.Series) -> pl.Series:
    return values.dt.strftime("%Y-%m-%d")


def _timestamp(values: pl.Series) -> pl.Series:
    zoned = isinstance(values.dtype, pl.Datetime) and values.dtype.time_zone
    text = values.dt.strftime("%Y-%m-%d %H:%M:%S%.6f")
    text = text.str.strip_suffix(".000000").str.replace(r"(\.\d*?)0+$", "$1")
    return text + "+00" if zoned else text


def _float(values: pl.Series) -> pl.Series:
    single = values.dtype == pl.Float32
    distinct = values.fill_nan(None).drop_nulls().unique()
    digits = distinct.cast(pl.String) if single else [repr(value) for value in distinct]
    texts = [
        _number(_inside(text, v, single=single), 6 if single else 15) for text, v in zip(digits, distinct, strict=True)
    ]
    known = pl.DataFrame({"value": distinct, "text": pl.Series(texts, dtype=pl.String)})
    found = values.to_frame("value").join(known, on="value", how="left", maintain_order="left")["text"]
    return found.set(values.is_nan().fill_null(value=False), "NaN")


def _inside(text: str, value: float, *, single: bool) -> str:
    """Give a float's shortest digits as PostgreSQL does: a decimal halfway to the next float is none (so 1e23)."""
    form, integer, bits, most = ("<f", "<i", 24, 9) if single else ("<d", "<q", 53, 17)
    if not math.isfinite(value) or abs(value) < 2**bits:
        return text
    (here,) = struct.unpack(integer, struct.pack(form, value))
    sides = [struct.unpack(form, struct.pack(integer, here + step))[0] for step in (-1, 1)]
    halfway = {(Fraction(value) + Fraction(side)) / 2 for side in sides if math.isfinite(side)}
    longer = (f"{value:.{digits}e}" for digits in range(len(Decimal(text).normalize().as_tuple().digits), most))
    return next((digits for digits in (text, *longer) if Fraction(digits) not in halfway), text)


_SPECIALS = {"inf": "Infinity", "-inf": "-Infinity"}


def _number(text: str, most: int) -> str:
    """Write a float's shortest digits; in scientific notation below 0.0001, and from `most` digits on."""
    if text in _SPECIALS:
        return _SPECIALS[text]
    sign, parts, exponent = Decimal(text).as_tuple()
    digits = "".join(map(str, parts)).rstrip("0") or "0"
    first = len(parts) + int(exponent) - 1 if digits != "0" else 0
    minus = "-" if sign else ""
    if -4 <= first < most:
        whole = digits[: first + 1].ljust(first + 1, "0") if first >= 0 else "0"
        behind = digits[first + 1 :] if first >= 0 else "0" * (-first - 1) + digits
        return f"{minus}{whole}.{behind}" if behind else f"{minus}{whole}"
    point = f".{digits[1:]}" if digits[1:] else ""
    return f"{minus}{digits[0]}{point}e{'+' if first >= 0 else '-'}{abs(first):02}"


def _arrays(values: pl.Series) -> pl.Series:
    frame = pl.DataFrame({"list": values}).with_row_index("row")
    each = frame.filter(pl.col("list").list.len() > 0).explode("list")
    texts = _quoted(exact_text(each["list"]), _IN_ARRAY, doubled=False).fill_null("NULL")
    joined = (
        each.select("row", texts.alias("text")).group_by("row", maintain_order=True).agg(pl.col("text").str.join(","))
    )
    whole = frame.join(joined, on="row", how="left", maintain_order="left")
    text = pl.concat_str(pl.lit("{"), pl.col("text").fill_null(""), pl.lit("}"))
    return whole.select(pl.when(pl.col("list").is_not_null()).then(text).alias(values.name)).to_series()


def _quoted(texts: pl.Series, special: str, *, doubled: bool) -> pl.Series:
    """Quote texts that need it; within, quotes and backslashes are doubled, or have a backslash before them."""
    needs = texts.str.contains(special) | (texts == "")
    quote = '""' if doubled else '\\"'
    escaped = texts.str.replace_all("\\", "\\\\", literal=True).str.replace_all('"', quote, literal=True)
    return texts.zip_with(~needs, '"' + escaped + '"')


_TEXT: Mapping[type[pl.DataType], Callable[[pl.Series], pl.Series]] = MappingProxyType(
    {
        pl.Boolean: _boolean,
        pl.Binary: _binary,
        pl.Date: _date,
        pl.Datetime: _timestamp,
        pl.Float32: _float,
        pl.Float64: _float,
    }
)

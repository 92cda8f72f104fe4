r"""The exact types of a lake: which Arrow type holds a PostgreSQL type's values, and how a frame's values become it.

Numbers with a declared precision, dates, timestamps and one-dimensional arrays have such a type; every other
type is held as the text that a frame has of it, which loses nothing. What a type can't hold is refused, row by
row: `NaN` in a decimal, infinities and years outside 1 to 9999 in dates and timestamps, arrays of arrays.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType

import polars as pl

from afflux.types.arrays import elements
from afflux.types.postgres import PgType

_MOST_DIGITS = 38
"""Of a decimal: Delta's, Parquet's and Arrow's 128 bits."""

DATE = pl.Date()
TIMESTAMP = pl.Datetime("us")
"""A timestamp without a time zone."""
INSTANT = pl.Datetime("us", "UTC")
"""A timestamp with time zone: an instant, in UTC."""

_FIXED: Mapping[str, pl.DataType] = MappingProxyType(
    {
        "bool": pl.Boolean(),
        "int2": pl.Int16(),
        "int4": pl.Int32(),
        "int8": pl.Int64(),
        "oid": pl.Int64(),
        "float4": pl.Float32(),
        "float8": pl.Float64(),
        "money": pl.Decimal(19, 2),
        "bytea": pl.Binary(),
        "date": DATE,
        "timestamp": TIMESTAMP,
        "timestamptz": INSTANT,
    }
)


def exact_type(of: PgType) -> pl.DataType:
    """Give the Arrow type that holds every ordinary value of a PostgreSQL type exactly; text where none does.

    Raises:
        UnsupportedTypeError: the type is not known.
    """
    of.kind  # noqa: B018 - raises
    one = _numeric(of) if of.name == "numeric" else _FIXED.get(of.name, pl.String())
    return pl.List(one) if of.array and of.name not in _OTHER_SEPARATOR else one


_OTHER_SEPARATOR = {"box"}
"""The types whose arrays are not separated by commas (`pg_type.typdelim`); an array of them is text."""


def _numeric(of: PgType) -> pl.DataType:
    precision = of.precision
    if precision is None:
        return pl.String()
    digits, scale = precision
    digits, scale = (digits - scale, 0) if scale < 0 else (max(digits, scale), scale)
    return pl.Decimal(digits, scale) if digits <= _MOST_DIGITS else pl.String()


def exact(values: pl.Series, of: PgType, to: pl.DataType) -> pl.Series:
    """Turn a frame's values into an exact type.

    Args:
        values: as frames hold them: numbers, booleans and bytes as such, all others as PostgreSQL's text.
        of: the source's type.
        to: the type wanted; `exact_type(of)`, or another one that the target has.

    Returns:
        As many values; null where a value was null, and where it has no exact form in the type.
    """
    if isinstance(to, pl.List):
        return _lists(values, of, to)
    if values.dtype == to:
        return values
    convert = _TO.get(type(to))
    if convert is None or values.dtype == pl.Binary:
        return pl.Series(values.name, [None] * len(values), dtype=to)
    return convert(values, to)


def is_wider(new: pl.DataType, old: pl.DataType) -> bool:
    """Tell whether a type is another one that holds every value of a former one, so that a column may be given it."""
    if new == old:
        return False
    if isinstance(new, pl.List) and isinstance(old, pl.List):
        return is_wider(_inner(new), _inner(old))
    match new, old:
        case pl.Decimal(), pl.Decimal():
            return new.scale >= old.scale and new.precision - new.scale >= old.precision - old.scale
        case pl.Decimal(), _ if old.is_integer():
            return new.precision - new.scale >= _INTEGER_DIGITS[type(old)]
        case pl.String(), _:
            return old.is_integer() or isinstance(old, pl.Decimal)
    return (type(old), type(new)) in _WIDER


_INTEGER_DIGITS: Mapping[type[pl.DataType], int] = {pl.Int16: 5, pl.Int32: 10, pl.Int64: 19}
_WIDER = {
    (pl.Int16, pl.Int32),
    (pl.Int16, pl.Int64),
    (pl.Int32, pl.Int64),
    (pl.Int16, pl.Float32),
    (pl.Int16, pl.Float64),
    (pl.Int32, pl.Float64),
    (pl.Float32, pl.Float64),
}


# --- a value at a time ----------------------------------------------------------------------------


def _integer(values: pl.Series, to: pl.DataType) -> pl.Series:
    if values.dtype == pl.Boolean:
        return pl.Series(values.name, [None] * len(values), dtype=to)
    if not values.dtype.is_integer():
        values = _text(values).str.strip_chars(" ").cast(pl.Int64, strict=False)
    return values.cast(to, strict=False)


def _float(values: pl.Series, to: pl.DataType) -> pl.Series:
    """Only what reads back as the same number is exact: not every bigint is a double."""
    if values.dtype.is_integer():
        numbers = values.cast(to)
        return numbers.set(numbers.cast(values.dtype, strict=False).ne_missing(values), None)
    if values.dtype == pl.Float64 and to == pl.Float32:
        numbers = values.cast(to)
        return numbers.set(numbers.cast(pl.Float64).ne_missing(values), None)
    return values.cast(to, strict=False)


_WORDS = {"t": True, "true": True, "f": False, "false": False}


def _boolean(values: pl.Series, to: pl.DataType) -> pl.Series:
    if values.dtype != pl.String:
        return pl.Series(values.name, [None] * len(values), dtype=to)
    return values.replace_strict(_WORDS, default=None, return_dtype=to)


def _decimal(values: pl.Series, to: pl.DataType) -> pl.Series:
    """Polars rounds what has too many digits: only texts that fit are given to it."""
    assert isinstance(to, pl.Decimal)  # noqa: S101 - by the table below
    text = _text(values)
    whole, scale = to.precision - to.scale, to.scale
    pattern = rf"^-?0*[0-9]{{0,{whole}}}(\.[0-9]{{0,{scale}}}0*)?$"
    fits = text.str.contains(pattern).fill_null(value=False) & text.str.contains("[0-9]").fill_null(value=False)
    return text.set(~fits, None).cast(to, strict=False)


def _date(values: pl.Series, to: pl.DataType) -> pl.Series:
    return _text(values).str.to_date("%Y-%m-%d", strict=False).cast(to)


def _timestamp(values: pl.Series, to: pl.DataType) -> pl.Series:
    """Instants come in UTC, as `2024-02-29 12:34:56.123456+00`; a date is its midnight."""
    assert isinstance(to, pl.Datetime)  # noqa: S101 - by the table below
    text = _text(values)
    if to.time_zone:
        text = text.str.strip_suffix("+00")
    text = text.set((text.str.len_chars() == 10).fill_null(value=False), None).fill_null(text + " 00:00:00")
    found = text.str.to_datetime("%Y-%m-%d %H:%M:%S%.f", time_unit="us", strict=False)
    return found.dt.replace_time_zone("UTC") if to.time_zone else found


def _bytes(values: pl.Series, to: pl.DataType) -> pl.Series:
    r"""Read `\x00ff`."""
    text = _text(values)
    hexadecimal = text.str.starts_with("\\x").fill_null(value=False)
    return text.set(~hexadecimal, None).str.slice(2).str.decode("hex", strict=False).cast(to)


def _string(values: pl.Series, _to: pl.DataType) -> pl.Series:
    return _text(values)


def _text(values: pl.Series) -> pl.Series:
    return values if values.dtype == pl.String else values.cast(pl.String)


_TO: dict[type[pl.DataType], Callable[[pl.Series, pl.DataType], pl.Series]] = {
    pl.Boolean: _boolean,
    pl.Int16: _integer,
    pl.Int32: _integer,
    pl.Int64: _integer,
    pl.Float32: _float,
    pl.Float64: _float,
    pl.Decimal: _decimal,
    pl.Date: _date,
    pl.Datetime: _timestamp,
    pl.Binary: _bytes,
    pl.String: _string,
}


# --- arrays ---------------------------------------------------------------------------------------


def _inner(of: pl.List) -> pl.DataType:
    inner = of.inner
    return inner if isinstance(inner, pl.DataType) else inner()


def _lists(values: pl.Series, of: PgType, to: pl.List) -> pl.Series:
    if values.dtype != pl.String:
        return pl.Series(values.name, [None] * len(values), dtype=to)
    inner = _inner(to)
    texts = elements(values)
    frame = pl.DataFrame({"list": texts}).with_row_index("row")
    filled = frame.filter(pl.col("list").list.len() > 0)
    if not filled.height:
        return texts.cast(to)
    each = filled.explode("list")
    found = exact(each["list"], PgType(of.name, of.length, of.scale), inner)
    each = each.with_columns(found.alias("found"), (each["list"].is_not_null() & found.is_null()).alias("refused"))
    joined = each.group_by("row", maintain_order=True).agg("found", pl.col("refused").any())
    whole = frame.join(joined, on="row", how="left", maintain_order="left").with_columns(
        pl.when(~pl.col("refused")).then("found").alias("found")
    )
    empty = pl.Series("empty", [[]], dtype=to)
    return whole.select(
        pl.when(pl.col("list").list.len() == 0).then(pl.lit(empty).first()).otherwise("found").alias(values.name)
    ).to_series()

"""Values on their way into a database and back: exact types in the forms that a driver takes. Pure.

Every form loses nothing: a decimal is its digits, an instant is its time in UTC.
"""

import polars as pl

from afflux.types.exact import INSTANT, TIMESTAMP, exact
from afflux.types.exact_text import exact_text
from afflux.types.postgres import PgType

TEXT = pl.String()
_DATE, _TIME = "%Y-%m-%d", "%Y-%m-%d %H:%M:%S%.6f"


def outward(values: pl.Series, wire: pl.DataType) -> pl.Series:
    """Give values of an exact type in a form.

    Args:
        values: in the exact type.
        wire: the form: the type itself, a wider one, text, or a time without zone for one in UTC.
    """
    of = values.dtype
    if of == INSTANT and wire == TIMESTAMP:
        return values.dt.replace_time_zone(None)
    if wire == TEXT:
        match of:
            case pl.Date():
                return values.dt.strftime(_DATE)
            case pl.Datetime():
                return values.dt.strftime(_TIME)
            case pl.List():
                return exact_text(values)
    return values.cast(wire)


def inward(values: pl.Series, of: pl.DataType) -> pl.Series:
    """Give values that came in a form in their exact type again."""
    if values.dtype == of:
        return values
    if values.dtype == TEXT:
        match of:
            case pl.Date():
                return values.str.to_date(_DATE)
            case pl.Datetime():
                return values.str.to_datetime(_TIME, time_unit="us").dt.replace_time_zone(of.time_zone)
            case pl.List():
                return exact(values, PgType("text", array=True), of)
    if of == INSTANT and values.dtype == TIMESTAMP:
        return values.dt.replace_time_zone("UTC")
    return values.cast(of)

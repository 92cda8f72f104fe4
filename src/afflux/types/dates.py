"""Days and microseconds since 1970 as PostgreSQL's own text, over PostgreSQL's whole range.

The years 1 to 9999 go through Polars; infinities, years before Christ and later ones are rare and
are written one by one. The calendar is the proleptic Gregorian one, as PostgreSQL's is.
"""

from collections.abc import Callable

import polars as pl

_DAY_US = 86_400_000_000
_FIRST_DAY, _LAST_DAY = -719_162, 2_932_896
"""0001-01-01 and 9999-12-31."""

_DATE_SPECIALS = {
    # Debezium 3.7.0 writes each infinity in two ways (observed): in the stream, and in a snapshot.
    2_146_033_979: "infinity",
    -622_191_234: "infinity",
    -2_147_472_691: "-infinity",
    -625_821_272: "-infinity",
}
_TIMESTAMP_SPECIALS = {2**63 - 1: "infinity", -(2**63): "-infinity"}


def date_text(days: pl.Series) -> pl.Series:
    """Write days since 1970-01-01 (integers) as `2024-02-29`, `0044-03-15 BC` or `infinity`."""
    inside = days.is_between(_FIRST_DAY, _LAST_DAY)
    plain = days.set(~inside, None).cast(pl.Int32).cast(pl.Date).dt.strftime("%Y-%m-%d")
    return _with_rare(days, plain, inside, lambda n: _DATE_SPECIALS.get(n) or _rare_date(n, ""))


def timestamp_text(us: pl.Series) -> pl.Series:
    """Write microseconds since 1970-01-01 (integers) as `2024-02-29 12:34:56.123456`, at any size."""
    inside = us.is_between(_FIRST_DAY * _DAY_US, (_LAST_DAY + 1) * _DAY_US - 1)
    plain = us.set(~inside, None).cast(pl.Datetime("us")).dt.strftime("%Y-%m-%d %H:%M:%S%.6f")

    def rare(n: int) -> str:
        days, rest = divmod(n, _DAY_US)
        return _TIMESTAMP_SPECIALS.get(n) or _rare_date(days, " " + _clock(rest))

    return _with_rare(us, plain, inside, rare)


def time_text(us: pl.Series) -> pl.Series:
    """Write microseconds since midnight (integers, up to 24:00:00) as `12:34:56.123456`."""
    plain = us.cast(pl.Datetime("us")).dt.strftime("%H:%M:%S%.6f")
    return _with_rare(us, plain, us < _DAY_US, _clock)


def _with_rare(numbers: pl.Series, plain: pl.Series, inside: pl.Series, rare: Callable[[int], str]) -> pl.Series:
    outside = ~inside.fill_null(value=True)
    if not outside.any():
        return plain
    texts = [rare(n) if out else text for n, text, out in zip(numbers, plain, outside, strict=True)]
    return pl.Series(numbers.name, texts, dtype=pl.String)


def _clock(us: int) -> str:
    seconds, micro = divmod(us, 1_000_000)
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}.{micro:06}"


def _rare_date(days: int, clock: str) -> str:
    """Give the civil date of a day number, by 400-year eras that begin on the first of March."""
    shifted = days + 719_468
    era, day_of_era = divmod(shifted, 146_097)
    year_of_era = (day_of_era - day_of_era // 1460 + day_of_era // 36_524 - day_of_era // 146_096) // 365
    day_of_year = day_of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    month_from_march = (5 * day_of_year + 2) // 153
    day = day_of_year - (153 * month_from_march + 2) // 5 + 1
    month = month_from_march + 3 if month_from_march < 10 else month_from_march - 9
    year = year_of_era + era * 400 + (month <= 2)
    if year > 0:
        return f"{year:04}-{month:02}-{day:02}{clock}"
    return f"{1 - year:04}-{month:02}-{day:02}{clock} BC"

"""Values of a key that are equal though they are written differently, such as numeric 1.5 and 1.50. Pure.

Kafka keeps the order of equal bytes alone; a target compares by its types.
"""

from collections.abc import Hashable
from decimal import Decimal
from typing import Any, Final

from afflux.types.postgres import PgType

_SEVERAL: Final = frozenset(
    ("numeric", "citext", "bpchar", "float4", "float8", "interval", "jsonb", "numrange", "nummultirange", "other")
)
"""Types with equal values of several texts. `other` may be anything, such as a composite with a numeric in it."""


def has_spellings(of: PgType) -> bool:
    """Tell whether equal values of a type may have several texts."""
    return of.name in _SEVERAL


def equal_form(of: PgType, value: Any) -> Hashable:
    """Give what is the same for all texts of a value, as PostgreSQL compares numeric, citext and character.

    Other types give the value itself, which is right but for intervals, jsonb and types made of these.

    Args:
        of: the value's type.
        value: as a frame holds it.
    """
    if value is None or of.array:
        return value  # type: ignore[no-any-return]  # frames hold hashable values
    match of.name:
        case "numeric":
            number = Decimal(value)
            return "NaN" if number.is_nan() else number.normalize() if number else Decimal(0)
        case "citext":
            return str(value).lower()
        case "bpchar":
            return str(value).rstrip(" ")
    return value  # type: ignore[no-any-return]  # likewise

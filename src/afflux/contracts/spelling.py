"""One spelling for each PostgreSQL type, however a contract, a catalog or a connector writes it (pure)."""

import re
from typing import Final

from afflux.types.postgres import KINDS, Modifier, PgType

_OTHER_NAMES: Final = {
    "int": "int4",
    "decimal": "numeric",
    "float": "float8",
    "char": "bpchar",
    "timestamp without time zone": "timestamp",
    "timestamp with time zone": "timestamptz",
    "time without time zone": "time",
    "time with time zone": "timetz",
}
_OF_ONE: Final = frozenset({"character", "char", "bit"})
"""Written without a length they are of one character or bit."""
_WITHOUT_PLACE: Final = frozenset({"enum", "other", "money"})
"""Kinds whose column in the target has another type than the source's."""
_DDL: Final = {kind.ddl: name for name, kind in KINDS.items() if name not in _WITHOUT_PLACE}
_NAMES: Final = {name: name for name in KINDS if name not in {"char", "enum", "other"}} | _DDL | _OTHER_NAMES
_TYPE: Final = re.compile(
    r"(?P<name>[^(\[]+?)\s*(?:\((?P<modifier>[^)]*)\))?\s*(?P<zone>with(?:out)? time zone)?\s*(?P<array>(?:\[\d*\])+)?"
)
_MICROSECONDS: Final = 6


def spelled(text: str) -> str:
    """Write a type as afflux does everywhere.

    Args:
        text: such as `int8`, `timestamp(3) with time zone`, `decimal(12, 2)[]`, `sales."Mood"`.

    Returns:
        Such as `bigint`, `timestamptz(3)`, `numeric(12,2)[]`, `mood`: the same text for the same type. A type that
        afflux does not know keeps its own name, without its schema and in small letters.
    """
    found = _TYPE.fullmatch(text.strip())
    if found is None:
        return text.strip()
    words = " ".join(found["name"].split())
    plain = " ".join(part for part in (words.lower(), found["zone"]) if part)
    array = bool(found["array"])
    base = _NAMES.get(plain)
    if base is None:
        modifier = f"({found['modifier']})" if found["modifier"] else ""
        return _unqualified(words) + modifier + ("[]" if array else "")
    if base == "money" or (plain == "bpchar" and not found["modifier"]):
        return plain + ("[]" if array else "")
    numbers = [int(number) for number in re.findall(r"-?\d+", found["modifier"] or "")]
    if not numbers and plain in _OF_ONE:
        numbers = [1]
    return _typed(base, numbers, array=array)


def _typed(base: str, numbers: list[int], *, array: bool) -> str:
    first, second = (*numbers, None, None)[:2]
    match KINDS[base].modifier:
        case Modifier.FRACTION:
            return PgType(base, scale=_MICROSECONDS if first is None else first, array=array).ddl()
        case Modifier.NUMERIC:
            return PgType(base, first, second or 0 if first is not None else None, array=array).ddl()
        case _:
            return PgType(base, first, array=array).ddl()


def _unqualified(name: str) -> str:
    """Take schema, quotes and capitals off a name: Debezium gives names in capitals only."""
    last: list[str] = re.findall(r'"(?:[^"]|"")*"|[^."]+', name)[-1:]
    return last[0].strip('"').replace('""', '"').lower() if last else name

"""PostgreSQL's types: how a value of each is held in a frame, and how a column of it is declared.

A frame holds booleans, integers, floats and bytes in their own Arrow types, and every other value
as PostgreSQL's own text of it, which loses nothing and which every target can read.
This is the one table of types; a new type is one more line in it.
"""

from dataclasses import dataclass
from enum import Enum

import polars as pl
from polars.datatypes import DataTypeClass

from afflux.errors import UnsupportedTypeError


class Modifier(Enum):
    """What the parentheses behind a type's name hold."""

    NONE = "none"
    LENGTH = "length"
    NUMERIC = "precision and scale"
    FRACTION = "digits of a second"


@dataclass(frozen=True, slots=True)
class Kind:
    """What afflux knows of one base type."""

    dtype: DataTypeClass
    ddl: str
    modifier: Modifier = Modifier.NONE
    toastable: bool = False
    """Whether a value may be stored out of line, so that an update may come without it."""


_TEXT = pl.String

KINDS: dict[str, Kind] = {
    "bool": Kind(pl.Boolean, "boolean"),
    "int2": Kind(pl.Int16, "smallint"),
    "int4": Kind(pl.Int32, "integer"),
    "int8": Kind(pl.Int64, "bigint"),
    "oid": Kind(pl.Int64, "oid"),
    "float4": Kind(pl.Float32, "real"),
    "float8": Kind(pl.Float64, "double precision"),
    "numeric": Kind(_TEXT, "numeric", Modifier.NUMERIC, toastable=True),
    "money": Kind(_TEXT, "numeric(19,2)"),
    "text": Kind(_TEXT, "text", toastable=True),
    "varchar": Kind(_TEXT, "character varying", Modifier.LENGTH, toastable=True),
    "bpchar": Kind(_TEXT, "character", Modifier.LENGTH, toastable=True),
    "char": Kind(_TEXT, '"char"'),
    "name": Kind(_TEXT, "name"),
    "citext": Kind(_TEXT, "citext", toastable=True),
    "enum": Kind(_TEXT, "text"),
    "bytea": Kind(pl.Binary, "bytea", toastable=True),
    "date": Kind(_TEXT, "date"),
    "time": Kind(_TEXT, "time", Modifier.FRACTION),
    "timetz": Kind(_TEXT, "timetz", Modifier.FRACTION),
    "timestamp": Kind(_TEXT, "timestamp", Modifier.FRACTION),
    "timestamptz": Kind(_TEXT, "timestamptz", Modifier.FRACTION),
    "interval": Kind(_TEXT, "interval"),
    "uuid": Kind(_TEXT, "uuid"),
    "json": Kind(_TEXT, "json", toastable=True),
    "jsonb": Kind(_TEXT, "jsonb", toastable=True),
    "xml": Kind(_TEXT, "xml", toastable=True),
    "inet": Kind(_TEXT, "inet", toastable=True),
    "cidr": Kind(_TEXT, "cidr", toastable=True),
    "macaddr": Kind(_TEXT, "macaddr"),
    "macaddr8": Kind(_TEXT, "macaddr8"),
    "bit": Kind(_TEXT, "bit", Modifier.LENGTH, toastable=True),
    "varbit": Kind(_TEXT, "bit varying", Modifier.LENGTH, toastable=True),
    "tsvector": Kind(_TEXT, "tsvector", toastable=True),
    "ltree": Kind(_TEXT, "ltree", toastable=True),
    "int4range": Kind(_TEXT, "int4range", toastable=True),
    "int8range": Kind(_TEXT, "int8range", toastable=True),
    "numrange": Kind(_TEXT, "numrange", toastable=True),
    "tsrange": Kind(_TEXT, "tsrange", toastable=True),
    "tstzrange": Kind(_TEXT, "tstzrange", toastable=True),
    "daterange": Kind(_TEXT, "daterange", toastable=True),
    "int4multirange": Kind(_TEXT, "int4multirange", toastable=True),
    "int8multirange": Kind(_TEXT, "int8multirange", toastable=True),
    "nummultirange": Kind(_TEXT, "nummultirange", toastable=True),
    "tsmultirange": Kind(_TEXT, "tsmultirange", toastable=True),
    "tstzmultirange": Kind(_TEXT, "tstzmultirange", toastable=True),
    "datemultirange": Kind(_TEXT, "datemultirange", toastable=True),
    "point": Kind(_TEXT, "point"),
    "line": Kind(_TEXT, "line"),
    "lseg": Kind(_TEXT, "lseg"),
    "box": Kind(_TEXT, "box"),
    "path": Kind(_TEXT, "path", toastable=True),
    "polygon": Kind(_TEXT, "polygon", toastable=True),
    "circle": Kind(_TEXT, "circle"),
    "tsquery": Kind(_TEXT, "tsquery"),
    "jsonpath": Kind(_TEXT, "jsonpath", toastable=True),
    "pg_lsn": Kind(_TEXT, "pg_lsn"),
    "xid8": Kind(_TEXT, "xid8"),
    "other": Kind(_TEXT, "text", toastable=True),
}
"""`other` is any type whose text is known and whose meaning is not: composites, most extensions' types."""

_UNBOUNDED = 2147483647
"""The length that Debezium gives for text without one."""
_UNBOUNDED_NUMERIC = (0, 131089)
"""The lengths of a numeric without precision: in snapshots, and in the stream."""


@dataclass(frozen=True, slots=True)
class PgType:
    """A column's type as the source declares it.

    Attributes:
        name: the base type's name as in `pg_type.typname`, of the element for an array.
        length: the declared length or precision, None without one.
        scale: the declared scale or number of digits of a second, None without one.
        array: whether the column is an array of this.
    """

    name: str
    length: int | None = None
    scale: int | None = None
    array: bool = False

    def __str__(self) -> str:
        return self.ddl()

    @property
    def kind(self) -> Kind:
        """The type's line in the table.

        Raises:
            UnsupportedTypeError: there is none.
        """
        kind = KINDS.get(self.name)
        if kind is None:
            raise UnsupportedTypeError(f"type {self.name!r} is not handled")
        return kind

    @property
    def dtype(self) -> DataTypeClass:
        """The Polars type of a frame's column: arrays travel as PostgreSQL's array text."""
        return _TEXT if self.array else self.kind.dtype

    @property
    def toastable(self) -> bool:
        """Whether an update may come without this column's unchanged value."""
        return self.array or self.kind.toastable

    @property
    def precision(self) -> tuple[int, int] | None:
        """Of a numeric: its declared digits, and how many of them are behind the point (below zero: rounded off before it)."""
        if self.kind.modifier is not Modifier.NUMERIC or self.length is None or self.length in _UNBOUNDED_NUMERIC:
            return None
        return self.length, _signed(self.scale or 0)

    def ddl(self) -> str:
        """Declare a column of this type in PostgreSQL's own words, such as `numeric(12,4)[]`."""
        return self.kind.ddl + self._modifier() + ("[]" if self.array else "")

    def _modifier(self) -> str:
        length, scale = self.length, self.scale
        match self.kind.modifier:
            case Modifier.LENGTH if length is not None and 0 < length < _UNBOUNDED:
                return f"({length})"
            case Modifier.NUMERIC if self.precision is not None:
                return "({},{})".format(*self.precision)
            case Modifier.FRACTION if scale is not None and 0 <= scale < 6:
                return f"({scale})"
        return ""


def _signed(scale: int) -> int:
    """Read an eleven-bit scale: Debezium gives numeric(5,-2) as 2046 (observed on 3.7.0)."""
    return scale - 2048 if scale >= 1024 else scale


_SERIALS = {"smallserial": "int2", "serial": "int4", "bigserial": "int8"}
"""Debezium names a column whose default is nextval() by the serial type it might have been made with."""


def pg_type(name: str, length: int | None = None, scale: int | None = None) -> PgType:
    """Read a type from Debezium's `__debezium.source.column.*` parameters.

    Args:
        name: such as `INT4`, `_NUMERIC` or `BIGSERIAL`; case does not matter.
        length: the parameter `length`, None without one.
        scale: the parameter `scale`, None without one.
    """
    base = name.lower()
    array = base.startswith("_")
    base = base.removeprefix("_")
    return PgType(_SERIALS.get(base, base), length, scale, array)

"""A source column as a change event's schema describes it, and how its values are read."""

from dataclasses import dataclass
from typing import Any

import polars as pl

from afflux.errors import UnsupportedTypeError
from afflux.types.arrays import array_text
from afflux.types.postgres import KINDS, PgType, pg_type
from afflux.types.stock import PLACEHOLDER, Form, stock_form
from afflux.types.wire import fixed_width_type, is_wire, wire_form, wire_mask, wire_type

PARAMETER = "__debezium.source.column."
"""What the names of the schema parameters begin with that say of a column what it is at the source."""
_ENUM = "io.debezium.data.Enum"

_UUID_PLACEHOLDER = "b68a35a7-17ad-35b3-af2a-ae46edb4545a"
"""Debezium's placeholder as an element of uuid[] (observed)."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a source table.

    Attributes:
        name: its true name.
        field: its field in the Avro record, which may be adjusted to Avro's rules for names.
        type: its type at the source.
        form: how its values come.
        default: whether its Avro schema has a default that stands where a NULL was, as the stock
            Avro converter writes it.
        hides_unchanged: whether an unchanged out-of-line value comes as NULL, untold from one.
        mask: how its values were masked before they came to Kafka, as `wire_mask` gives it; they are texts then.
    """

    name: str
    field: str
    type: PgType
    form: Form
    default: bool = False
    hides_unchanged: bool = False
    mask: str = ""

    def read(self, values: pl.Series) -> tuple[pl.Series, pl.Series | None]:
        """Turn decoded values into a frame's.

        Args:
            values: the field's values as decoded from Avro.

        Returns:
            The values in the frame's form, and where any of them is an unchanged out-of-line value,
            booleans that say which; those values are null.
        """
        is_list = isinstance(values.dtype, pl.List)
        texts = (self._read_array(values) if is_list else self.form.convert(values, self.type)).alias(self.name)
        marker = self._marker()
        if marker is None:
            return texts, None
        unchanged = texts.to_frame().select((pl.col(self.name) == pl.lit(marker)).fill_null(value=False)).to_series()
        if self.form.marker is not None:
            texts = self.form.unwrap(texts)
        if not unchanged.any():
            return texts, None
        return pl.select(pl.when(~unchanged).then(texts)).to_series().alias(self.name), unchanged

    def _read_array(self, values: pl.Series) -> pl.Series:
        filled = values.filter((values.list.len() > 0).fill_null(value=False))
        elements = filled.explode()
        return array_text(values, self.form.convert(elements, self.type))

    def _marker(self) -> str | bytes | None:
        if self.form.marker is not None:
            return self.form.marker
        if not self.form.placeholder or self.hides_unchanged:
            return None
        return _stock_marker(self.type)


def _stock_marker(of: PgType) -> str | bytes | None:
    if not of.array:
        return PLACEHOLDER.encode() if of.name == "bytea" else PLACEHOLDER
    if of.name in _ARRAY_MARKERS:
        return _ARRAY_MARKERS[of.name]
    return None


_INTEGERS = "{" + ",".join(str(byte) for byte in PLACEHOLDER.encode()) + "}"
_TEXTS = '{"' + PLACEHOLDER + '"}'
_ARRAY_MARKERS = {
    "int4": _INTEGERS,
    "int8": _INTEGERS,
    "uuid": '{"' + _UUID_PLACEHOLDER + '"}',
    "bytea": '{"\\\\x' + PLACEHOLDER.encode().hex() + '"}',
    **dict.fromkeys(("text", "varchar", "bpchar", "char", "json", "jsonb"), _TEXTS),
}
"""The array types whose unchanged value stock Debezium marks, and how (observed on 3.7.0)."""


def read_column(field: dict[str, Any]) -> Column:
    """Read one field of an event's row schema.

    Args:
        field: the Avro field as JSON: name, type (perhaps a union with null), default.

    Raises:
        UnsupportedTypeError: the type has no exact form on this wire; the message names the column.
    """
    avro, nullable = _branch(field["type"])
    parameters: dict[str, str] = avro.get("connect.parameters", {})
    name = parameters.get(PARAMETER + "name", field["name"])
    source = parameters.get(PARAMETER + "type")
    if source is None:
        raise UnsupportedTypeError(
            f"column {name!r} comes without its source type",
            hint="the connector needs datatype.propagate.source.type=.+ (`connectors apply` sets it)",
        )
    length, scale = (_number(parameters.get(PARAMETER + part)) for part in ("length", "scale"))
    of = wire_type(avro, length, scale) if is_wire(avro) else pg_type(source, length, scale)
    element = _branch(avro["items"])[0] if avro["type"] == "array" else avro
    if element.get("connect.name") == _ENUM:
        of = PgType("enum", array=of.array)
    elif of.name not in KINDS:
        of = fixed_width_type(avro) or of
    try:
        form = wire_form(avro) if is_wire(avro) else stock_form(of, element["type"])
    except UnsupportedTypeError as error:
        raise UnsupportedTypeError(f"column {name!r}: {error.message}", hint=error.hint or _UNSUPPORTED_HINT) from None
    marked = of.name in _ARRAY_MARKERS if of.array else form.placeholder
    hides = not is_wire(avro) and of.toastable and not marked
    default = nullable and field.get("default") is not None
    return Column(name, field["name"], of, form, default=default, hides_unchanged=hides, mask=wire_mask(avro))


_UNSUPPORTED_HINT = "leave the column out with the connector's column.exclude.list, or change its type at the source"


def _branch(avro: Any) -> tuple[dict[str, Any], bool]:
    """Give a type's non-null branch as a mapping, and whether null was another."""
    branches = avro if isinstance(avro, list) else [avro]
    others = [branch for branch in branches if branch != "null"]
    if len(others) != 1:
        raise UnsupportedTypeError(f"a union of {len(others)} types is no column of Debezium's")
    (branch,) = others
    return (branch if isinstance(branch, dict) else {"type": branch}), len(others) < len(branches)


def _number(text: str | None) -> int | None:
    return None if text is None else int(text)

"""The forms in which afflux's Connect plugin hands values over: exact, and unchanged ones marked.

A field says so itself, by the schema parameter `afflux.wire`; `docs/wire.md` specifies it. Fixed-width
types keep Debezium's form; every other type is PostgreSQL's own text, and bytea is its bytes behind one
leading byte.
"""

from collections.abc import Mapping
from typing import Any

from afflux.errors import UnsupportedTypeError
from afflux.types.postgres import KINDS, PgType
from afflux.types.stock import Form

_VERSION = "1"
_WIRE = "afflux.wire"
_TYPE = "afflux.type"
_MASK = "afflux.mask"

UNCHANGED = "\x00unchanged"
"""An unchanged out-of-line value: a text that PostgreSQL can't hold."""
UNCHANGED_BYTES = b"\x01"


def is_wire(avro: Mapping[str, Any]) -> bool:
    """Tell whether a field's Avro type was made by the plugin."""
    return _WIRE in avro.get("connect.parameters", {})


def wire_mask(avro: Mapping[str, Any]) -> str:
    """Read how the plugin has masked a field's values: `hash`, `partial:<characters>` or `remove`; empty if it has not.

    The values of a masked field are texts, whatever its type at the source; of a type that such a mask is not for
    there are none, but NULL.
    """
    mask: str = avro.get("connect.parameters", {}).get(_MASK, "")
    return mask


def wire_type(avro: Mapping[str, Any], length: int | None, scale: int | None) -> PgType:
    """Read the type of a field that the plugin made: the one below all domains.

    Args:
        avro: the field's Avro type as JSON.
        length: the declared length or precision, of the element for an array; None without one.
        scale: the declared scale or digits of a second, None without one.

    Returns:
        The type; `other` where nothing but its text is known, such as of a composite or an extension's type.
    """
    name: str = avro["connect.parameters"].get(_TYPE, "")
    array = name.startswith("_")
    base = name.removeprefix("_")
    if base not in KINDS or (array and base == "money"):  # money[] is text such as {$1.00}, which is no number
        return PgType("other", array=array)
    return PgType(base, length, scale, array)


_FIXED_WIDTH = {"boolean": "bool", "int": "int4", "long": "int8", "float": "float4", "double": "float8"}


def fixed_width_type(avro: Mapping[str, Any]) -> PgType | None:
    """Read the type below a domain by its Avro type, which for those of fixed width tells it.

    Returns:
        None if it is not one of them.
    """
    kind, name = avro["type"], avro.get("connect.name")
    if name == "io.debezium.data.Uuid":
        return PgType("uuid")
    if name is not None or kind not in _FIXED_WIDTH:
        return None
    return PgType("int2" if avro.get("connect.type") == "int16" else _FIXED_WIDTH[kind])


_FORMS = {
    "string": Form("string", lambda values, _type: values, marker=UNCHANGED),
    "bytes": Form(
        "bytes", lambda values, _type: values, marker=UNCHANGED_BYTES, unwrap=lambda values: values.bin.slice(1)
    ),
}


def wire_form(avro: Mapping[str, Any]) -> Form:
    """Find the way from the plugin's wire to a frame.

    Args:
        avro: the field's Avro type as JSON.

    Raises:
        UnsupportedTypeError: a wire of another version.
    """
    version = avro["connect.parameters"][_WIRE]
    if version != _VERSION or avro["type"] not in _FORMS:
        raise UnsupportedTypeError(
            f"it comes as Avro {avro['type']} in version {version} of the plugin's wire, and this afflux reads {_VERSION}",
            hint="use the plugin and the sink of one release",
        )
    return _FORMS[avro["type"]]

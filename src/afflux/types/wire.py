"""The forms in which afflux's Connect plugin hands values over: exact, and unchanged ones marked.

A field says so itself, by the schema parameter `afflux.wire`. Fixed-width types keep Debezium's
form; every other type is PostgreSQL's own text, and bytea is its bytes behind one leading byte.
"""

from typing import Any

import polars as pl

from afflux.errors import UnsupportedTypeError
from afflux.types.postgres import KINDS, PgType
from afflux.types.stock import Form

_VERSION = "1"
_PARAMETER = "afflux.wire"

UNCHANGED = "\x00unchanged"
"""An unchanged out-of-line value: a text that PostgreSQL can't hold."""
UNCHANGED_BYTES = b"\x01"


def is_wire(avro: dict[str, Any]) -> bool:
    """Tell whether a field's Avro type was made by the plugin."""
    return _PARAMETER in avro.get("connect.parameters", {})


def _bytes(values: pl.Series, _type: PgType) -> pl.Series:
    return values


_FORMS = {
    "string": Form("string", lambda values, _type: values, marker=UNCHANGED),
    "bytes": Form("bytes", _bytes, marker=UNCHANGED_BYTES, unwrap=lambda values: values.bin.slice(1)),
}


def wire_form(of: PgType, avro: dict[str, Any]) -> Form:
    """Find the way from the plugin's wire to a frame.

    Args:
        of: the column's type.
        avro: the field's Avro type as JSON.

    Raises:
        UnsupportedTypeError: a wire of another version, or a type without a place in the target.
    """
    version = avro["connect.parameters"][_PARAMETER]
    if version != _VERSION:
        raise UnsupportedTypeError(
            f"it comes in version {version} of the plugin's wire, and this afflux reads {_VERSION}",
            hint="use the plugin and the sink of one release",
        )
    if of.name not in KINDS or avro["type"] not in _FORMS:
        raise UnsupportedTypeError(f"type {of.name} as Avro {avro['type']} is not handled")
    return _FORMS[avro["type"]]

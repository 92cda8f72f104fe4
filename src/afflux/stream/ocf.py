"""Many Avro messages as one Avro object container file, so that one call decodes them all.

The file's form is that of the Avro specification 1.12, "Object Container Files": a header with the
schema, then blocks of a count, a length and the encoded objects, each closed by a marker.

A message's five leading bytes stay in place, as a first field of fixed length: nothing is cut or copied for them, and
where they are not found again at each row's beginning, some row before was not read to its own end.
"""

import io
import json
from collections.abc import Collection, Sequence
from typing import Any

import polars as pl
import polars_avro

from afflux.errors import DecodeError
from afflux.sinks.batch import WIRE_HEADER

_SYNC = b"afflux-ocf-sync!"
_MAGIC = b"Obj\x01"
_HEAD = "head"
_HEAD_FIELD = {"name": _HEAD, "type": {"type": "fixed", "name": "Head", "size": WIRE_HEADER}}


class Container:
    """Decodes message values of one schema.

    Args:
        schema: the writer's schema as JSON, a record.
    """

    def __init__(self, schema: dict[str, Any]) -> None:
        whole = {**schema, "fields": [_HEAD_FIELD, *schema["fields"]]}
        metadata = {b"avro.schema": json.dumps(whole).encode(), b"avro.codec": b"null"}
        entries = b"".join(_length(len(k)) + k + _length(len(v)) + v for k, v in metadata.items())
        self._header = _MAGIC + _length(len(metadata)) + entries + _length(0) + _SYNC

    def decode(self, values: Sequence[bytes], heads: Collection[bytes]) -> pl.DataFrame:
        """Decode values into a frame, a row each.

        Args:
            values: whole, with the registry's leading bytes.
            heads: what those may be.

        Raises:
            polars_avro.AvroError: a value is not of this schema.
            DecodeError: likewise; the values are of this schema together, and not one by one.
        """
        block = b"".join(values)
        file = b"".join((self._header, _length(len(values)), _length(len(block)), block, _SYNC))
        # utf8_view=True would turn nulls of nullable strings into "" (its own documentation).
        rows = polars_avro.read_avro(io.BytesIO(file), batch_size=max(len(values), 1), utf8_view=False)
        if not rows[_HEAD].is_in(list(heads)).all():
            raise DecodeError("events are not read to their ends by the schema that they name")
        return rows.drop(_HEAD)


def _length(number: int) -> bytes:
    """Encode a long as Avro does: zigzag, seven bits a byte."""
    rest = (number << 1) ^ (number >> 63)
    encoded = bytearray()
    while rest > 0x7F:
        encoded.append(rest & 0x7F | 0x80)
        rest >>= 7
    encoded.append(rest)
    return bytes(encoded)

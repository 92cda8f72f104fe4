"""Many Avro messages as one Avro object container file, so that one call decodes them all.

The file's form is that of the Avro specification 1.12, "Object Container Files": a header with the
schema, then blocks of a count, a length and the encoded objects, each closed by a marker.
"""

import io
import json
from collections.abc import Sequence
from typing import Any

import polars as pl
import polars_avro

_SYNC = b"afflux-ocf-sync!"
_MAGIC = b"Obj\x01"


class Container:
    """Decodes message bodies of one schema.

    Args:
        schema: the writer's schema as JSON.
    """

    def __init__(self, schema: dict[str, Any]) -> None:
        metadata = {b"avro.schema": json.dumps(schema).encode(), b"avro.codec": b"null"}
        entries = b"".join(_length(len(k)) + k + _length(len(v)) + v for k, v in metadata.items())
        self._header = _MAGIC + _length(len(metadata)) + entries + _length(0) + _SYNC

    def decode(self, bodies: Sequence[bytes]) -> pl.DataFrame:
        """Decode bodies (without the registry's five leading bytes) into a frame, a row each.

        Raises:
            polars_avro.AvroError: a body is not of this schema.
        """
        block = b"".join(bodies)
        file = b"".join((self._header, _length(len(bodies)), _length(len(block)), block, _SYNC))
        # utf8_view=True would turn nulls of nullable strings into "" (its own documentation).
        return polars_avro.read_avro(io.BytesIO(file), batch_size=max(len(bodies), 1), utf8_view=False)


def _length(number: int) -> bytes:
    """Encode a long as Avro does: zigzag, seven bits a byte."""
    rest = (number << 1) ^ (number >> 63)
    encoded = bytearray()
    while rest > 0x7F:
        encoded.append(rest & 0x7F | 0x80)
        rest >>= 7
    encoded.append(rest)
    return bytes(encoded)

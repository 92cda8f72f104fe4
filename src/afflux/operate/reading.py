"""What an event's bytes say, as far as the registry lets it be read."""

import io
import json
from typing import Any

import fastavro

from afflux.clients.registry import Registry
from afflux.errors import RegistryError
from afflux.sinks.batch import WIRE_HEADER


class Reader:
    """Reads keys and values for people.

    Args:
        registry: the schema registry.
    """

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._schemas: dict[int, Any] = {}
        self.away = ""
        """Why the registry can't be asked; empty while it answers. It is asked no more then."""

    def read(self, data: bytes | None) -> tuple[Any, str]:
        """Read bytes.

        Returns:
            What they say, and why they can't be read: one of the two, the other is None or empty.
        """
        if data is None:
            return None, ""
        if len(data) <= WIRE_HEADER or data[0] != 0:
            return None, "it does not begin with a schema id"
        number = int.from_bytes(data[1:WIRE_HEADER], "big")
        schema = self._schema(number)
        if schema is None:
            return None, self.away or f"schema id {number} is not in the registry"
        body = io.BytesIO(data[WIRE_HEADER:])
        try:
            found: Any = fastavro.schemaless_reader(body, schema, None)
        except Exception as error:  # noqa: BLE001 - whatever it is, these bytes can't be read
            return None, f"the bytes are not of schema {number} ({type(error).__name__}: {error})"
        left = len(data) - WIRE_HEADER - body.tell()
        return (None, f"{left} byte(s) too many for schema {number}") if left else (plain(found), "")

    def key(self, data: bytes | None) -> str:
        """Give a key as people would write it: its value, or several as JSON; in hex where it can't be read."""
        found, _ = self.read(data)
        return key_text(found, data)

    def _schema(self, number: int) -> Any:
        if number not in self._schemas and not self.away:
            try:
                schema = self._registry.schema(number)
            except RegistryError as error:
                self.away = error.message
                return None
            self._schemas[number] = None if schema is None else fastavro.parse_schema(schema)
        return self._schemas.get(number)


def key_text(found: Any, data: bytes | None) -> str:
    """Write a key for people.

    Args:
        found: what its bytes say; None where they can't be read.
        data: its bytes.
    """
    if data is None:
        return ""
    if not isinstance(found, dict):
        return in_hex(data)
    return str(next(iter(found.values()))) if len(found) == 1 else json.dumps(found)


def plain(value: Any) -> Any:
    """Give an Avro value in the types that JSON has; bytes as PostgreSQL writes them."""
    if isinstance(value, dict):
        return {key: plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain(inner) for inner in value]
    if isinstance(value, bytes):
        return in_hex(value)
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)


def in_hex(data: bytes) -> str:
    r"""Write bytes as PostgreSQL does: `\x00ff`."""
    return "\\x" + data.hex()

"""Messages that are read one by one: the first of a kind, and those of which some can't be read."""

import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import fastavro

from afflux.errors import DecodeError, PoisonError
from afflux.sinks.batch import WIRE_HEADER
from afflux.stream.decoded import Message


@dataclass(slots=True)
class Group:
    """Messages of one topic with one pair of schemas: their order of arrival, and their values."""

    sequences: list[int] = field(default_factory=list)
    values: list[bytes] = field(default_factory=list)
    heads: set[bytes] = field(default_factory=set)
    """What the values begin with."""
    first: Message | None = None
    """For messages of errors."""


def source_of(schema: dict[str, Any], group: Group) -> dict[str, Any]:
    """Read the source block of the first event that can be read.

    Raises:
        PoisonError: none can be read.
    """
    parsed = fastavro.parse_schema(schema)
    reasons = {}
    for sequence, value in zip(group.sequences, group.values, strict=True):
        reason = _unreadable(parsed, value)
        if not reason:
            event: Any = fastavro.schemaless_reader(io.BytesIO(value[WIRE_HEADER:]), parsed, None)
            source: dict[str, Any] = event["source"]
            return source
        reasons[sequence] = f"{place(group.first)} or after: {reason}"
    raise PoisonError("not of its schema", reasons)


def poison(schema: dict[str, Any], group: Group, messages: Sequence[Message], error: Exception) -> Exception:
    """Find the values that are not of their schema; gives the error to be raised instead of `error`."""
    parsed = fastavro.parse_schema(schema)
    reasons = {}
    for sequence, value in zip(group.sequences, group.values, strict=True):
        reason = _unreadable(parsed, value)
        if reason:
            reasons[sequence] = f"{place(messages[sequence])}: {reason}"
    if reasons:
        return PoisonError("not of its schema", reasons)
    return DecodeError(f"{place(group.first)} or after: {error}", hint="each of these events can be read alone")


def _unreadable(parsed: Any, value: bytes) -> str:
    body = value[WIRE_HEADER:]
    stream = io.BytesIO(body)
    try:
        fastavro.schemaless_reader(stream, parsed, None)
    except Exception as error:  # noqa: BLE001 - whatever it is, the event can't be read
        return f"the bytes are not of the schema that they name ({type(error).__name__}: {error})"
    left = len(body) - stream.tell()
    return f"{left} byte(s) too many for the schema that they name" if left else ""


def place(message: Message | None) -> str:
    """Say where a message was read."""
    if message is None:
        return "an event"
    return f"topic {message.topic()!r} partition {message.partition()} offset {message.offset()}"

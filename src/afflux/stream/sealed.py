"""Dead letters of tables with masked columns: no bytes of the event, but where it is in Kafka, and its hash. Pure.

What is masked in the target must not lie beside it in clear. So such a letter has no value, no headers and no text of
the error, which may quote a value; its key is a hash, by which later events of the key still find it. To be tried
again, it is read anew from Kafka, as long as Kafka keeps it.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from hashlib import sha256
from typing import Protocol

from afflux.sinks.batch import WIRE_HEADER, DeadLetter, LetterId
from afflux.stream.decoded import Message

HASH = "afflux.sha256"
"""The header that a sealed letter has instead of the event's own: the SHA-256 of key and value, in hexadecimal."""
REASON = "its text is not kept, for the table has masked columns"


class Again(Protocol):
    """Reads events anew."""

    def __call__(self, letters: Collection[LetterId], /) -> Mapping[LetterId, Message]:
        """Give the events that are in Kafka still, by where they are."""
        ...


Sealed = Callable[[str], bool]
"""Tells whether the dead letters of a topic are sealed."""


def seal(letter: DeadLetter) -> DeadLetter:
    """Take out of a dead letter all that the event has said."""
    headers = ((HASH, _hash(letter.key, letter.value).encode()),)
    return replace(letter, key=sealed_key(letter.key), value=b"", headers=headers, reason=REASON)


def sealed_key(key: bytes | None) -> bytes | None:
    """Give what stands for a key: its schema's id, and the hash of its bytes."""
    return None if key is None else key[:WIRE_HEADER].ljust(WIRE_HEADER, b"\0") + sha256(key[WIRE_HEADER:]).digest()


def is_sealed(letter: DeadLetter) -> bool:
    """Tell whether a letter is without its event."""
    return not letter.value and any(name == HASH for name, _ in letter.headers)


def is_event_of(letter: DeadLetter, message: Message) -> bool:
    """Tell whether an event is the one that a sealed letter was made of, and not one of a topic made anew."""
    said = dict(letter.headers).get(HASH)
    return said == _hash(message.key(), message.value() or b"").encode()


def _hash(key: bytes | None, value: bytes) -> str:
    digest = sha256(len(key or b"").to_bytes(8))
    digest.update(key or b"")
    digest.update(value)
    return digest.hexdigest()

"""Bytes that are no events are said to be none: no crash, no endless work, no memory for what they claim to hold."""

import tracemalloc
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from afflux.errors import DecodeError, PoisonError, TableError
from afflux.stream.decoder import Decoder
from afflux.stream.router import Router
from debezium import Event, Wire
from declared import topology
from hostile import HOSTILE
from lines import row

MOST = 64 * 1024 * 1024
"""Bytes of memory that a small message may take to be refused."""


def refused(wire: Wire, messages: Sequence[Event]) -> bool:
    """Decode, and tell whether it was refused as it should be; anything else is raised."""
    decoder = Decoder(wire.schema, Router(topology()), {"shard0": "shard0"})
    tracemalloc.start()
    try:
        decoder.decode(messages)
    except (PoisonError, TableError, DecodeError):
        return True
    finally:
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < MOST
    return False


@given(st.data())
def test_changed_bytes_are_refused_or_are_another_event(data: st.DataObject) -> None:
    wire = Wire()
    messages = [row(wire, "c", number, "a note", number) for number in range(3)]
    value = bytearray(messages[1]._value or b"")
    for _ in range(data.draw(st.integers(1, 6))):
        place = data.draw(st.integers(0, len(value) - 1))
        kind = data.draw(st.sampled_from(["set", "cut", "insert"]))
        if kind == "set":
            value[place] = data.draw(st.integers(0, 255))
        elif kind == "cut" and len(value) > 1:
            del value[place]
        else:
            value[place:place] = data.draw(st.binary(max_size=12))
    messages[1]._value = bytes(value)
    refused(wire, messages)


def test_events_that_are_right_only_when_read_as_one_are_each_refused() -> None:
    wire = Wire()
    right, first, second = (row(wire, "c", number, "a note", number) for number in range(3))
    before, after = first._value or b"", second._value or b""
    # One event has lost its last byte, and the next has it in front of its own.
    first._value, second._value = before[:-1], after[:5] + before[-1:] + after[5:]
    with pytest.raises(PoisonError) as poison:
        Decoder(wire.schema, Router(topology()), {"shard0": "shard0"}).decode([right, first, second])
    assert set(poison.value.reasons) == {1, 2}


@given(st.binary(max_size=300), st.none() | st.binary(max_size=60))
def test_any_bytes_are_refused(value: bytes, key: bytes | None) -> None:
    wire = Wire()
    event = row(wire, "c", 1, "a note")
    event._value, event._key = value, key
    assert refused(wire, [event])


@given(st.integers(0, 2**63 - 1), st.integers(6, 40))
def test_a_text_that_claims_to_be_huge_takes_no_memory(length: int, place: int) -> None:
    wire = Wire()
    event = row(wire, "c", 1, "a note", 5)
    claim, left = bytearray(), (length << 1) ^ (length >> 63)
    while left > 0x7F:
        claim.append(left & 0x7F | 0x80)
        left >>= 7
    claim.append(left)
    value = bytearray(event._value or b"")
    value[place : place + 1] = claim
    event._value = bytes(value)
    refused(wire, [event])


def test_hostile_values_come_through_as_they_are() -> None:
    wire = Wire()
    messages = [row(wire, "c", number, text) for number, text in enumerate(HOSTILE)]
    (decoded,) = Decoder(wire.schema, Router(topology()), {"shard0": "shard0"}).decode(messages)
    assert decoded.rows["note"].to_list() == list(HOSTILE)

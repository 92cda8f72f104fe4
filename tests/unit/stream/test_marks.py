"""A mark speaks of no more than what was before it."""

import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import fastavro
import pytest

from afflux.sinks.batch import Mark, Partition
from afflux.stream.marks import SLACK_US, Marker, MarkReader, Pending, marks_of
from afflux.stream.subscription import Declared, message_topics
from declared import topology

# As Debezium 3.7 registers it, without what is not read.
SCHEMA = {
    "type": "record",
    "name": "MessageValue",
    "namespace": "io.debezium.connector.postgresql",
    "fields": [
        {"name": "op", "type": "string"},
        {"name": "ts_ms", "type": ["null", "long"], "default": None},
        {
            "name": "source",
            "type": {
                "type": "record",
                "name": "Source",
                "fields": [
                    {"name": "name", "type": "string"},
                    {"name": "ts_us", "type": ["null", "long"], "default": None},
                    {"name": "lsn", "type": ["null", "long"], "default": None},
                ],
            },
        },
        {
            "name": "message",
            "type": {
                "type": "record",
                "name": "Message",
                "fields": [
                    {"name": "prefix", "type": ["null", "string"], "default": None},
                    {"name": "content", "type": ["null", "bytes"], "default": None},
                ],
            },
        },
    ],
}
SHARDS = {"shard0": "shard0"}
A, B, OTHER = Partition("shard0.public.a", 0), Partition("shard0.public.b", 0), Partition("shard1.public.a", 0)


@dataclass
class Message:
    body: bytes

    def value(self) -> bytes:
        return self.body

    def topic(self) -> str:
        return "shard0.message"

    def partition(self) -> int:
        return 0

    def offset(self) -> int:
        return 0

    def key(self) -> bytes | None:
        return None

    def headers(self) -> None:
        return None


def heartbeat(
    *, name: str = "shard0", prefix: str = "afflux.t", op: str = "m", time: int | None = 5_000_000, lsn: int | None = 7
) -> Message:
    out = io.BytesIO()
    event = {
        "op": op,
        "ts_ms": 1,
        "source": {"name": name, "ts_us": time, "lsn": lsn},
        "message": {"prefix": prefix, "content": b"heartbeat"},
    }
    fastavro.schemaless_writer(out, fastavro.parse_schema(SCHEMA), event)
    return Message(b"\x00\x00\x00\x00\x09" + out.getvalue())


def read(message: Message, schemas: Mapping[int, Any] | None = None) -> Marker | None:
    known = {9: SCHEMA} if schemas is None else schemas
    return MarkReader(known.get).read(message, "afflux.t", SHARDS)


def test_a_heartbeats_message_is_read() -> None:
    assert read(heartbeat()) == Marker("shard0", 5_000_000, 7)


@pytest.mark.parametrize(
    "message",
    [
        heartbeat(prefix="afflux.t2"),
        heartbeat(name="strange"),
        heartbeat(op="c"),
        heartbeat(time=None),
        heartbeat(lsn=None),
        Message(heartbeat().body[:-9]),
        Message(b""),
        Message(b"\x00\x00\x00\x00\x09"),
    ],
)
def test_what_is_no_heartbeat_of_ours_marks_nothing(message: Message) -> None:
    assert read(message) is None


def test_a_message_whose_schema_is_nowhere_marks_nothing() -> None:
    assert read(heartbeat(), {}) is None


def test_a_mark_speaks_of_a_little_before_its_heartbeat_and_of_its_own_shard() -> None:
    declared = Declared(topology())
    ends = {A: 5, B: 0, OTHER: 9}
    (made,) = marks_of(
        {"shard0": Marker("shard0", 5_000_000, 7)}, ends, declared.shards_of, {A.topic: "x", "other": "y"}
    )
    assert made == Mark("shard0", 5_000_000 - SLACK_US, 7, {A: 5, B: 0}, {A.topic: "x"})


def mark(time: int, ends: Mapping[Partition, int]) -> Mark:
    return Mark("shard0", time, time, ends)


def test_a_mark_is_not_plausible_while_an_own_position_is_before_its_end() -> None:
    pending = Pending()
    pending.add([mark(1, {A: 5}), mark(2, {A: 8, B: 1})])
    assert [m.time_us for m in pending.plausible({A: 4}, ())] == []
    assert [m.time_us for m in pending.plausible({A: 5}, ())] == [1]
    assert [m.time_us for m in pending.plausible({A: 8, B: 0}, ())] == [1]
    assert [m.time_us for m in pending.plausible({A: 8, B: 0}, {B.topic})] == [1, 2]
    assert [m.time_us for m in pending.plausible({}, ())] == [1, 2], "the target knows of other workers' positions"


def test_passing_a_mark_passes_those_before_it() -> None:
    pending = Pending()
    pending.add([mark(1, {}), mark(2, {}), mark(3, {A: 1})])
    pending.passed([mark(2, {})])
    assert [m.time_us for m in pending.plausible({}, ())] == [3]
    pending.passed([mark(3, {A: 1})])
    assert pending.plausible({}, ()) == []


def test_marks_that_are_far_from_being_reached_stay_few_and_the_first_is_kept() -> None:
    pending = Pending()
    for time in range(100):
        pending.add([mark(time, {})])
    waiting = [m.time_us for m in pending.plausible({}, ())]
    assert (len(waiting), waiting[0], waiting[-1]) == (4, 0, 99)


def test_heartbeats_topics_are_no_tables() -> None:
    declared = topology()
    assert message_topics(declared) >= {"shard0.message"}
    assert {Declared(declared).table_of(topic) for topic in message_topics(declared)} == {None}

"""What is gathered of messages as they come, whatever comes between them."""

from concurrent.futures import Future
from typing import Any

import pytest
from confluent_kafka import KafkaError, Message
from hypothesis import given
from hypothesis import strategies as st

from afflux.errors import KafkaError as Lost
from afflux.sinks.batch import Partition, Span
from afflux.stream.intake import Intake

ROWS, BEATS, HELD, NOT_OURS = (Partition(topic, 0) for topic in ("rows", "beats", "held", "not ours"))
SECOND = Partition("rows", 1)
PLACES = [ROWS, SECOND, BEATS, HELD, NOT_OURS]
START = 100


class Scripted:
    """A consumer that hands out what a test has written down."""

    def __init__(self, came: list[Message]) -> None:
        self.came = came

    def consume(self, num_messages: int, timeout: float) -> list[Message]:
        assert timeout == 0
        now, self.came = self.came[:num_messages], self.came[num_messages:]
        return now

    def __getattr__(self, name: str) -> Any:
        return lambda *_, **__: []


def intake(came: list[Message], marks: list[Message]) -> Intake:
    made = Intake(
        bootstrap_servers="127.0.0.1:1",
        properties={},
        group="g",
        on_assign=lambda _: Future(),
        on_begin=lambda _: None,
        on_revoke=lambda *_: None,
        on_mark=marks.append,
        on_astray=lambda *_: None,
    )
    made._consumer = Scripted(came)  # type: ignore[assignment]
    made.subscribe({"rows", "beats", "held"}, {"beats"})
    made._next = dict.fromkeys(PLACES[:-1], START)
    made.hold("held")
    return made


def message(place: Partition, offset: int, *, end: bool = False) -> Message:
    error = KafkaError(KafkaError._PARTITION_EOF) if end else None
    return Message(
        topic=place.topic, partition=place.number, offset=offset, value=b"12", timestamp=(1, offset), error=error
    )


@given(st.lists(st.tuples(st.sampled_from(PLACES), st.booleans(), st.integers(0, 3))), st.integers(1, 7))
def test_messages_are_gathered_as_if_one_by_one(script: list[tuple[Partition, bool, int]], most: int) -> None:
    """Messages of any partitions in any order, ends of partitions between them, and offsets that skip marks."""
    at = dict.fromkeys(PLACES, START)
    came: list[Message] = []
    rows: list[tuple[str, int, int]] = []
    beats: list[int] = []
    spans: dict[Partition, Span] = {}
    for place, end, skipped in script:
        offset = at[place] + skipped
        at[place] = offset if end else offset + 1
        came.append(message(place, offset, end=end))
        if place in {HELD, NOT_OURS}:
            continue
        if at[place] > START:
            spans[place] = Span(START, at[place])
        if not end:
            (beats if place == BEATS else rows).append(
                offset if place == BEATS else (place.topic, place.number, offset)
            )  # type: ignore[arg-type]
    marks: list[Message] = []
    made = intake(came, marks)
    while made.poll(most, 0):
        pass
    raw = made.take()
    assert [(m.topic(), m.partition(), m.offset()) for m in raw.messages] == rows
    assert [m.offset() for m in marks] == beats
    assert (raw.spans, raw.bytes) == (spans, 2 * len(rows))
    firsts = {Partition(topic, number): offset / 1000 for topic, number, offset in reversed(rows)}
    assert raw.begun == firsts


def test_a_final_error_of_the_broker_between_messages_is_told() -> None:
    fatal = KafkaError(KafkaError._FATAL, "no more", True)
    made = intake([message(ROWS, START), Message(topic="rows", partition=0, error=fatal), message(ROWS, START + 1)], [])
    with pytest.raises(Lost, match="no more"):
        made.poll(10, 0)
    assert len(made.take().messages) == 1

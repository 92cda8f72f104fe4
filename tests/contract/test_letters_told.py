"""Dead letters are told elsewhere once they are written, and settled ones are forgotten in time."""

from datetime import UTC, datetime, timedelta

from afflux.sinks.batch import Batch, DeadLetter, LetterId
from afflux.sinks.state import LetterFilter
from targets import ZERO, Target, batch


def letter(offset: int, reason: str = "because") -> DeadLetter:
    headers = (("__debezium.newkey", b"{}"), ("odd", None))
    return DeadLetter(ZERO, offset, b"\0\0\0\0\7k", b"\0value", headers, kind="refused", reason=reason)


def with_letters(target: Target, *letters: DeadLetter, start: int = 0) -> None:
    sink = target.sink()
    sink.claim([ZERO])
    sink.apply(Batch(batch(start, end=start + 5).spans, dead=letters))


def untold(target: Target, most: int = 100) -> list[int]:
    return [each.offset for each in target.state().untold_letters(most)]


def test_letters_are_told_whole_and_once(target: Target) -> None:
    with_letters(target, letter(1), letter(2), letter(3))
    assert untold(target, 2) == [1, 2]
    assert target.state().untold_letters(1) == [letter(1)]
    target.state().tell_letters([LetterId(ZERO, 1), LetterId(ZERO, 2), LetterId(ZERO, 99)])
    assert untold(target) == [3]


def test_a_letter_that_fails_again_is_not_told_again(target: Target) -> None:
    with_letters(target, letter(1))
    target.state().tell_letters([LetterId(ZERO, 1)])
    with_letters(target, letter(1, "another reason"), start=5)
    assert untold(target) == []


def test_settled_letters_are_forgotten_and_open_ones_stay(target: Target) -> None:
    with_letters(target, letter(1), letter(2))
    state = target.state()
    state.discard([LetterId(ZERO, 1)])
    assert state.forget_letters(datetime.now(UTC) - timedelta(hours=1)) == 0
    assert state.forget_letters(datetime.now(UTC) + timedelta(hours=1)) == 1
    assert [head.id.offset for head in state.letters(LetterFilter(states=None))] == [2]

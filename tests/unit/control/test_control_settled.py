"""The last look of a run waits for streams that are between two tasks, and for no others."""

from collections.abc import Callable, Iterator

import pytest

from afflux.control.seen import follow
from afflux.control.seen.follow import settled
from afflux.control.seen.status import ShardStatus, Verdict

LONG = 60.0


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follow, "LOOK_SECONDS", 0.001)


def looks(*verdicts: Verdict) -> tuple[Callable[[], list[ShardStatus]], Iterator[Verdict]]:
    """A look that sees one verdict after the other, and what it has not seen yet."""
    left = iter(verdicts)
    return lambda: [ShardStatus("shard0", Verdict.STREAMING), ShardStatus("shard1", next(left))], left


PASSING = [Verdict.STARTING, Verdict.STUCK, Verdict.MISSING]


@pytest.mark.parametrize("passing", PASSING)
def test_a_stream_between_two_tasks_is_waited_for(passing: Verdict) -> None:
    look, left = looks(passing, passing, Verdict.STREAMING, Verdict.FAILED)
    assert [each.verdict for each in settled(look, LONG)] == [Verdict.STREAMING, Verdict.STREAMING]
    assert list(left) == [Verdict.FAILED]


@pytest.mark.parametrize("verdict", sorted(set(Verdict) - set(PASSING)))
def test_what_will_not_change_by_itself_is_told_at_once(verdict: Verdict) -> None:
    look, left = looks(verdict, Verdict.STREAMING)
    assert settled(look, LONG)[1].verdict is verdict
    assert list(left) == [Verdict.STREAMING]


def test_nobody_who_does_not_wait_is_made_to() -> None:
    look, left = looks(Verdict.STARTING, Verdict.STREAMING)
    assert settled(look, 0)[1].verdict is Verdict.STARTING
    assert list(left) == [Verdict.STREAMING]


def test_the_wait_ends_with_its_time() -> None:
    look, _ = looks(*[Verdict.STUCK] * 10_000)
    assert settled(look, 0.02)[1].verdict is Verdict.STUCK

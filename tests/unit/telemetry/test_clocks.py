"""A shard's clock is compared with the middle of the question's way."""

from collections.abc import Iterator

import pytest

from afflux.telemetry.clocks import compare


def ticking(*times: float) -> Iterator[float]:
    return iter(times)


@pytest.mark.parametrize("ahead", [0.0, 3600.0, -0.25])
def test_the_quickest_question_counts(ahead: float) -> None:
    """Each question takes its own time, there and back alike; the second is the quickest."""
    ours = ticking(100.0, 104.0, 110.0, 110.5, 120.0, 128.0)
    theirs = ticking(102.0 + ahead, 110.25 + ahead, 124.0 + ahead)
    found = compare(lambda: next(theirs), lambda: next(ours))
    assert (found.ahead, found.within) == (pytest.approx(ahead), pytest.approx(0.25))


@pytest.mark.parametrize("back", [0.0, 0.5, 1.0])
def test_the_clock_is_never_off_by_more_than_is_said(back: float) -> None:
    """The way there and the way back differ as they like."""
    ours = ticking(100.0, 101.0, 110.0, 112.0, 120.0, 122.0)
    theirs = ticking(101.0 - back + 7, 112.0 + 7, 120.0 + 7)
    found = compare(lambda: next(theirs), lambda: next(ours))
    assert abs(found.ahead - 7) <= found.within

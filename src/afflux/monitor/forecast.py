"""When what is left will be used up: a time, and the range that the past's own spread gives it (pure).

Something is written, and something releases what was written before: WAL and its slot, a topic and its reader, the
clock and the oldest event that is not applied. What lies between is in use, and there is room for so much more. The
rate at which use grows is taken from the past hour, cut into up to eight windows.

Two states are told apart, for their pasts say nothing of each other. While nothing is released (the reader is gone,
or nothing has been released for a minute), use grows by what is written, and the whole hour tells how much that is.
While something is, the growth of use since that began counts, from one release to the next, once it is five minutes.

The range is Fieller's, of a ratio: with a mean m and a variance v of the windows' rates and the history's length s,
use grows within a time t by m t, with the variance v/n (s t + t t): that of what will come, and that of the mean
itself. The quadratic equation in t that makes the room lie at the edge of what Student's t allows has the ends of the
range as its roots; without a positive upper root the end may never come. To this come a share of the rate itself that
grows with how much further than its own past a forecast looks, and, where the level of the rates is seen to wander, how
far it may wander on.
"""

import math
from bisect import bisect_left
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from operator import itemgetter
from statistics import fmean, variance
from typing import Final, NamedTuple

HISTORY_SECONDS: Final = 3600.0
PATIENCE_SECONDS: Final = 60.0
"""A slot that is read and confirmed moves every 15 s or so, when the server logs its running transactions."""
SETTLED_SECONDS: Final = 300.0
"""While something is released use goes up and down; so long a past tells where it goes."""
_WINDOWS: Final = 8
_LEAST_WINDOWS: Final = 3
_STUDENT: Final = {2: 4.303, 3: 3.182, 4: 2.776, 5: 2.571, 6: 2.447, 7: 2.365}
"""Degrees of freedom -> Student's t of 95 %, both sides."""
_DOUBT: Final = 0.05
"""The share of the rate that any forecast may be wrong by; as much again whenever how far it looks doubles."""


class Point(NamedTuple):
    """What was seen at one moment.

    Attributes:
        at: seconds, on any clock that only goes forward.
        written: all that was ever written, in any unit.
        released: all that was ever released, in the same unit.
    """

    at: float
    written: float
    released: float

    @property
    def used(self) -> float:
        """What was written and is not released."""
        return self.written - self.released


@dataclass(frozen=True, slots=True)
class Forecast:
    """When the room is used up, in seconds from now; infinite: not as things are.

    Attributes:
        rate: how fast use grows, in units a second; negative while it shrinks.
        soonest: the early end of the range.
        likely: at the rate as it is.
        latest: the late end of the range.
    """

    rate: float
    soonest: float
    likely: float
    latest: float

    @property
    def draining(self) -> bool:
        """Whether use shrinks."""
        return self.rate < 0


class History:
    """The points of the past hour."""

    def __init__(self, seconds: float = HISTORY_SECONDS) -> None:
        self._seconds = seconds
        self._points: deque[Point] = deque()

    def add(self, point: Point) -> None:
        """Add the newest point; one from before the last one, or with less written, begins a new history."""
        held = self._points
        if held and (point.at < held[-1].at or point.written < held[-1].written):
            held.clear()
        if not held or point.at > held[-1].at:
            held.append(point)
        while held[-1].at - held[0].at > self._seconds:
            held.popleft()

    @property
    def points(self) -> list[Point]:
        """The points, oldest first."""
        return list(self._points)


def forecast(points: Sequence[Point], room: float, *, held: bool = False) -> Forecast | None:
    """Say when the room will be used up.

    Args:
        points: of the past, oldest first.
        room: what may still come into use.
        held: whether it is known that nothing is released at present.

    Returns:
        None while the past is too short to tell.
    """
    rates, seconds, moves = _past(points, held=held)
    if room <= 0:
        return Forecast(_mean(rates), 0.0, 0.0, 0.0)
    if len(rates) >= _LEAST_WINDOWS and (not moves or seconds >= SETTLED_SECONDS):
        return _from_rates(rates, seconds, room)
    return Forecast(_mean(rates), math.inf, math.inf, math.inf) if moves and _mean(rates) < 0 else None


def growth(points: Sequence[Point], *, held: bool = False) -> float | None:
    """Say how fast use grows, in units a second, negative while it shrinks.

    Args:
        points: of the past, oldest first.
        held: whether it is known that nothing is released at present.

    Returns:
        None while the past is too short to tell.
    """
    rates, _, moves = _past(points, held=held)
    known = len(rates) >= _LEAST_WINDOWS or (moves and _mean(rates) < 0)
    return _mean(_without_extremes(rates)) if known else None


def _past(points: Sequence[Point], *, held: bool) -> tuple[list[float], float, bool]:
    """Give the rates at which use grew in the windows of the past that counts, its seconds, and whether it moves."""
    stands, since = _state(points)
    if held or stands:
        return *_rates([(point.at, point.written) for point in points]), False
    moving = _troughs([point for point in points if point.at >= since])
    return *_rates([(point.at, point.used) for point in moving]), True


def _state(points: Sequence[Point]) -> tuple[bool, float]:
    """Tell whether nothing is released any more, and if something is, since when without a long break."""
    if not points:
        return False, 0.0
    released_at = since = points[0].at
    for before, after in pairwise(points):
        # Nothing in use is nothing to release: an idle time is no break.
        if after.released > before.released or after.used <= 0:
            if after.at - released_at > PATIENCE_SECONDS:
                since = after.at
            released_at = after.at
    return points[-1].at - released_at > PATIENCE_SECONDS, since


def _troughs(points: Sequence[Point]) -> list[Point]:
    """Leave out what lies between releases: use rises until the next one, which says nothing of where it goes."""
    return [after for before, after in pairwise(points) if after.released > before.released or after.used <= 0]


def _rates(values: Sequence[tuple[float, float]]) -> tuple[list[float], float]:
    """Cut a series into windows; give each one's rate, and the seconds of the whole."""
    seconds = values[-1][0] - values[0][0] if values else 0.0
    windows = min(_WINDOWS, len(values) - 1)
    if windows < 1 or seconds <= 0:
        return [], 0.0
    width = seconds / windows
    edges = [_at(values, values[0][0] + width * number) for number in range(windows + 1)]
    return [(after - before) / width for before, after in pairwise(edges)], seconds


def _at(values: Sequence[tuple[float, float]], at: float) -> float:
    """Read a series between its points."""
    place = bisect_left(values, at, key=itemgetter(0))
    if place == 0 or place == len(values):
        return values[min(place, len(values) - 1)][1]
    (t0, v0), (t1, v1) = values[place - 1], values[place]
    return v0 + (v1 - v0) * (at - t0) / (t1 - t0)


def _from_rates(rates: Sequence[float], seconds: float, room: float) -> Forecast:
    count = len(rates)
    mean = _mean(_without_extremes(rates))
    likely = room / mean if mean > 0 else math.inf
    ahead = likely / seconds if likely < math.inf else 1.0
    student = _STUDENT[count - 1] ** 2
    doubt = (_DOUBT * (1 + math.log2(1 + ahead)) * mean) ** 2
    wandering = student * _wandering(rates) * count / 3 * (1 + ahead)
    soonest, latest = _range(mean, student * variance(rates) / count, doubt + wandering, seconds, room)
    return Forecast(mean, min(soonest, likely), likely, max(latest, likely))


def _wandering(rates: Sequence[float]) -> float:
    """Give the variance by which the level of the rates wanders from one window to the next.

    Rates that only scatter differ from the next but one as much as from the next; what they differ more is the way
    that their level has gone meanwhile.
    """
    near, far = (
        fmean((after - before) ** 2 for before, after in zip(rates, rates[step:], strict=False)) for step in (1, 2)
    )
    return max(0.0, far - near)


def _range(mean: float, spread: float, doubt: float, seconds: float, room: float) -> tuple[float, float]:
    """Solve (mean t - room)² = spread (seconds t + t²) + doubt t² for t."""
    a = mean**2 - spread - doubt
    b = 2 * mean * room + spread * seconds
    inner = b**2 - 4 * a * room**2
    if inner < 0 or (a >= 0 and b <= 0):
        return math.inf, math.inf
    soonest = 2 * room**2 / (b + math.sqrt(inner)) if b + math.sqrt(inner) > 0 else math.inf
    latest = 2 * room**2 / (b - math.sqrt(inner)) if b - math.sqrt(inner) > 0 else math.inf
    return soonest, latest


def _without_extremes(rates: Sequence[float]) -> list[float]:
    """Put the second highest and second lowest rate for the extremes, so that one odd window does not lead."""
    ordered = sorted(rates)
    return [min(max(rate, ordered[1]), ordered[-2]) for rate in rates] if len(rates) > _LEAST_WINDOWS else list(rates)


def _mean(rates: Sequence[float]) -> float:
    return fmean(rates) if rates else 0.0

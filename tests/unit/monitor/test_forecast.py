import math
import random
from itertools import islice
from statistics import median

import pytest
from hypothesis import given
from hypothesis import strategies as st

from afflux.monitor.forecast import Forecast, History, Point, forecast
from unit.monitor import loads
from unit.monitor.loads import LOADS, MB, STEP

HOUR = 3600.0
CASES = 40


def past_of(points: list[Point]) -> list[Point]:
    history = History()
    for point in points:
        history.add(point)
    return history.points


def foretold(load: str, reader: str, seed: int) -> tuple[Forecast, float] | None:
    """A slot that is read for a while, and then not, or too slowly: a forecast at some moment, and the truth."""
    chance = random.Random(f"{load} {reader} {seed}")
    writes = LOADS[load](chance)
    points = [Point(0, 0, 0)]
    points += loads.healthy(writes, chance.randrange(400), chance, points[-1])
    before = len(points)
    if reader == "gone":
        points += loads.stalled(writes, 3000, points[-1])
    else:
        points += loads.slower(writes, 6000, chance.uniform(0.2, 0.7), chance, points[-1])
    room = (points[-1].used - points[before - 1].used) * chance.uniform(0.1, 0.9)
    limit = points[before - 1].used + room
    lost = next(place for place in range(before, len(points)) if points[place].used >= limit)
    if lost <= before + 1:
        return None
    now = chance.randrange(before + 1, lost)
    told = forecast(past_of(points[:now]), limit - points[now - 1].used)
    return None if told is None else (told, points[lost].at - points[now - 1].at)


@pytest.mark.parametrize("reader", ["gone", "slow"])
@pytest.mark.parametrize("load", LOADS)
def test_the_loss_comes_within_the_range_in_nine_of_ten_cases(load: str, reader: str) -> None:
    cases = [case for seed in range(CASES) if (case := foretold(load, reader, seed))]
    right = [told.soonest - STEP <= truth <= told.latest + STEP for told, truth in cases]
    assert len(cases) > CASES * 0.9
    assert sum(right) / len(right) >= 0.9


def test_the_range_of_a_steady_load_is_narrow() -> None:
    cases = [told for seed in range(CASES) if (case := foretold("steady", "gone", seed)) for told in [case[0]]]
    assert median(told.latest / told.soonest for told in cases) < 1.6


@pytest.mark.parametrize("load", LOADS)
def test_a_backlog_that_is_worked_off_never_looks_like_a_loss(load: str) -> None:
    for seed in range(5):
        chance = random.Random(f"{load} {seed}")
        writes = LOADS[load](chance)
        points = [Point(0, 0, 0)]
        points += loads.stalled(writes, 200, points[-1])
        worst = points[-1].used
        for point in loads.draining(writes, 300, chance.uniform(0.5, 30) * MB, chance, points[-1]):
            points.append(point)
            told = forecast(past_of(points[-400:]), worst * 1.3 - point.used)
            assert told is None or told.likely == math.inf


@pytest.mark.parametrize("load", LOADS)
def test_a_slot_that_is_read_does_not_look_like_a_loss_for_minutes(load: str) -> None:
    for seed in range(6):
        chance = random.Random(f"{load} {seed}")
        points = [Point(0, 0, 0)]
        suspected = 0
        for point in loads.healthy(LOADS[load](chance), 400, chance, points[0]):
            points.append(point)
            told = forecast(past_of(points[-400:]), 100_000 * MB - point.used)
            suspected = suspected + 1 if told and told.likely < 12 * HOUR else 0
            assert suspected * STEP < 300


def test_a_reader_that_is_known_to_be_gone_is_believed_at_once() -> None:
    writes = loads.steady(random.Random(1))
    points = past_of([Point(0, 0, 0), *islice(loads.healthy(writes, 100, random.Random(2), Point(0, 0, 0)), 100)])
    rate = (points[-1].written - points[0].written) / (points[-1].at - points[0].at)
    told = forecast(points, rate * HOUR, held=True)
    assert told is not None
    assert told.likely == pytest.approx(HOUR, rel=0.05)
    free = forecast(points, rate * HOUR)
    assert free is not None
    assert free.likely > 10 * HOUR


def test_what_is_full_is_lost_now_even_without_a_past() -> None:
    told = forecast([], 0)
    assert told is not None
    assert (told.soonest, told.likely, told.latest) == (0, 0, 0)


@pytest.mark.parametrize("count", range(4))
def test_a_past_of_moments_tells_nothing(count: int) -> None:
    assert forecast([Point(n, n, 0) for n in range(count)], 100, held=True) is None


def test_nothing_written_is_nothing_to_fear() -> None:
    told = forecast([Point(n * STEP, 5e9, 1e9) for n in range(60)], 1e9)
    assert told is not None
    assert (told.rate, told.soonest, told.latest) == (0, math.inf, math.inf)


def test_a_clock_or_wal_that_went_back_begins_anew() -> None:
    history = History()
    for point in (Point(0, 0, 0), Point(10, 100, 0), Point(20, 50, 0)):
        history.add(point)
    assert history.points == [Point(20, 50, 0)]
    history.add(Point(15, 60, 0))
    assert history.points == [Point(15, 60, 0)]


def test_the_past_is_an_hour() -> None:
    points = past_of([Point(n * STEP, n, 0) for n in range(1000)])
    assert points[-1].at - points[0].at == HOUR


POINTS = st.lists(st.tuples(st.floats(0.1, 100), st.floats(0, 1e9), st.floats(0, 1)), max_size=60)


@given(POINTS, st.floats(-1e12, 1e12), st.booleans())
def test_any_past_gives_a_range_around_what_is_likely(
    steps: list[tuple[float, float, float]], room: float, held: bool
) -> None:
    points = [Point(0, 0, 0)]
    for seconds, written, share in steps:
        at, before, released = points[-1]
        points.append(
            Point(at + seconds, before + written, min(before + written, max(released, (before + written) * share)))
        )
    told = forecast(points, room, held=held)
    assert told is None or 0 <= told.soonest <= told.likely <= told.latest


@given(POINTS, st.floats(1, 1e9), st.floats(1.5, 1e3))
def test_units_do_not_matter(steps: list[tuple[float, float, float]], room: float, factor: float) -> None:
    points = [Point(0, 0, 0)]
    for seconds, written, _ in steps:
        points.append(Point(points[-1].at + seconds, points[-1].written + written, 0))
    told = forecast(points, room, held=True)
    scaled = forecast([Point(at, w * factor, r * factor) for at, w, r in points], room * factor, held=True)
    assert (told is None) == (scaled is None)
    if told is not None and scaled is not None:
        assert scaled.likely == pytest.approx(told.likely, rel=1e-6)
        assert scaled.soonest == pytest.approx(told.soonest, rel=1e-3)

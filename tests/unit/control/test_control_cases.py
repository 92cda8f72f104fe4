import dataclasses

from hypothesis import given
from hypothesis import strategies as st

from afflux.control.healing.cases import CALM_SECONDS, Case, follow
from afflux.control.healing.causes import CAUSES, Cause, Finding, Remedy

BY_NAME = {cause.name: cause for cause in CAUSES}
FAILED, STUCK, LOGIN = BY_NAME["failed"], BY_NAME["stuck"], BY_NAME["credentials"]


def finding(cause: Cause = FAILED, remedy: Remedy | None = None) -> Finding:
    return Finding(cause, remedy or cause.remedy, "detail", "hint")


def case(of: Case | None) -> Case:
    assert of is not None
    return of


def test_a_shard_that_was_always_well_has_no_case() -> None:
    assert follow(None, None, 0) is None


def test_what_failed_is_treated_at_once_and_then_after_growing_pauses() -> None:
    now = case(follow(None, finding(), 0))
    assert now.is_due(0)
    pauses = []
    for _ in range(9):
        tried = now.tried(now.due, lambda: 0.0)
        pauses.append(tried.due - now.due)
        now = tried
    assert pauses == sorted(pauses)
    assert pauses[:3] == [5, 10, 20]
    assert pauses[-1] == FAILED.pace.most


@given(st.floats(0, 1), st.integers(0, 40))
def test_no_pause_is_longer_than_half_as_much_again_as_the_longest(chance: float, tries: int) -> None:
    now = dataclasses.replace(case(follow(None, finding(), 0)), tries=tries)
    assert 0 < now.tried(0, lambda: chance).due <= 1.5 * FAILED.pace.most


def test_after_its_tries_a_person_is_asked_and_it_is_tried_on() -> None:
    now = case(follow(None, finding(), 0))
    for _ in range(FAILED.pace.tries):
        assert not now.needs_person
        now = now.tried(now.due, lambda: 0.0)
    assert now.needs_person
    assert now.is_due(now.due)


def test_a_cause_that_comes_back_soon_is_not_new() -> None:
    tried = case(follow(None, finding(), 0)).tried(0, lambda: 0.0)
    well = case(follow(tried, None, 10))
    assert not well.open
    back = case(follow(well, finding(), 20))
    assert (back.open, back.tries, back.since) == (True, 1, 20)
    assert follow(case(follow(well, None, 20)), None, 10 + CALM_SECONDS) is None


def test_another_cause_is_another_case() -> None:
    tried = case(follow(None, finding(), 0)).tried(0, lambda: 0.0)
    other = case(follow(tried, finding(LOGIN), 5))
    assert (other.tries, other.since) == (0, 5)


def test_what_a_person_was_asked_for_is_restarted_at_once_when_it_is_done() -> None:
    asked = case(follow(None, finding(LOGIN), 0))
    assert asked.needs_person
    assert not asked.is_due(1)
    done = case(follow(asked, finding(LOGIN, Remedy.RESTART), 60))
    assert done.is_due(60)
    assert done.since == 0


def test_what_cannot_be_seen_to_be_mended_is_tried_from_time_to_time() -> None:
    assert case(follow(None, finding(LOGIN), 0)).is_due(LOGIN.pace.most)

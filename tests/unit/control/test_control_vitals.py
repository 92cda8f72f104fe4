from typing import Any

from afflux.control.healing.vitals import OFFSETS_SECONDS, Signs, Vitals, follow

STREAMING: dict[str, Any] = {"state": "streaming", "streams": True, "reader": 7}


def after(*looks: Signs) -> Vitals:
    vitals: Vitals | None = None
    for look in looks:
        vitals = follow(vitals, look)
    assert vitals is not None
    return vitals


def test_heartbeats_that_arrive_are_signs_of_life() -> None:
    vitals = after(*(Signs(at=10.0 * n, beats=n, marks=n, flushed=n, **STREAMING) for n in range(9)))
    assert (vitals.silent, vitals.mute, vitals.taken, vitals.proven, vitals.since) == (0, 0, False, True, 80)


def test_silence_counts_from_the_last_heartbeat() -> None:
    vitals = after(*(Signs(at=10.0 * n, beats=min(n, 3), **STREAMING) for n in range(9)))
    assert vitals.silent == 50


def test_before_a_slot_is_read_nothing_is_late() -> None:
    copying = [Signs(at=100.0 * n, state="snapshot", streams=False, beats=0) for n in range(9)]
    assert after(*copying).silent == 0
    assert after(*copying, Signs(at=900, beats=0, **STREAMING)).silent == 0
    assert after(*copying, Signs(at=900, beats=0, **STREAMING), Signs(at=940, beats=0, **STREAMING)).silent == 40


def test_the_first_look_proves_nothing() -> None:
    assert not after(Signs(at=0, beats=9, **STREAMING)).proven
    assert not after(Signs(at=0, beats=9, **STREAMING), Signs(at=10, beats=9, **STREAMING)).proven


def test_a_broker_that_says_nothing_for_once_is_no_sign() -> None:
    looks = [
        Signs(at=0, beats=4, **STREAMING),
        Signs(at=10, beats=None, **STREAMING),
        Signs(at=20, beats=4, **STREAMING),
    ]
    assert after(*looks).silent == 20
    assert after(*looks, Signs(at=30, beats=5, **STREAMING)).silent == 0


def test_another_process_than_the_one_heartbeats_came_by_has_taken_the_slot() -> None:
    ours = [Signs(at=0, beats=1, **STREAMING), Signs(at=10, beats=2, **STREAMING)]
    theirs = Signs(at=20, beats=2, state="streaming", streams=True, reader=8)
    assert after(*ours, theirs).taken
    back = Signs(at=30, beats=3, state="streaming", streams=True, reader=8)
    assert not after(*ours, theirs, back).taken  # it was ours, under another number


def test_a_slot_that_is_confirmed_while_nothing_arrives_is_somebody_else_s() -> None:
    looks = [
        Signs(at=at, beats=1, flushed=int(at), **STREAMING) for at in (0.0, OFFSETS_SECONDS / 2, OFFSETS_SECONDS + 1)
    ]
    assert not after(*looks[:2]).taken  # the connector may confirm what it brought last
    assert after(*looks).taken


def test_heartbeats_without_those_that_went_through_the_slot_are_mute() -> None:
    vitals = after(*(Signs(at=10.0 * n, beats=n, marks=min(n, 2), **STREAMING) for n in range(9)))
    assert (vitals.silent, vitals.mute) == (0, 60)

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from afflux.monitor.alarms import Alarms, Alert
from afflux.monitor.alerts import KINDS, Condition
from afflux.monitor.alerts.kind import ABOUT
from afflux.monitor.rules import DEFAULT
from afflux.telemetry import metrics as m
from afflux.telemetry.watched import Sample
from unit.monitor.alert_cases import CASES, MINUTES, Case


def played(case: Case) -> list[Alert]:
    alarms = Alarms()
    for minute in range(MINUTES):
        samples = [measure.of(values[minute], **labels) for measure, labels, values in case.series]
        alarms.judge(DEFAULT, samples, minute * 60.0)
    return alarms.present


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_supervisor_judges_as_prometheus_does(case: Case) -> None:
    expected = {
        (name, labels["severity"], tuple((key, labels[key]) for key in ABOUT if key in labels))
        for name, labels in case.alerts
        if case.looked  # that nobody looks can be told by nobody who looks
    }
    assert {(alert.name, alert.severity, alert.about) for alert in played(case)} == expected


def test_every_kind_of_alert_has_a_case_where_it_is_told_and_one_where_it_is_not() -> None:
    told = {name for case in CASES for name, _ in case.alerts}
    assert told == {kind.name for kind in KINDS}


def samples(lag: float) -> list[Sample]:
    return [m.TARGET_LAG.of(lag, sink="lake", shard="shard0")]


def test_an_alert_is_told_once_when_it_begins_and_once_when_it_ends() -> None:
    alarms = Alarms()
    lags = [0, 20_000, 20_000, 20_000, 20_000, 20_000, 20_000, 20_000, 3, 3]
    told = [alarms.judge(DEFAULT, samples(lag), 60.0 * minute) for minute, lag in enumerate(lags)]
    assert [[(alert.name, alert.ended is not None) for alert in news] for news in told] == [
        *[[]] * 6,
        [("AffluxLag", False)],
        [],
        [("AffluxLag", True)],
        [],
    ]
    (ended,) = told[8]
    assert ended.ended is not None
    assert (ended.ended - ended.began).total_seconds() == 120


def test_a_summary_says_whose_and_how_much() -> None:
    alarms = Alarms()
    alarms.judge(DEFAULT, [m.SLOT_IDLE.of(400, shard="shard7")], 0)
    (alert,) = alarms.present
    assert alert.summary == "shard shard7: nobody has read the slot for 6m 40s"
    assert alert.runbook == "docs/runbooks.md#affluxslotidle"


def test_what_never_came_has_not_come_for_ever() -> None:
    alarms = Alarms()
    alarms.judge(DEFAULT, [m.HEARTBEAT_AGE.of(math.inf, shard="shard7")], 0)
    assert [alert.summary for alert in alarms.present] == ["shard shard7: no heartbeat has come through for ever"]


@given(st.lists(st.tuples(st.sampled_from(["a", "b"]), st.floats(0, 2)), max_size=4))
def test_a_condition_holds_for_what_is_beyond_it_and_for_nothing_else(values: list[tuple[str, float]]) -> None:
    shown = dict(values)
    found = Condition(m.WAL_USED, ">", 1).met(
        {m.WAL_USED.name: [m.WAL_USED.of(value, shard=shard) for shard, value in shown.items()]}
    )
    assert found == {(("shard", shard),): value for shard, value in shown.items() if value > 1}

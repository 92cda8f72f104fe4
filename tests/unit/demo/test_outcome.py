import json

from afflux.demo import Outcome


def test_the_outcome_is_one_line_of_json_with_the_promised_keys() -> None:
    outcome = Outcome(
        shards=4,
        events=48_211,
        source_rows=25_120,
        target_rows=25_120,
        equal=True,
        events_per_second=912.4,
        freshness_p50_ms=640.2,
        freshness_p99_ms=9_120.0,
        seconds=58.3,
    )
    assert "\n" not in outcome.as_json()
    assert outcome.as_json() == (
        '{"shards":4,"events":48211,"source_rows":25120,"target_rows":25120,"equal":true,'
        '"events_per_second":912.4,"freshness_p50_ms":640.2,"freshness_p99_ms":9120.0,"seconds":58.3}'
    )
    assert json.loads(outcome.as_json())["equal"] is True

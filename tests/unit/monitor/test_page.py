"""The page shows what was seen, remembers an hour and no more, and runs nothing that others have named."""

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests

from afflux.control import ShardStatus, Verdict
from afflux.control.done.audit import Deed, Record
from afflux.control.healing.rows import Row
from afflux.errors import RegistryError
from afflux.monitor.health import HealthServer
from afflux.monitor.page import Page, Seen, serve
from afflux.monitor.page.document import DEEDS, document
from afflux.monitor.page.hour import POINTS, SHARD_POINTS, Hour
from afflux.monitor.watch import PartReading
from looks import AT, declared, flow, reading, readings, room, streaming, topic

HTML = serve.assembled()
EVIL = "<img src=x onerror=alert(1)></script><script>alert(2)</script>\"'&"


def seen(count: int = 3, **more: Any) -> Seen:
    of = declared(count)
    return Seen(topology=of, readings=readings(of, **more), streams=streaming(shard.name for shard in of.shards))


def shown(of: Seen, hour: Hour | None = None, deeds: list[Record] | None = None) -> Any:
    hour = hour or Hour()
    hour.add(of.overview, of.readings.topics)
    return json.loads(json.dumps(document(of, of.overview, hour, deeds or []), default=serve._plain, allow_nan=False))


def after(seconds: float, end: int, lag: int = 0) -> Seen:
    return seen(
        1, at=AT + timedelta(seconds=seconds), topics={"t": topic("shard0", end)}, flows=[flow("shard0", lag=lag)]
    )


def test_the_worst_shard_comes_first_with_its_forecast() -> None:
    page = shown(seen(shards=[reading("shard2", room=room(used=0.93, likely=1800.0))]))
    assert page["shards"][0]["shard"] == "shard2"
    assert page["shards"][0]["wal_used"] == 0.93
    assert page["shards"][0]["wal_full_in_seconds"] == {"soonest": 900.0, "likely": 1800.0, "latest": 3600.0}
    assert (page["level"], page["path"]["shards"]["levels"][2]) == ("page", ["shard2", "page"])


def test_a_room_that_never_fills_is_still_json() -> None:
    page = shown(
        seen(shards=[reading("shard0", room=room(used=0.1, likely=float("inf")))], heartbeats={"shard1": float("inf")})
    )
    told = {shard["shard"]: shard for shard in page["shards"]}
    assert told["shard0"]["wal_full_in_seconds"] == {"soonest": None, "likely": None, "latest": None}
    assert told["shard1"]["heartbeat_age_seconds"] is None


def test_the_path_sums_up_what_lies_on_it() -> None:
    page = shown(
        Seen(
            topology=declared(2),
            readings=readings(declared(2), topics={"t": topic("shard0", 7)}, flows=[flow("shard0", lag=5, dead=2)]),
            streams=streaming(["shard0"]) | {"shard1": ShardStatus("shard1", Verdict.FAILED, "no")},
        )
    )
    assert page["path"]["connectors"] == {"streams": {"failed": 1, "streaming": 1}, "workers": 1}
    assert page["path"]["topics"] == {"topics": 1, "partitions": 1, "leaderless": 0}
    target = page["path"]["targets"][0]
    assert (target["sink"], target["lag"], target["dead_letters"], target["age_seconds"]) == ("warehouse", 5, 2, 2.0)


def test_a_broker_that_is_away_leaves_the_rest_on_the_page() -> None:
    of = seen(parts=[PartReading("kafka", "no answer", "Is it running?")])
    page = shown(of)
    assert page["parts"][0]["findings"][0] == {"level": "page", "what": "no answer", "next": "Is it running?"}
    assert len(page["shards"]) == 3


def with_row(row: Row) -> Seen:
    of = seen(3)
    return replace(of, rows=[row, Row("shard1", "streaming", True)])


def test_what_looks_well_and_is_treated_is_in_the_verdict() -> None:
    silent = Row(
        "shard0",
        "streaming",
        False,
        "silent",
        "restarted",
        1,
        detail="no heartbeat for 34 s",
        hint="See the worker's log.",
    )
    page = shown(with_row(silent))
    assert page["verdict"] == "orders: 1 of 3 shards needs you; shard0: silent: no heartbeat for 34 s"
    assert (page["level"], page["next"]) == ("warning", "See the worker's log.")
    assert page["shards"][0]["shard"] == "shard0"
    assert shown(with_row(replace(silent, needs_person=True)))["level"] == "page"
    assert shown(with_row(replace(silent, cause="change held back", needs_person=True)))["level"] == "warning"


def test_a_cause_is_told_once_where_its_stream_tells_it_too() -> None:
    failed = replace(
        with_row(Row("shard0", "failed", False, "credentials", detail="refused")),
        streams={"shard0": ShardStatus("shard0", Verdict.FAILED, "refused")},
    )
    (shard,) = [shard for shard in shown(failed)["shards"] if shard["shard"] == "shard0"]
    assert [finding["what"] for finding in shard["findings"]] == ["refused"]


def test_schemas_are_compared_while_somebody_looks_and_only_then() -> None:
    asked = []
    told: dict[str, Any] = {"apart": [], "breaches": [], "contracts": 0, "notes": [], "unseen": []}

    def compare() -> dict[str, Any]:
        asked.append(1)
        if len(asked) == 2:
            raise RegistryError("no answer")
        return told

    page = Page(lambda: seen(1), schemas=compare)

    def after_a_look(viewers: int) -> Any:
        page._viewers, page._compared_at = viewers, -serve.SCHEMAS_SECONDS
        page.turn()
        assert page._comparing is not None
        if page._asked:
            page._comparing.answer(10)
        page.turn()
        return json.loads(page._shown[1])["schemas"]

    assert (after_a_look(0), asked) == (None, [])
    assert after_a_look(1) == told
    assert after_a_look(1) == {"problem": "no answer"}


def test_the_newest_deeds_come_first_and_are_not_too_many() -> None:
    deeds = [
        Record(str(n), AT + timedelta(seconds=n), AT, "me@host:1", Deed("restart connector", f"c{n}", why="it failed"))
        for n in range(DEEDS + 10)
    ]
    page = shown(seen(), deeds=deeds)
    assert [deed["object"] for deed in page["deeds"]] == [f"c{n}" for n in range(DEEDS + 9, 9, -1)]
    assert page["deeds"][0]["why"] == "it failed"


def test_rates_are_those_since_the_look_before() -> None:
    hour = Hour()
    for of in (after(0, 1000, lag=50), after(10, 1500, lag=150)):
        hour.add(of.overview, of.readings.topics)
    last = hour.last
    assert last is not None
    assert (last.came, last.applied, last.lag) == (50.0, 40.0, 150)


def test_a_topic_made_anew_has_no_rate() -> None:
    hour = Hour()
    for of in (after(0, 1000), after(10, 3)):
        hour.add(of.overview, of.readings.topics)
    assert hour.last is not None
    assert hour.last.came is None


def test_an_hour_is_remembered_and_no_more() -> None:
    hour = Hour()
    for number in range(3 * POINTS):
        of = after(number * 10.0, number)
        hour.add(of.overview, of.readings.topics)
    whole, shard = hour.past(), hour.past("shard0")
    assert len(whole) <= POINTS
    assert len(shard) <= SHARD_POINTS
    assert whole[-1]["at"] - whole[0]["at"] <= 3600
    assert shard[-1]["at"] - shard[0]["at"] > 3400


def test_a_shard_that_left_is_forgotten() -> None:
    hour = Hour()
    for of in (seen(3), seen(1, at=AT + timedelta(seconds=10))):
        hour.add(of.overview, of.readings.topics)
    assert (len(hour.past("shard0")), hour.past("shard2"), hour.past(EVIL)) == (1, [], [])


def test_a_clock_that_went_back_begins_a_new_hour() -> None:
    hour = Hour()
    for of in (after(0, 1), after(-500, 2)):
        hour.add(of.overview, of.readings.topics)
    assert [point["at"] for point in hour.past()] == [(AT - timedelta(seconds=500)).timestamp()]


# --- what a browser may do with it


def test_the_file_makes_no_markup_of_text_and_loads_nothing_from_outside() -> None:
    banned = r"innerHTML|outerHTML|insertAdjacent|document\.write|\beval\b|new Function|setTimeout\(['\"]|\bon\w+="
    assert not re.search(banned, HTML)
    assert set(re.findall(r"https?://[^\s'\"]+", HTML)) == {"http://www.w3.org/2000/svg"}
    assert not re.search(r"\sstyle=|<link[^>]+stylesheet|<script[^>]|@import|url\(", HTML)


@pytest.fixture
def address() -> Iterator[str]:
    of = declared(1)
    hostile = reading("shard0", problem=EVIL)
    said = Seen(topology=of, readings=readings(of, shards=[hostile], at=datetime.now(UTC)), streams={})
    page = Page(lambda: said)
    page.turn()
    page.start()
    server = HealthServer("127.0.0.1", 0, str, str, pages=page.routes)
    server.start()
    yield f"http://127.0.0.1:{server.port}"
    page.stop()
    server.stop()


def test_only_what_the_file_holds_may_run(address: str) -> None:
    answer = requests.get(address, timeout=5)
    policy = dict(part.strip().split(" ", 1) for part in answer.headers["content-security-policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert re.fullmatch(r"'sha256-[\w+/]+='", policy["script-src"])
    assert re.fullmatch(r"'sha256-[\w+/]+='", policy["style-src"])
    assert (policy["frame-ancestors"], policy["require-trusted-types-for"]) == ("'none'", "'script'")
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("path", ["", "history", "history?shard=shard0"])
def test_other_sites_may_not_read_it(address: str, path: str) -> None:
    answer = requests.get(f"{address}/{path}", headers={"Origin": "http://elsewhere.example"}, timeout=5)
    assert answer.ok
    assert not [name for name in answer.headers if name.lower().startswith("access-control")]
    assert answer.headers["cross-origin-resource-policy"] == "same-origin"
    assert requests.post(f"{address}/{path}", timeout=5).status_code == 405


def test_what_is_new_is_told_as_one_line_of_json_whatever_it_says(address: str) -> None:
    with requests.get(f"{address}/live", stream=True, timeout=10) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        line = next(line for line in answer.iter_lines() if line.startswith(b"data: "))
    assert EVIL in json.loads(line.removeprefix(b"data: "))["shards"][0]["findings"][0]["what"]


def test_more_viewers_than_it_can_tell_are_sent_away(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serve, "VIEWERS", 0)
    assert requests.get(f"{address}/live", timeout=5).status_code == 503

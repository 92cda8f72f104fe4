"""What is shown to Prometheus, by its own parser and, where it can be had, its own tool."""

from datetime import timedelta

from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as prometheus

import promtool
from afflux.clients.wal import Holder
from afflux.monitor.exposed import samples
from afflux.monitor.flows import FlowReading
from afflux.monitor.forecast import Forecast
from afflux.monitor.health import exposition
from afflux.monitor.slots import ShardReading
from afflux.monitor.topics import Retention, TopicReading, TopicsReading
from afflux.monitor.watch import PartReading, Readings
from afflux.sinks.batch import Partition, Span
from afflux.telemetry import metrics
from afflux.topology.guard import Guard
from unit.monitor.shards import MB, NOW, idle, reading, slot, wal

HOLDER = Holder(kind="prepared", name="x", since=NOW - timedelta(days=1))
COUNTED = dict.fromkeys(metrics.SLOT_BYTES, 7)
FULL = idle(wal(slot(safe_wal_size=MB, failover=True, write_lag=0.1, flush_lag=0.2, replay_lag=0.2, **COUNTED)))
PLACE = Partition("shard0.public.orders", 0)
READINGS = Readings(
    at=NOW,
    seconds=0.2,
    shards={
        "shard0": reading(wal(FULL.slot, files=9 * MB, holders=(HOLDER,)), Guard(disk="1GiB"), rate=MB, idle_since=NOW),
        "away": ShardReading(shard="away", slot="s", problem="no answer"),
    },
    topics=TopicsReading(
        {PLACE.topic: TopicReading(PLACE.topic, "shard0", {PLACE: Span(0, 9)}, 2.0, 50.0, 1.0, Retention(60))},
        {"shard0": 3.0},
        brokers=3,
        leaderless=0,
        thin=1,
    ),
    flows={
        ("lake", "shard0"): FlowReading(
            "lake", "shard0", {PLACE: 4}, 200.0, headroom=50.0, loss=Forecast(1, 40, 50, 60), age=2.0
        )
    },
    parts={part: PartReading(part) for part in ("kafka", "connect", "registry")},
    targets={"lake": PartReading("lake", "no answer")},
    tasks={"RUNNING": 1, "ODD": 1},
    workers=1,
)


def shown(accept: str) -> str:
    metrics.WATCHED.show(samples(READINGS))
    try:
        page, _ = exposition(accept)
    finally:
        metrics.WATCHED.show(())
    return page.decode()


def test_what_is_shown_is_valid_openmetrics() -> None:
    page = shown("application/openmetrics-text; version=1.0.0")
    assert page.endswith("# EOF\n")
    found = {family.name: family for family in openmetrics(page)}
    (lag,) = found["afflux_target_lag_offsets"].samples
    assert (lag.labels, lag.value) == ({"sink": "lake", "shard": "shard0"}, 4)


def test_what_is_shown_is_valid_in_prometheus_own_form() -> None:
    families = {family.name: family for family in prometheus(shown("text/plain"))}
    up = {sample.labels["shard"]: sample.value for sample in families["afflux_shard_up"].samples}
    assert up == {"shard0": 1, "away": 0}
    assert {s.labels["limit"] for s in families["afflux_wal_room_bytes"].samples} == {"slot", "disk"}
    tasks = {sample.labels["state"]: sample.value for sample in families["afflux_connect_tasks"].samples}
    assert (tasks["RUNNING"], tasks["FAILED"], tasks["ODD"]) == (1, 0, 1)


def test_every_metric_of_a_look_is_shown_when_all_is_known() -> None:
    given = {sample.measure.name for sample in samples(READINGS)}
    watermarks = {"afflux_target_dead_letters"}  # come with a watermark
    assert given | watermarks == {measure.name for measure in metrics.WATCHED.measures}


def test_nothing_is_shown_of_what_nobody_looks_at() -> None:
    page, _ = exposition("text/plain")
    assert "afflux_shard_up" not in page.decode()
    assert "afflux_sink_events_total" in page.decode()


if promtool.find():

    def test_prometheus_own_tool_finds_nothing_odd() -> None:
        done = promtool.run("check", "metrics", given=shown("text/plain").encode())
        assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")

"""The worst comes first, with its cause and what to do; what is well needs nobody."""

import json
import math
from dataclasses import asdict

import pytest

from afflux.control import ShardStatus, Verdict
from afflux.monitor.findings import Level
from afflux.monitor.forecast import Forecast
from afflux.monitor.overview import ShardView
from afflux.monitor.slots import Room
from afflux.monitor.watch import PartReading
from looks import AT, declared, flow, look, reading, room, wal


def first(shards: tuple[ShardView, ...]) -> tuple[str, Level, str]:
    return shards[0].shard, shards[0].level, shards[0].findings[0].what


def test_all_is_well() -> None:
    found = look(declared())
    assert (found.level, found.next, found.looked) == (Level.WELL, "", True)
    assert found.verdict == "orders: all is well with 3 shards; warehouse is 2 s old"
    assert [shard.findings for shard in found.shards] == [(), (), ()]
    assert (found.targets[0].age_seconds, found.targets[0].shards_without) == (2.0, ())


def test_the_cause_is_told_before_its_effects() -> None:
    failed = ShardStatus("shard2", Verdict.FAILED, "FATAL: no such role", "Mend the cause.")
    found = look(declared(), streams={"shard2": failed}, flows=[flow("shard2", age=900.0)], heartbeats={"shard2": 900})
    assert first(found.shards) == ("shard2", Level.PAGE, "FATAL: no such role")
    assert found.verdict == "orders: 1 of 3 shards needs you; shard2: FATAL: no such role"
    assert found.next == "Mend the cause."
    assert len(found.shards[0].findings) == 3


@pytest.mark.parametrize(
    ("verdict", "level"),
    [
        (Verdict.SNAPSHOT, Level.NOTE),
        (Verdict.PAUSED, Level.NOTE),
        (Verdict.MISSING, Level.WARNING),
        (Verdict.STUCK, Level.PAGE),
        (Verdict.LOST, Level.PAGE),
    ],
)
def test_a_stream_that_does_not_flow_is_told(verdict: Verdict, level: Level) -> None:
    found = look(declared(), streams={"shard1": ShardStatus("shard1", verdict)})
    assert first(found.shards)[:2] == ("shard1", level)
    assert found.level is level


def test_a_server_that_is_away_is_one_row_and_the_others_are_seen() -> None:
    away = ShardStatus("shard0", Verdict.UNREACHABLE, "no answer")
    found = look(declared(), shards=[reading("shard0", problem="no answer within 8 s")], streams={"shard0": away})
    assert first(found.shards) == ("shard0", Level.PAGE, "the server does not answer: no answer within 8 s")
    assert found.shards[0].wal_retained_bytes is None
    assert [shard.level for shard in found.shards[1:]] == [Level.WELL, Level.WELL]


def test_connect_is_told_once_and_not_for_every_shard() -> None:
    unreachable = {f"shard{n}": ShardStatus(f"shard{n}", Verdict.UNREACHABLE, "Connect is away") for n in range(3)}
    found = look(declared(), parts=[PartReading("connect", "Connect is away", "Start it.")], streams=unreachable)
    assert found.verdict == "orders: connect: Connect is away"
    assert [shard.level for shard in found.shards] == [Level.WELL] * 3
    assert [shard.stream for shard in found.shards] == ["unknown"] * 3


def test_a_target_that_is_away_is_told_once() -> None:
    found = look(declared(), parts=[PartReading("warehouse", "no route to it", "Is it running?")])
    assert (found.verdict, found.next) == ("orders: target warehouse: no route to it", "Is it running?")
    (part,) = [part for part in found.parts if part.level is not Level.WELL]
    assert (part.part, len(part.findings)) == ("target warehouse", 1)


def test_tasks_that_have_failed_are_told_of_connect() -> None:
    found = look(declared(), tasks={"RUNNING": 1, "FAILED": 2})
    (part,) = [part for part in found.parts if part.level is not Level.WELL]
    assert (part.part, part.findings[0].what) == ("connect", "2 tasks of this topology's connectors have failed")


def test_nothing_that_answers_is_no_look() -> None:
    parts = [PartReading(part, "away") for part in ("kafka", "connect", "registry", "warehouse")]
    found = look(declared(), parts=parts, shards=[reading(f"shard{n}", problem="away") for n in range(3)])
    assert not found.looked


@pytest.mark.parametrize(
    ("of", "what"),
    [
        (flow("shard1", age=61.0), "the target is 1m 1s old, more than it may be"),
        (flow("shard1", lag=10_001), "10,001 offsets are not applied"),
        (flow("shard1", dead=2), "2 dead letters are open"),
        (flow("shard1", stopped="shard1.public.t"), "1 topics are not read on until a person resumes them"),
        (flow("shard1", age=None), "nobody knows yet how fresh the target is"),
    ],
)
def test_what_the_target_lacks_is_a_warning_with_advice(of: object, what: str) -> None:
    found = look(declared(), flows=[of])  # type: ignore[list-item]
    assert first(found.shards) == ("shard1", Level.WARNING, what)
    assert found.next


def test_a_target_is_as_old_as_its_oldest_shard_and_unknown_while_one_is() -> None:
    (target,) = look(declared(), flows=[flow("shard1", age=30.0)]).targets
    assert target.age_seconds == 30.0
    assert target.watermark is not None
    assert (AT - target.watermark).total_seconds() == 30.0
    (target,) = look(declared(), flows=[flow("shard1", age=None)]).targets
    assert (target.watermark, target.age_seconds, target.shards_without) == (None, None, ("shard1",))


def test_a_first_copy_has_no_watermark_and_worries_nobody() -> None:
    copying = ShardStatus("shard1", Verdict.SNAPSHOT, "the first copy is being made")
    found = look(declared(), flows=[flow("shard1", age=None)], streams={"shard1": copying})
    assert found.level is Level.NOTE


def test_room_that_is_running_out_pages_and_room_that_drains_does_not() -> None:
    found = look(declared(), shards=[reading("shard1", room=room(used=0.1, likely=600.0))])
    assert first(found.shards)[:2] == ("shard1", Level.PAGE)
    assert found.shards[0].wal_full_in_seconds is not None
    assert found.shards[0].wal_full_in_seconds.likely == 600.0
    never = Room("slot", 1e9, 0.1, Forecast(-5.0, math.inf, math.inf, math.inf))
    assert look(declared(), shards=[reading("shard1", room=never)]).level is Level.WELL


def test_a_lost_slot_pages() -> None:
    found = look(declared(), shards=[reading("shard1", wal(active=False, status="lost"))])
    assert first(found.shards)[:2] == ("shard1", Level.PAGE)


def test_a_clock_that_is_off_is_told_and_is_no_lag() -> None:
    found = look(declared(), shards=[reading("shard1", wal(ahead=-3600.0))])
    assert first(found.shards) == ("shard1", Level.NOTE, "its clock is 1h behind this machine's")
    assert found.shards[0].clock_ahead_seconds == -3600.0


def test_shards_come_worst_first_then_oldest() -> None:
    failed = ShardStatus("shard3", Verdict.FAILED, "odd")
    flows = [flow("shard1", age=8.0), flow("shard2", dead=1), flow("shard0", age=2.0)]
    found = look(declared(4), flows=flows, streams={"shard3": failed})
    assert [shard.shard for shard in found.shards] == ["shard3", "shard2", "shard1", "shard0"]


def test_several_sinks_count_by_their_worst() -> None:
    sinks = [{"name": name, "type": "postgresql", "url": "postgresql://h/dw"} for name in ("one", "two")]
    flows = [flow("shard1", sink="one", age=5.0, lag=3), flow("shard1", sink="two", age=9.0, dead=4)]
    found = look(declared(sinks=sinks), flows=flows)
    shard = found.shards[0]
    assert (shard.shard, shard.age_seconds, shard.lag_events, shard.dead_letters) == ("shard1", 9.0, 3, 4)
    assert [target.age_seconds for target in found.targets] == [5.0, 9.0]


def test_the_data_is_json_without_infinities() -> None:
    never = Room("slot", 1e9, 0.1, Forecast(-5.0, math.inf, math.inf, math.inf))
    found = look(declared(), shards=[reading("shard1", room=never)], heartbeats={"shard1": math.inf})
    assert "Infinity" not in json.dumps(asdict(found), default=str)

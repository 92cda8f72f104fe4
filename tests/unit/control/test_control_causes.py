"""Traces are those of real tasks, as Connect told them; see `tests/heal` for how each was brought about."""

import dataclasses
import re
from pathlib import Path
from typing import Any

import pytest

from afflux.clients.catalog import Publication, Slot
from afflux.clients.connect import Connector, Task
from afflux.control.healing.causes import CAUSES, Evidence, Remedy, diagnose
from afflux.control.healing.causes.page import table
from afflux.control.seen.neighbours import UNFINISHED
from afflux.control.seen.status import Seen, judge
from afflux.control.seen.world import Problem
from afflux.topology.names import ShardNames
from unit.control.worlds import SERVER, connector

TRACES = {path.stem: path.read_text() for path in (Path(__file__).parent / "traces").glob("*.txt")}
NAMES = ShardNames("shop-shard0", "shop_shard0", "shop_shard0", "shop.shard0")
READ = Slot(NAMES.slot, "pgoutput", "app", active=True, pid=7, holder="Debezium Streaming", wal_status="reserved")
IDLE = dataclasses.replace(READ, active=False, pid=None, holder="")
LOST = dataclasses.replace(IDLE, wal_status="lost")
PUBLISHED = Publication(NAMES.publication, frozenset({("shop", "orders")}), id=5)
STANDS = ({"lsn": 7},)
RUNS = connector(NAMES.connector, {})


def failed(trace: str) -> Connector:
    return connector(NAMES.connector, {}, trace=TRACES.get(trace, trace))


def evidence(
    of: Connector | None = RUNS,
    *,
    slot: Slot | None = READ,
    publication: Publication | None = PUBLISHED,
    offsets: Any = STANDS,
    **more: Any,
) -> Evidence:
    away = more.get("away")
    seen = Seen(of, slot, publication, problem=away, offsets=offsets)
    status = judge("shard0", (NAMES.connector, NAMES.slot, NAMES.publication), seen)
    given = {"server": None if away else SERVER, "role": "cdc", "connector": of, "slot": slot, **more}
    return Evidence(status=status, names=NAMES, **given)


def named(found: Evidence) -> str:
    finding = diagnose(found)
    return finding.cause.name if finding else ""


AWAY = Problem("shard0", "server h:5432/app", "connection failed: Connection refused")
REFUSED = Problem("shard0", "server h:5432/app", 'password authentication failed for user "cdc"')


@pytest.mark.parametrize(
    ("trace", "world", "cause", "remedy"),
    [
        ("slot_dropped_while_read", {"slot": None}, "slot gone", Remedy.RESYNCHRONISE),
        ("slot_dropped_while_stopped", {"slot": None}, "slot gone", Remedy.RESYNCHRONISE),
        ("slot_made_anew", {"slot": IDLE}, "slot moved on", Remedy.RESYNCHRONISE),
        ("another_plugin_name", {"slot": IDLE, "drift": ("connector c",)}, "changed by hand", Remedy.MEND),
        ("publication_missing_at_start", {"slot": None, "publication": None}, "publication missing", Remedy.MEND),
        ("publication_dropped", {"slot": IDLE, "publication": None}, "publication missing", Remedy.MEND),
        ("publication_dropped", {"slot": IDLE}, "publication missing", Remedy.RESTART),
        ("wrong_password", {"slot": IDLE, "away": REFUSED}, "credentials", Remedy.ASK),
        ("wrong_password", {"slot": IDLE}, "credentials", Remedy.RESTART),
        ("role_may_not_log_in", {"slot": IDLE, "away": REFUSED}, "credentials", Remedy.ASK),
        (
            "wal_level",
            {"slot": None, "server": dataclasses.replace(SERVER, wal_level="replica")},
            "wal_level",
            Remedy.ASK,
        ),
        ("wal_level", {"slot": None}, "wal_level", Remedy.RESTART),
        ("no_slot_left", {"slot": None}, "no room on the server", Remedy.RESTART),
        ("registry_rule", {"slot": IDLE, "drift": ("compatibility of 1 subjects",)}, "registry rule", Remedy.MEND),
        ("registry_rule", {"slot": IDLE}, "registry rule", Remedy.RESTART),
        ("subject_deleted", {"slot": IDLE}, "subject deleted softly", Remedy.ASK),
        ("registry_killed", {"slot": IDLE}, "registry away", Remedy.RESTART),
        ("registry_at_another_address", {"slot": IDLE, "drift": ("connector c",)}, "changed by hand", Remedy.MEND),
        ("record_too_large_for_the_producer", {"slot": IDLE}, "record too large", Remedy.ASK),
        ("record_too_large_for_the_topic", {"slot": IDLE, "drift": ("topic t",)}, "record too large", Remedy.MEND),
        ("request_size_of_ten_bytes", {"slot": IDLE, "drift": ("connector c",)}, "record too large", Remedy.MEND),
        ("java.lang.OutOfMemoryError: Java heap space", {"slot": IDLE}, "out of memory", Remedy.RESTART),
        ("a.b.C: nobody has seen this before", {"slot": IDLE}, "failed", Remedy.RESTART),
    ],
)
def test_a_failed_task_s_cause_is_told_by_its_trace_and_by_the_world(
    trace: str, world: dict[str, Any], cause: str, remedy: Remedy
) -> None:
    finding = diagnose(evidence(failed(trace), **world))
    assert finding is not None
    assert (finding.cause.name, finding.remedy) == (cause, remedy)
    assert finding.detail
    assert finding.hint


def test_a_row_that_was_too_large_is_tried_again_once_there_is_room() -> None:
    of = dataclasses.replace(
        failed("record_too_large_for_the_producer"), config={"producer.override.max.request.size": "8388608"}
    )
    finding = diagnose(evidence(of, slot=IDLE))
    assert finding is not None
    assert (finding.cause.name, finding.remedy) == ("record too large", Remedy.RESTART)


@pytest.mark.parametrize("trace", TRACES)
def test_no_real_trace_is_unknown(trace: str) -> None:
    assert named(evidence(failed(trace), slot=IDLE)) not in {"failed", ""}


@pytest.mark.parametrize(
    ("cause", "found"),
    [
        ("slot invalidated", evidence(slot=LOST)),
        ("slot invalidated", evidence(connector(NAMES.connector, {}, "PAUSED"), slot=LOST)),
        ("slot invalidated", evidence(slot=dataclasses.replace(IDLE, invalidated="idle_timeout"))),
        ("slot gone", evidence(slot=None)),
        ("slot gone", evidence(None, slot=None, ever_read=True)),
        ("slot in use", evidence(taken=True, silent=60)),
        ("slot moved on", evidence(slot=IDLE, behind="the slot stands further")),
        ("slot moved on", evidence(gap="the slot stands further")),
        ("publication missing", evidence(publication=None)),
        ("publication was gone", evidence(slot=IDLE, unreadable='publication "p" does not exist')),
        ("publication replaced", evidence(republished=True, server=dataclasses.replace(SERVER, version=180004))),
        ("", evidence(republished=True)),
        ("database away", evidence(slot=None, away=AWAY)),
        ("credentials", evidence(slot=None, away=REFUSED)),
        ("rights missing", evidence(server=dataclasses.replace(SERVER, may_replicate=False))),
        ("connector deleted", evidence(None, slot=IDLE, ever_read=True)),
        ("", evidence(None, slot=None)),
        ("worker gone", evidence(slot=IDLE, worker_gone=True)),
        ("", evidence(worker_gone=True)),
        ("no room on the server", evidence(None, slot=None, server=dataclasses.replace(SERVER, used_slots=10))),
        ("worker gone", evidence(Connector(NAMES.connector, {}, "UNASSIGNED", tasks=(Task(0, "RUNNING"),)), since=9)),
        ("", evidence(Connector(NAMES.connector, {}, "UNASSIGNED", tasks=(Task(0, "RUNNING"),)), since=1)),
        ("stuck", evidence(slot=IDLE, since=90)),
        ("", evidence(slot=IDLE, since=9)),
        ("silent", evidence(silent=60)),
        ("changed by hand", evidence(silent=60, drift=("topic t",))),
        ("", evidence(silent=9)),
        ("heartbeats do not come through", evidence(mute=600)),
        ("table not fit", evidence(problems=(Problem("shard0", "table shop.orders", "there is no such table"),))),
        ("shard not fit", evidence(problems=(Problem("shard0", "server", "it is a standby"),))),
        ("change held back", evidence(held=("tables shop.old: not named any more",))),
        (
            "resynchronisation cut off",
            evidence(connector(NAMES.connector, {UNFINISHED: "resync"}, "STOPPED"), slot=None),
        ),
        (
            "",
            evidence(connector(NAMES.connector, {UNFINISHED: "true"}, "STOPPED"), slot=None, ever_read=True),
        ),
        ("", evidence(slot=IDLE, offsets=({"snapshot": "INITIAL", "snapshot_completed": False},), since=9999)),
        ("", evidence(connector(NAMES.connector, {}, "PAUSED"), slot=IDLE)),
        ("", evidence()),
    ],
)
def test_what_connect_calls_running_is_told_by_the_world(cause: str, found: Evidence) -> None:
    assert named(found) == cause


def test_names_are_unique_and_hints_can_be_filled_in() -> None:
    names = [cause.name for cause in CAUSES]
    assert len(set(names)) == len(names)
    known = {"shard", "connector", "slot", "publication", "role", "worker", "reader", "remark"}
    for cause in CAUSES:
        assert set(re.findall(r"{(\w+)}", cause.hint)) <= known, cause.name
        assert cause.means.endswith("."), cause.name


def test_what_could_lose_something_is_never_healed_by_itself() -> None:
    loses = {cause.name for cause in CAUSES if cause.remedy is Remedy.RESYNCHRONISE and not cause.begun}
    assert loses == {
        "slot invalidated", "slot gone", "slot moved on", "publication was gone", "publication replaced"
    }  # fmt: skip


def test_the_page_has_the_table() -> None:
    page = (Path(__file__).parents[3] / "docs" / "supervise.md").read_text()
    assert table() in page, "run `.venv/bin/python -m afflux.control.healing.causes.page`"

from typing import Any

import pytest

from afflux.clients.catalog import Publication, Slot
from afflux.control.seen.status import Seen, Verdict, judge
from afflux.control.seen.world import Problem
from unit.control.worlds import connector

READ = Slot("s", "pgoutput", "app", active=True, pid=1, lag_bytes=10)
IDLE = Slot("s", "pgoutput", "app", active=False, lag_bytes=10)
LOST = Slot("s", "pgoutput", "app", active=False, wal_status="lost")
PUBLISHED = Publication("p", frozenset({("public", "orders")}))
RUNS = connector("c", {})
COPYING = ({"snapshot": "INITIAL", "snapshot_completed": False},)
STREAMED = ({"lsn": 7},)


@pytest.mark.parametrize(
    ("verdict", "seen"),
    [
        (Verdict.STREAMING, {"slot": READ}),
        (Verdict.SNAPSHOT, {"slot": IDLE, "offsets": COPYING}),
        (Verdict.SNAPSHOT, {"slot": IDLE}),
        (Verdict.STUCK, {"slot": IDLE, "offsets": STREAMED}),
        (Verdict.LOST, {"slot": READ, "publication": None}),
        (Verdict.STARTING, {"slot": None}),
        (Verdict.LOST, {"slot": None, "offsets": STREAMED}),
        (Verdict.LOST, {"slot": LOST, "offsets": STREAMED}),
        (Verdict.PAUSED, {"connector": connector("c", {}, "PAUSED"), "slot": READ}),
        (Verdict.PAUSED, {"connector": connector("c", {}, "STOPPED"), "slot": IDLE}),
        (Verdict.FAILED, {"connector": connector("c", {}, trace="a.B: it broke\n"), "slot": IDLE}),
        (Verdict.MISSING, {"connector": None, "slot": IDLE}),
        (Verdict.UNREACHABLE, {"problem": Problem("shard0", "server", "away")}),
        (Verdict.UNREACHABLE, {"connector": Problem("", "Connect", "away"), "slot": READ}),
    ],
)
def test_running_alone_is_not_streaming(verdict: Verdict, seen: dict[str, Any]) -> None:
    whole = Seen(**{"connector": RUNS, "publication": PUBLISHED, **seen})
    status = judge("shard0", ("c", "s", "p"), whole)
    assert status.verdict is verdict
    assert status.good is (verdict in {Verdict.STREAMING, Verdict.SNAPSHOT, Verdict.PAUSED})
    assert status.good or status.hint or verdict is Verdict.STARTING or verdict is Verdict.UNREACHABLE


def test_a_failed_task_says_why_in_one_line() -> None:
    trace = (
        "org.apache.kafka.connect.errors.ConnectException: An exception occurred.\n\tat x.Y(Z.java:1)\n"
        "Caused by: org.postgresql.util.PSQLException: ERROR: no room left\n\tat x.Y\n"
    )
    status = judge("shard0", ("c", "s", "p"), Seen(connector("c", {}, trace=trace), IDLE, PUBLISHED))
    assert status.detail == "An exception occurred: ERROR: no room left"

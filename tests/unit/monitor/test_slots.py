import math
import re
from datetime import timedelta
from pathlib import Path

import pytest

from afflux.clients.wal import SINCE, Holder, slot_query
from afflux.monitor.slots import limits
from afflux.topology.guard import Guard
from unit.monitor.shards import MB, NOW, idle, reading, slot, wal


@pytest.mark.parametrize(
    ("safe", "disk", "files", "expected"),
    [
        (None, None, None, []),
        (60 * MB, None, None, [("slot", 60 * MB, 80 * MB)]),
        (None, "1GiB", 200 * MB, [("disk", 824 * MB, 1024 * MB)]),
        (None, "1GiB", None, [("disk", 1004 * MB, 1024 * MB)]),
        (-5 * MB, "1GiB", 2048 * MB, [("slot", -5 * MB, 15 * MB), ("disk", -1024 * MB, 1024 * MB)]),
    ],
)
def test_the_room_is_what_the_server_or_the_disk_leaves(
    safe: int | None, disk: str | None, files: int | None, expected: list[tuple[str, int, int]]
) -> None:
    assert limits(wal(slot(safe_wal_size=safe), files=files), Guard(disk=disk)) == expected


def test_the_limit_that_ends_first_is_the_one_that_counts() -> None:
    found = reading(idle(wal(slot(safe_wal_size=600 * MB), files=200 * MB)), Guard(disk="400MiB"), rate=MB)
    assert [room.limit for room in found.rooms] == ["disk", "slot"]
    assert found.room is not None
    assert found.room.forecast is not None
    assert found.room.forecast.likely == pytest.approx(200)
    assert found.room.used == 0.5


def test_a_lost_slot_has_no_room_left() -> None:
    found = reading(wal(slot(active=False, wal_status="lost", restart_lsn=None), keep_limit=64 * MB), rate=MB)
    assert found.state == "lost"
    assert found.room is not None
    assert (found.room.left, found.room.used) == (0, 1)


def test_without_a_limit_there_is_no_forecast_but_a_rate() -> None:
    found = reading(idle(wal()), rate=3 * MB)
    assert found.room is None
    assert found.growth == pytest.approx(3 * MB)


def test_a_slot_that_is_worked_off_drains() -> None:
    found = reading(wal(slot(safe_wal_size=MB)), rate=MB, released=2 * MB)
    assert found.draining
    assert found.room is not None
    assert found.room.forecast is not None
    assert found.room.forecast.likely == math.inf


def test_a_slot_that_nobody_reads_is_lost_when_the_server_has_waited_long_enough() -> None:
    found = reading(idle(wal(idle_limit=3600.0)), idle_since=NOW - timedelta(minutes=50))
    assert found.room is not None
    assert found.room.limit == "idle"
    assert found.room.forecast is not None
    assert found.room.forecast.likely == pytest.approx(600)


def test_a_transaction_counts_once_it_is_a_minute_old_by_its_own_time_or_by_when_it_was_seen() -> None:
    young = Holder(kind="session", name="1", since=NOW - timedelta(seconds=59))
    old = Holder(kind="prepared", name="x'y", user="app", since=NOW - timedelta(days=3))
    hidden = Holder(kind="session", name="3")
    found = reading(wal(holders=(old, young, hidden)))
    assert [(holder.name, holder.since) for holder in found.holders] == [
        ("x'y", NOW - timedelta(days=3)),
        ("3", NOW - timedelta(hours=1)),
    ]
    assert old.words == 'prepared transaction "x\'y" (user app)'


@pytest.mark.parametrize("version", [130000, 140005, 150002, 160014, 170001, 180004])
def test_a_server_is_asked_for_no_column_that_it_does_not_have(version: int) -> None:
    text = slot_query(version).as_string()
    for column, _, since in SINCE:
        assert (f's."{column}"' in text) == (version >= since)
    assert ("pg_stat_replication_slots" in text) == (version >= 140000)


def test_the_page_has_the_table_of_versions() -> None:
    page = (Path(__file__).parents[3] / "docs" / "wal.md").read_text()
    said = dict(re.findall(r"^\| `(\w+)`[^|]* \| (\d+) \|$", page, re.MULTILINE))
    expected = {column: str(since // 10000) for column, _, since in SINCE}
    views = {"pg_stat_replication_slots": "14", "idle_replication_slot_timeout": "18"}
    assert said == expected | views

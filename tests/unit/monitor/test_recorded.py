"""What a PostgreSQL server told every two seconds while it was filled, foretold row by row.

`steady` and `bursty`: a connector is stopped while the shard writes, until the server takes the slot's WAL away.
`drained`: it is stopped for two minutes and goes on.
"""

import csv
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from afflux.monitor.forecast import PATIENCE_SECONDS, Forecast, History, Point, forecast

FOLDER = Path(__file__).parent / "recorded"


class Row(NamedTuple):
    at: float
    room: float
    state: str
    read: bool
    told: Forecast | None


def foretold(name: str) -> Iterator[Row]:
    history = History()
    with (FOLDER / f"{name}.csv").open() as file:
        for row in csv.DictReader(file):
            if row["restart_lsn"]:
                at, room, read = float(row["at"]), float(row["safe_wal_size"]), row["active"] == "1"
                history.add(Point(at, float(row["lsn"]), float(row["restart_lsn"])))
                yield Row(at, room, row["wal_status"], read, forecast(history.points, room, held=not read))


@pytest.mark.parametrize("name", ["steady", "bursty"])
def test_a_real_slot_is_lost_within_the_range_in_nine_of_ten_cases(name: str) -> None:
    rows = list(foretold(name))
    end = next(row.at for row in rows if row.room <= 0)
    cases = [(row, row.told) for row in rows if row.told is not None and not row.read and row.at < end]
    right = [told.soonest <= end - row.at <= told.latest for row, told in cases]
    assert len(cases) > 100
    assert sum(right) / len(right) >= 0.9


@pytest.mark.parametrize("name", ["steady", "bursty"])
def test_the_server_takes_no_slot_before_its_room_is_used_up(name: str) -> None:
    assert [row.state for row in foretold(name) if row.room > 0 and row.state not in {"reserved", "extended"}] == []


def test_a_real_slot_that_is_worked_off_does_not_look_like_a_loss() -> None:
    rows = list(foretold("drained"))
    stopped = [row for row in rows if not row.read]
    assert any(row.told and row.told.likely < 600 for row in stopped)
    suspected = 0.0
    for before, row in itertools.pairwise(rows):
        threatens = row.read and row.told is not None and row.told.likely < 12 * 3600
        suspected = suspected + row.at - before.at if threatens else 0.0
        assert suspected < PATIENCE_SECONDS

"""Rows that an incremental snapshot read before a truncate are no rows after it."""

from collections.abc import Iterator

import pytest

from afflux.sinks.batch import Emptied
from afflux.sinks.memory import Memory
from afflux.stream.overtaken import MARGIN_US
from debezium import Event, Wire
from declared import topology
from lines import COLUMNS, TABLE, Line

COMMIT = 1_000_000_000


@pytest.fixture
def wire() -> Wire:
    return Wire()


@pytest.fixture
def line(wire: Wire) -> Iterator[Line]:
    made = Line(wire, topology(), Memory())
    yield made
    made.pipeline.close()


def event(wire: Wire, op: str, key: int, *, ts_us: int, read: bool = False, shard: str = "shard0") -> Event:
    values = None if op == "t" else {"id": key, "note": "x", "n": 0}
    sequence = f'["{next(wire.lsn)}","{next(wire.lsn)}"]' if read else None
    return wire.event(shard, "public.t", COLUMNS, op, values, ts_us=ts_us, sequence=sequence, incremental=read)


def truncate(wire: Wire) -> Event:
    return event(wire, "t", 0, ts_us=COMMIT)


def keys(line: Line) -> list[int]:
    return sorted(row["id"] for row in line.memory.rows(TABLE).values())


@pytest.mark.parametrize("together", [True, False])
def test_rows_read_before_a_truncate_are_dropped_behind_it(wire: Wire, line: Line, together: bool) -> None:
    """Their position in the WAL is behind the truncate's, and Connect's clock may be some seconds ahead."""
    events = [
        event(wire, "c", 1, ts_us=COMMIT - 5),
        truncate(wire),
        event(wire, "r", 2, ts_us=COMMIT - 1, read=True),
        event(wire, "r", 3, ts_us=COMMIT + MARGIN_US, read=True),
        event(wire, "c", 4, ts_us=COMMIT + 1),
        event(wire, "r", 5, ts_us=COMMIT + MARGIN_US + 1, read=True),
    ]
    line.feed(*([events] if together else [[each] for each in events]))
    assert keys(line) == [4, 5]


def test_a_worker_that_comes_after_the_truncate_knows_of_it(wire: Wire, line: Line) -> None:
    line.feed([truncate(wire)])
    assert line.memory.emptied == {Emptied("public.t", "shard0"): COMMIT}
    other = Line(wire, topology(), line.memory)
    other.feed([event(wire, "r", 2, ts_us=COMMIT + 1, read=True)])
    assert keys(other) == []
    other.pipeline.close()


def test_rows_of_other_shards_and_of_other_kinds_of_reading_stay(wire: Wire, line: Line) -> None:
    line.feed(
        [truncate(wire)],
        [event(wire, "r", 1, ts_us=COMMIT, read=True, shard="shard1"), event(wire, "r", 2, ts_us=COMMIT)],
    )
    assert keys(line) == [1, 2]

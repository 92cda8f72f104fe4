"""The screen is readable: at 80 characters and at 160, with three shards and with two hundred."""

import io
import re

import pytest
from rich.console import Console

from afflux.cli.overview import Screen
from afflux.cli.status import code
from afflux.control import ShardStatus, Verdict
from afflux.errors import AffluxError
from afflux.monitor.overview import Overview
from afflux.monitor.watch import PartReading
from looks import declared, flow, look, reading, room


def crowd(count: int = 200) -> Overview:
    """Two hundred shards, five of which need somebody."""
    failed = ShardStatus("shard7", Verdict.FAILED, 'FATAL: password authentication failed for user "cdc"', "Mend it.")
    flows = [flow(f"shard{n}", age=2.0 + n / 100, lag=n) for n in range(count)]
    flows += [flow("shard9", dead=12), flow("shard10", age=64.0), flow("shard11", age=65.0)]
    return look(
        declared(count),
        flows=flows,
        streams={"shard7": failed},
        shards=[reading("shard8", room=room(used=0.97, likely=900.0))],
    )


def lines(found: Overview, width: int, height: int = 50, **how: bool) -> list[str]:
    console = Console(file=io.StringIO(), width=width, height=height, highlight=False)
    console.print(Screen(found, **how))
    text: str = console.file.getvalue()  # type: ignore[attr-defined]
    return [line.rstrip() for line in text.splitlines()]


@pytest.mark.parametrize("width", [80, 160])
def test_two_hundred_shards_fit_a_screen_the_worst_first(width: int) -> None:
    shown = lines(crowd(), width, 40, fill=True)
    assert len(shown) <= 40
    assert max(map(len, shown)) <= width
    assert shown[0].startswith("orders: 5 of 200 shards need you; shard")
    rows = [row[1] for line in shown if (row := re.match(r"[✗!· ] {1,2}(shard\d+) ", line))]
    assert rows[:6] == ["shard8", "shard7", "shard11", "shard10", "shard9", "shard199"]
    assert any("more, all well: lag" in line for line in shown)


def test_a_row_is_one_line_at_80_characters() -> None:
    found = look(declared(), flows=[flow("shard1", lag=123_456_789, age=86_400 * 3.0, dead=1_000)])
    (row,) = [line for line in lines(found, 80) if line.startswith("! shard1")]
    assert row.split()[2:] == ["streaming", "read", "4.0", "KiB", "-", "123,456,789", "3d", "1,000"]


def test_more_room_shows_more() -> None:
    narrow, wide = (" ".join(lines(crowd(), width)) for width in (80, 160))
    for column in ("CLOCK", "ALL IN UP TO (UTC)", "LAG BYTES"):
        assert column not in narrow
        assert column in wide


def test_what_is_said_of_one_shard_is_not_said_again_of_the_next() -> None:
    shown = lines(crowd(), 80)
    assert sum("old, more than it may be" in line for line in shown) == 1


def test_all_shards_are_shown_to_who_asks() -> None:
    shown = lines(crowd(), 80, everything=True)
    assert sum("shard" in line[2:8] for line in shown) >= 200
    assert not any("more, all well" in line for line in shown)


def test_those_that_need_somebody_and_do_not_fit_are_counted() -> None:
    found = look(declared(200), flows=[flow(f"shard{n}", dead=n) for n in range(1, 200)])
    assert any("more that need you: --all shows them" in line for line in lines(found, 80, 24, fill=True))


def test_a_server_that_is_away_comes_before_the_shards() -> None:
    shown = lines(look(declared(), parts=[PartReading("kafka", "no broker answers", "Is it running?")]), 80)
    assert shown[:2] == ["orders: kafka: no broker answers", "next: Is it running?"]
    assert "✗ kafka: no broker answers" in shown
    assert shown[-1] == "connect, registry, target warehouse: well"


def test_the_exit_code_tells_what_the_first_line_does() -> None:
    assert code(look(declared())) == 0
    assert code(look(declared(), streams={"shard0": ShardStatus("shard0", Verdict.PAUSED)})) == 0
    assert code(look(declared(), flows=[flow("shard0", dead=1)])) == 3
    away = [PartReading(part, "no answer") for part in ("kafka", "connect", "registry", "warehouse")]
    with pytest.raises(AffluxError, match="no answer") as failed:
        code(look(declared(), parts=away, shards=[reading(f"shard{n}", problem="no answer") for n in range(3)]))
    assert failed.value.exit_code == 1

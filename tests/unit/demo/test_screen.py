import io

import pytest
from rich.console import Console

from afflux.demo.screen import Screen
from afflux.demo.watch import Figures, ShardFigures

FIGURES = Figures(
    tuple(ShardFigures(f"shard{n}", 250.4, 249.8, 6_104 + n, 112_345, 0.7 + 4 * n) for n in range(4)), 1_048_211
)
PARTS = ("kafka", "registry-db", "registry", "connect-0", "shard0", "shard1", "shard2", "shard3", "warehouse")


def screen(*, terminal: bool, width: int = 80) -> tuple[Screen, io.StringIO]:
    out = io.StringIO()
    return Screen(Console(file=out, force_terminal=terminal, width=width, height=24, highlight=False)), out


def rendered(shown: Screen) -> list[str]:
    plain = Console(width=80, color_system=None)
    return ["".join(segment.text for segment in line) for line in plain.render_lines(shown._picture(), pad=False)]


def test_the_whole_picture_fits_a_terminal_of_80_by_24() -> None:
    shown, _ = screen(terminal=True)
    for number in range(10):
        shown.step(f"step {number} of which much is to be said, more than there is room for")
        shown.note("and a note that is longer than the rest of the line has room for, by far")
    for part in PARTS:
        shown.part(part, "stopping")
    shown.figures(FIGURES)
    lines = rendered(shown)
    assert len(lines) <= 24
    assert max(map(len, lines)) <= 80
    assert any("112,345" in line for line in lines)


def test_a_step_that_failed_is_not_shown_as_done() -> None:
    shown, _ = screen(terminal=True)
    shown.step("start")
    shown.step("go on")
    shown.fail()
    shown.step("take everything down")
    assert [line[0] for line in rendered(shown)] == ["✓", "✗", "▸"]


@pytest.mark.parametrize("terminal", [True, False])
def test_what_is_shown_may_hold_brackets(terminal: bool) -> None:
    shown, out = screen(terminal=terminal)
    with shown:
        shown.step("a [bold]word[/]")
        shown.say("numeric[] and [/red]")
    assert "numeric[] and [/red]" in out.getvalue()


def test_elsewhere_each_thing_is_one_plain_line() -> None:
    shown, out = screen(terminal=False)
    with shown:
        shown.step("start")
        shown.part("kafka", "preparing")
        shown.part("kafka", "ready")
        shown.note("10 rows")
        shown.note("10 rows")
        shown.figures(FIGURES)
        shown.figures(FIGURES)
    lines = [line.split(" s  ", 1)[1] for line in out.getvalue().splitlines()]
    assert lines == [
        "start",
        "  kafka: ready",
        "  10 rows",
        "  written 1,002/s, applied 999/s, 24,422 rows in the target, lag 449,380, freshness 12.7 s",
    ]
    assert "\x1b" not in out.getvalue()

"""What people see: one picture on a terminal, plain lines elsewhere; both on standard error."""

import threading
import time
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from afflux.demo.watch import Figures
from afflux.printable import printable

_QUIET = {"preparing", "waiting", "running"}
"""Phases of a part in which nothing happens that people would want to know."""
_LINE_EVERY = 5.0
"""Seconds between two plain lines of figures."""


@dataclass
class _Step:
    title: str
    began: float
    note: str = ""
    ended: float | None = None
    failed: bool = False


class Screen:
    """Shows the steps, what happens in the one under way, and the figures. Its methods may be called by any thread.

    Args:
        console: where to; None: standard error.
    """

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(stderr=True, highlight=False)
        self._began = time.monotonic()
        self._steps: list[_Step] = []
        self._phases: dict[str, str] = {}
        self._figures: Figures | None = None
        self._line_due = 0.0
        self._lock = threading.Lock()
        self._live = Live(get_renderable=self._picture, console=self._console, refresh_per_second=8, transient=False)

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if error is None:
            self._end_step()
        if self._console.is_terminal:
            self._live.stop()

    @property
    def seconds(self) -> float:
        """How long it has been."""
        return time.monotonic() - self._began

    def step(self, title: str) -> None:
        """Begin the next step; the one before it is done."""
        self._end_step()
        with self._lock:
            self._steps.append(_Step(title, self.seconds))
            self._phases.clear()
        self._line(title)

    def fail(self) -> None:
        """Mark the step under way: it will not be done."""
        if self._steps:
            self._steps[-1].failed = True
            self._end_step()

    def note(self, text: str) -> None:
        """Say what happens in the step under way."""
        text = printable(text)
        with self._lock:
            changed = bool(self._steps) and self._steps[-1].note != text
            if changed:
                self._steps[-1].note = text
        if changed:
            self._line(f"  {text}")

    def say(self, *lines: str) -> None:
        """Print lines that stay."""
        for line in lines:
            self._console.print(Text(printable(line)), soft_wrap=True)

    def part(self, part: str, phase: str) -> None:
        """Show what a part of the stack, or a shard's connector, is doing."""
        phase = printable(phase)
        if phase not in _QUIET:
            with self._lock:
                self._phases[part] = phase
            self._line(f"  {part}: {phase}" if part else f"  {phase}")

    def fetched(self, here: int, wanted: int) -> None:
        """Show how many bytes of the wanted ones have come."""
        mark = 100 * here // wanted // 10 * 10
        self.note(f"fetched {mark} % of {wanted / 1e6:.0f} MB")

    def figures(self, figures: Figures) -> None:
        """Show what was measured."""
        with self._lock:
            self._figures = figures
        if not self._console.is_terminal and self.seconds >= self._line_due:
            self._line_due = self.seconds + _LINE_EVERY
            self._line(f"  {_in_words(figures)}")

    def _end_step(self) -> None:
        with self._lock:
            if self._steps and self._steps[-1].ended is None:
                self._steps[-1].ended = self.seconds

    def _line(self, text: str) -> None:
        if not self._console.is_terminal:
            self._console.print(Text(f"{self.seconds:6.1f} s  {text}"), soft_wrap=True)

    # --- the picture ----------------------------------------------------------------------------

    def _picture(self) -> RenderableType:
        with self._lock:
            steps, phases, figures = list(self._steps), dict(self._phases), self._figures
        lines: list[RenderableType] = []
        for step in steps:
            lines.append(self._step_line(step))
            if step.ended is None and phases:
                lines.append(_phase_line(phases))
        if figures is not None:
            lines += [Text(), _figures_table(figures)]
        return Group(*lines)

    def _step_line(self, step: _Step) -> RenderableType:
        took = (self.seconds if step.ended is None else step.ended) - step.began
        mark, style = ("▸", "bold yellow") if step.ended is None else ("✗", "red") if step.failed else ("✓", "green")
        line = Table.grid(padding=(0, 1), expand=True)
        line.add_column(width=1)
        line.add_column(ratio=1, no_wrap=True, overflow="ellipsis")
        line.add_column(justify="right", no_wrap=True)
        words = Text(step.title, style="bold" if step.ended is None else "")
        if step.note:
            words.append(f"  {step.note}", style="not bold dim")
        line.add_row(Text(mark, style=style), words, Text(f"{took:.1f} s", style="dim"))
        return line


def _phase_line(phases: dict[str, str]) -> RenderableType:
    words = "  ".join(f"{part} {phase}" if part else phase for part, phase in phases.items())
    return Text(f"  {words}", style="dim")


def _figures_table(figures: Figures) -> RenderableType:
    table = Table(box=None, pad_edge=False, header_style="dim", expand=False, padding=(0, 2))
    table.add_column("", no_wrap=True)
    for title in ("written/s", "applied/s", "rows in target", "lag", "freshness"):
        table.add_column(title, justify="right", no_wrap=True)
    for shard in figures.shards:
        behind = Text(f"{shard.behind:.1f} s", style="red" if shard.behind >= 3 else "")
        row = (f"{shard.written:,.0f}", f"{shard.applied:,.0f}", f"{shard.rows:,}", f"{shard.lag:,}")
        table.add_row(shard.shard, *row, behind)
    total = (
        f"{sum(shard.written for shard in figures.shards):,.0f}",
        f"{sum(shard.applied for shard in figures.shards):,.0f}",
        f"{sum(shard.rows for shard in figures.shards):,}",
        f"{sum(shard.lag for shard in figures.shards):,}",
        f"{_worst(figures):.1f} s",
    )
    table.add_row("all", *total, style="bold")
    return Group(table, Text(f"change events applied: {figures.events:,}", style="dim"))


def _in_words(figures: Figures) -> str:
    return (
        f"written {sum(shard.written for shard in figures.shards):,.0f}/s, "
        f"applied {sum(shard.applied for shard in figures.shards):,.0f}/s, "
        f"{sum(shard.rows for shard in figures.shards):,} rows in the target, "
        f"lag {sum(shard.lag for shard in figures.shards):,}, freshness {_worst(figures):.1f} s"
    )


def _worst(figures: Figures) -> float:
    return max((shard.behind for shard in figures.shards), default=0.0)

"""Progress on standard error: a live table on a terminal, plain lines elsewhere."""

import threading
import time
from types import TracebackType
from typing import Self

from rich.console import Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from afflux.cli.terminal import Terminal

QUIET = {"preparing", "waiting"}
"""Phases that pass too quickly to be worth a line."""
COLOURS = {"ready": "green", "running": "green", "stopped": "dim", "starting": "yellow", "stopping": "yellow"}


class StackProgress:
    """Shows what the parts of the stack are doing; its methods are what `Stack.up` and `down` report to."""

    def __init__(self) -> None:
        self._console = Terminal(stderr=True)
        self._began = time.monotonic()
        self._phases: dict[str, tuple[str, float]] = {}
        self._bytes = (0, 0)
        self._tenths = 0
        self._lock = threading.Lock()
        self._live = Live(
            get_renderable=self._render, console=self._console, refresh_per_second=8, transient=False, auto_refresh=True
        )

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._console.is_terminal:
            self._live.stop()
        if kind is KeyboardInterrupt:
            self._console.print("interrupted", soft_wrap=True)

    def phase(self, part: str, phase: str) -> None:
        """Show that a part has come to a phase."""
        since = time.monotonic() - self._began
        with self._lock:
            self._phases[part] = (phase, since)
        if not self._console.is_terminal and phase not in QUIET:
            self._console.print(f"{since:6.1f} s  {part}: {phase}", soft_wrap=True)

    def fetched(self, here: int, wanted: int) -> None:
        """Show how many bytes of the wanted ones have come."""
        with self._lock:
            self._bytes = (here, wanted)
            tenths = here * 10 // wanted
            tell = tenths > self._tenths and not self._console.is_terminal
            self._tenths = max(self._tenths, tenths)
        if tell:
            self._console.print(f"fetched {here / 1e6:.0f} of {wanted / 1e6:.0f} MB", soft_wrap=True)

    def _render(self) -> RenderableType:
        with self._lock:
            phases, (here, wanted) = dict(self._phases), self._bytes
        lines: list[RenderableType] = []
        if wanted:
            lines.append(Text(f"fetched {here / 1e6:.0f} of {wanted / 1e6:.0f} MB"))
        table = Table.grid(padding=(0, 2))
        for part, (phase, since) in phases.items():
            table.add_row(Text(part), Text(phase, style=COLOURS.get(phase, "")), Text(f"{since:.1f} s", style="dim"))
        return Group(*lines, table)

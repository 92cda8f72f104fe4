"""An overview of a topology as a screen: the verdict first, then the shards, the worst first, with what is to be done."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text

from afflux.cli.show import moment
from afflux.monitor.findings import Finding, Level
from afflux.monitor.overview import Foretold, Overview, ShardView, TargetView
from afflux.monitor.units import duration, size
from afflux.printable import printable

_WIDE = 120
"""Characters of a line from which on there is room for more columns."""
_LINES = 40
"""Of shards, where nobody asked for all of them."""
_BESIDE = 10
"""Lines of a screen beside the shards."""
_NAME = 16
"""Characters of a shard's name where there is little room."""
_STYLES = {Level.WELL: "green", Level.NOTE: "cyan", Level.WARNING: "yellow", Level.PAGE: "bold red"}
_MARKS = {Level.WELL: " ", Level.NOTE: "·", Level.WARNING: "!", Level.PAGE: "✗"}
_UNKNOWN = "-"
_LEFT = 4
"""How many columns are words; the others are numbers."""


@dataclass(frozen=True, slots=True)
class Screen:
    """An overview that fits the console it is printed on.

    Attributes:
        overview: what is shown.
        everything: show every shard, however many there are.
        fill: fill the console's lines, and no more.
    """

    overview: Overview
    everything: bool = False
    fill: bool = False

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Lay it out; a line break in a name or a sentence makes no line of its own."""
        for each in self._lines(console, options):
            each.plain = printable(each.plain)
            yield each

    def _lines(self, console: Console, options: ConsoleOptions) -> Iterator[Text]:
        found = self.overview
        wide = options.max_width >= _WIDE
        ill = [line for part in found.parts for line in _said(part.findings, f"{part.part}: ")]
        lines = console.height - _BESIDE - len(ill) if self.fill else _LINES
        shown = found.shards if self.everything else _fitting(found.shards, lines)
        yield Text(found.verdict, style=_STYLES[found.level])
        if found.next:
            yield Text(f"next: {found.next}")
        yield from ill
        yield Text()
        for line in _table(shown, wide=wide):
            if self.fill:
                line.no_wrap, line.overflow = True, "ellipsis"
            yield line
        yield from _rest(found.shards[len(shown) :])
        yield Text()
        for target in found.targets:
            yield _target(target)
        well = [part.part for part in found.parts if not part.level.worry]
        yield Text(f"{', '.join(well)}: well" if well else "", style="green")


def _fitting(shards: Sequence[ShardView], lines: int) -> Sequence[ShardView]:
    """Give the shards that fit into so many lines; one at least."""
    left, before = lines - 1, None
    for number, shard in enumerate(shards):
        left -= 1 + len(list(_why(shard, before)))
        before = shard
        if left < 0:
            return shards[: max(1, number)]
    return shards


def _table(shards: Sequence[ShardView], *, wide: bool) -> Iterator[Text]:
    """Lay the shards out in columns, each with what is to be said of it below."""
    rows = [_cells(shard, wide=wide) for shard in shards]
    names = list(rows[0]) if rows else []
    widths = {name: max(len(name), *(len(row[name]) for row in rows)) for name in names}
    yield Text(_line({name: name for name in names}, widths, wide=wide), style="bold")
    before = None
    for shard, row in zip(shards, rows, strict=True):
        yield Text(_line(row, widths, wide=wide), style=_STYLES[shard.level] if shard.level.worry else "")
        yield from _why(shard, before)
        before = shard


def _line(cells: dict[str, str], widths: dict[str, int], *, wide: bool) -> str:
    padded = [
        text.ljust(widths[name]) if number < _LEFT else text.rjust(widths[name])
        for number, (name, text) in enumerate(cells.items())
    ]
    return ("  " if wide else " ").join(padded).rstrip()


def _cells(shard: ShardView, *, wide: bool) -> dict[str, str]:
    name = shard.shard if wide or len(shard.shard) <= _NAME else shard.shard[: _NAME - 1] + "…"
    cells = {
        "": _MARKS[shard.level],
        "SHARD": name,
        "STREAM": shard.stream,
        "SLOT": _slot(shard),
        "WAL": _or_unknown(None if shard.wal_retained_bytes is None else size(shard.wal_retained_bytes)),
        "FULL IN": _full(shard.wal_full_in_seconds, wide=wide),
        "LAG": _or_unknown(None if shard.lag_events is None else f"{shard.lag_events:,}"),
        "AGE": _or_unknown(None if shard.age_seconds is None else duration(round(shard.age_seconds))),
        "DEAD": _or_unknown(None if shard.dead_letters is None else f"{shard.dead_letters:,}"),
    }
    if wide:
        growth, clock = shard.wal_growth_bytes_per_second, shard.clock_ahead_seconds
        cells |= {
            "WAL/S": _or_unknown(None if growth is None else size(growth)),
            "LAG BYTES": _or_unknown(None if shard.lag_bytes is None else size(shard.lag_bytes)),
            "CLOCK": _or_unknown(None if clock is None else f"{clock:+.3f}s"),
            "ALL IN UP TO (UTC)": moment(shard.watermark) or _UNKNOWN,
        }
    return cells


def _slot(shard: ShardView) -> str:
    if shard.slot in {"reserved", "extended"}:
        return "read" if shard.slot_read else "not read"
    return shard.slot


def _full(told: Foretold | None, *, wide: bool) -> str:
    """Say when the room for WAL is full."""
    if told is None:
        return _UNKNOWN
    if told.likely is None or not wide or told.soonest is None:
        return "never" if told.likely is None else duration(round(told.likely))
    latest = "never" if told.latest is None else duration(round(told.latest))
    return f"{duration(round(told.likely))} ({duration(round(told.soonest))} to {latest})"


def _why(shard: ShardView, before: ShardView | None) -> Iterator[Text]:
    """Say what is the matter with a shard and what to do, unless that was just said of the one before."""
    said = _told(before) if before else []
    told = _told(shard)
    if [_like(finding.what) for finding in told] == [_like(finding.what) for finding in said]:
        return
    for finding in told:
        yield Text(f"    {' '.join(finding.what.split())}", style=_STYLES[finding.level])
    if told and told[0].next and told[0].next != (said[0].next if said else ""):
        yield Text(f"    → {told[0].next}")


def _told(shard: ShardView) -> Sequence[Finding]:
    return shard.findings[: 2 if shard.level.worry else 1]


def _like(what: str) -> str:
    """Give a sentence without its numbers."""
    return re.sub(r"[0-9.,]+", "#", what)


def _said(findings: Sequence[Finding], who: str) -> Iterator[Text]:
    for finding in findings:
        yield Text(f"{_MARKS[finding.level]} {who}{finding.what}", style=_STYLES[finding.level])
        if finding.next:
            yield Text(f"    → {finding.next}")


def _rest(shards: Sequence[ShardView]) -> Iterator[Text]:
    """Sum up what is not shown."""
    worried = [shard for shard in shards if shard.level.worry]
    if worried:
        yield Text(f"  … and {len(worried)} more that need you: --all shows them", style=_STYLES[worried[0].level])
    well = len(shards) - len(worried)
    if well:
        lag = max((shard.lag_events or 0 for shard in shards), default=0)
        age = max((shard.age_seconds or 0.0 for shard in shards), default=0.0)
        yield Text(f"  … and {well} more, all well: lag {lag:,} at most, age {duration(round(age))} at most")


def _target(target: TargetView) -> Text:
    if target.shards_without:
        first, more = target.shards_without[0], len(target.shards_without) - 1
        who = f"{first} and {more} more" if more else first
        return Text(f"{target.sink}: of {who} it is not known how fresh it is", style=_STYLES[Level.WARNING])
    age = "" if target.age_seconds is None else f", {duration(round(target.age_seconds))} ago"
    return Text(f"{target.sink}: holds all that was committed before {moment(target.watermark)} UTC{age}")


def _or_unknown(text: str | None) -> str:
    return _UNKNOWN if text is None else text

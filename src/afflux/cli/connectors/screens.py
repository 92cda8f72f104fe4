"""Plans and statuses as tables: whole in a pipe, folded on a narrow terminal."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from rich.table import Table
from rich.text import Text

from afflux import control
from afflux.cli.connectors.options import hint
from afflux.cli.terminal import Terminal, fit, say
from afflux.control.planned.changes import some_of

NAMED = 8
"""Shards that are named one by one."""
WIDE = 110
"""Columns from which on a status shows Connect's own words, too."""
_STYLES: Mapping[str, str] = {
    "restart": "yellow",
    "snapshot": "cyan",
    "removal": "red",
    "data-loss": "red",
    "streaming": "green",
    "starting": "yellow",
    "paused": "yellow",
    "stuck": "red",
    "failed": "red",
    "lost": "red",
    "missing": "red",
    "unreachable": "red",
}
_FOLDED = frozenset({"object", "reason", "key", "is", "shall be", "detail", "error", "tables", "problem", "kept"})
"""Columns whose text may go on in the next line."""


def table(rows: Sequence[Mapping[str, Any]]) -> Table:
    """Lay rows out, with the columns of the first; None is nothing."""
    made = Table(box=None, pad_edge=False, header_style="bold")
    for name in rows[0] if rows else ():
        folds = name in _FOLDED
        made.add_column(name.upper(), no_wrap=not folds, overflow="fold" if folds else "ellipsis")
    for row in rows:
        made.add_row(*(_cell(value) for value in row.values()))
    return made


def show(rows: Sequence[Mapping[str, Any]]) -> None:
    """Print rows on standard output: on a terminal folded to its width, elsewhere one line each."""
    console = Terminal()
    if not console.is_terminal:
        console.width = 1000
    console.print(table(rows))


def show_plan(plan: control.Plan, *, details: bool) -> None:
    """Print a plan: the actions as data, all else as prose."""
    show_problems(plan)
    rows = _values(plan) if details else _actions(plan)
    if rows:
        show(rows)
    _summary(plan)


def show_problems(plan: control.Plan) -> None:
    """Say each problem, refusal and note once, with the shards that have it."""
    problems = [Said(p.shard, f"{p.object}: {p.message}", p.hint) for p in plan.problems]
    left = [Said(r.shard, f"{r.object}: left as it is: {r.reason}", _way(r)) for r in plan.refused]
    for said, style in ((problems, "red"), (left, "yellow")):
        for shards, text, way in grouped(said):
            say(f"{shards}: {text}", style)
            hint(way)
    for note in plan.notes:
        say(f"note: {note}", "yellow")


class Said(NamedTuple):
    """Something that is said of a shard."""

    shard: str
    text: str
    hint: str


def grouped(said: Iterable[Said]) -> list[tuple[str, str, str]]:
    """Say once what is the same of several shards but for their names: (shards, text, hint)."""
    groups: dict[tuple[str, str], list[Said]] = {}
    for each in said:
        general = [part.replace(each.shard, "SHARD") if each.shard else part for part in (each.text, each.hint)]
        groups.setdefault((general[0], general[1]), []).append(each)
    return [
        (_names(group), *((group[0].text, group[0].hint) if len(group) == 1 else general))
        for general, group in groups.items()
    ]


def _names(said: Sequence[Said]) -> str:
    return some_of([each.shard or "all" for each in said], NAMED)


def _way(refusal: control.Refusal) -> str:
    return (
        refusal.hint if refusal.risk is control.Risk.NONE else f"{refusal.hint} `--allow {refusal.risk}` gives leave."
    )


def _actions(plan: control.Plan) -> list[dict[str, Any]]:
    return [
        {"shard": a.shard or "all", "action": a.kind, "object": a.object, "reason": a.reason, "risk": str(a.risk)}
        for a in plan.actions
    ]


def _values(plan: control.Plan) -> list[dict[str, Any]]:
    found = [(a.shard, a.object, c) for a in plan.actions for c in a.changes()]
    found += [(r.shard, r.object, c) for r in plan.refused for c in r.changes]
    return [{"shard": s or "all", "object": o, "key": c.key, "is": c.old, "shall be": c.new} for s, o, c in found]


def _summary(plan: control.Plan) -> None:
    if not plan.actions and not plan.refused and not plan.problems:
        say("nothing to do")
        return
    shards = len({action.shard for action in plan.actions} - {""})
    where = f" on {shards} shard{'s' * (shards > 1)}" if shards else ""
    parts = [f"{len(plan.actions)} to do{where}" if plan.actions else "nothing to do"]
    if plan.refused:
        parts.append(f"{len(plan.refused)} left as they are")
    if plan.problems:
        parts.append(f"{len(plan.problems)} problem{'s' * (len(plan.problems) > 1)}")
    say("; ".join(parts))


def status_rows(statuses: Sequence[control.ShardStatus], width: int) -> list[dict[str, Any]]:
    """Give a row a shard, with fewer columns where there is little room.

    Args:
        statuses: what the shards' streams do.
        width: columns of the screen.
    """
    return [
        {
            "shard": shard.shard,
            "stream": str(shard.verdict),
            **({"connector": shard.connector_state, "task": shard.task_state} if width >= WIDE else {}),
            "slot": "read" if shard.slot_active else "idle" if shard.lag_bytes is not None else "",
            "lag": size(shard.lag_bytes),
            "kept": size(shard.retained_bytes),
            "tables": len(shard.tables),
            "detail": "; ".join([*([shard.detail] if shard.detail else []), *(f"copying {t}" for t in shard.copying)]),
        }
        for shard in statuses
    ]


def show_statuses(statuses: Sequence[control.ShardStatus], told: Sequence[str] = ()) -> None:
    """Print statuses, and the hints of those that need attention, but for shards of which it was told already."""
    console = Terminal()
    show(status_rows(statuses, console.width if console.is_terminal else 1000))
    for shards, _, way in grouped(Said(s.shard, "", s.hint) for s in statuses if not s.good and s.shard not in told):
        hint(f"{shards}: {way}" if way else "")


def size(number: int | None) -> str:
    """Write a number of bytes for people."""
    if number is None:
        return ""
    for unit, each in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if number >= each:
            return f"{number / each:.1f} {unit}"
    return f"{number} B"


def _cell(value: Any) -> Text:
    text = "" if value is None else str(value)
    return fit(text, _STYLES.get(text, ""))

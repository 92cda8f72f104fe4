"""`connectors status` and `watch`."""

import time
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Annotated, NoReturn

import typer
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from afflux import control
from afflux.cli.connectors.documents import rows
from afflux.cli.connectors.options import ShardsArgument, meant
from afflux.cli.connectors.screens import show_statuses, status_rows, table
from afflux.cli.options import DEFAULT_TOPOLOGY, Output, OutputOption, TopologyOption
from afflux.cli.show import show_data
from afflux.cli.terminal import Terminal, fit, line
from afflux.topology.load import load_resolved

_FRAME = 6
"""Lines of a live screen that are no shard."""


def status(
    shards: ShardsArgument = None,
    topology: TopologyOption = DEFAULT_TOPOLOGY,
    output: OutputOption = Output.TABLE,
) -> None:
    """Show of each shard whether its changes really flow.

    Connect's RUNNING alone says little: a shard streams when somebody reads its slot. Lag is the WAL that the
    connector has not confirmed yet; kept is the WAL that the shard holds because of the slot.

    Exit code 0: every shard streams (or makes its first copy, or was paused by somebody); 1: some shard does not.
    """
    loaded = load_resolved(topology)
    statuses = control.status(loaded, only=meant(loaded, shards))
    if output is Output.TABLE:
        show_statuses(statuses)
    else:
        show_data(rows(statuses), output)
    raise typer.Exit(0 if all(shard.good for shard in statuses) else 1)


def watch(
    shards: ShardsArgument = None,
    topology: TopologyOption = DEFAULT_TOPOLOGY,
    every: Annotated[float, typer.Option(min=0.5, help="Seconds between two looks.")] = 2.0,
) -> None:
    """Show `status` live, what needs attention first, until Ctrl-C.

    On a terminal it is a screen; elsewhere a line for each change.
    """
    loaded = load_resolved(topology)
    only = meant(loaded, shards)
    console = Terminal()
    if not console.is_terminal:
        _watch_lines(lambda: control.status(loaded, only=only), every)
    with Live(console=console, screen=True, auto_refresh=False) as live:
        while True:
            live.update(_screen(loaded.name, control.status(loaded, only=only), console), refresh=True)
            time.sleep(every)


def _watch_lines(look: Callable[[], Sequence[control.ShardStatus]], every: float) -> NoReturn:
    told: dict[str, str] = {}
    while True:
        for shard in look():
            now = f"{shard.verdict}: {shard.detail}" if shard.detail else str(shard.verdict)
            if told.get(shard.shard) != now:
                line(f"{datetime.now().astimezone().isoformat(timespec='seconds')}  {shard.shard}  {now}")
                told[shard.shard] = now
        time.sleep(every)


def _screen(name: str, statuses: Sequence[control.ShardStatus], console: Console) -> RenderableType:
    worst_first = sorted(statuses, key=lambda shard: (shard.good, not shard.copying))
    room = max(1, console.height - _FRAME)
    good = sum(shard.good for shard in statuses)
    style = "green" if good == len(statuses) else "red"
    head = Text.assemble(
        (name, "bold"),
        "  ",
        (f"{good} of {len(statuses)} shards in order", style),
        f"  {datetime.now().astimezone():%H:%M:%S}",
    )
    left = [Text(f"and {len(worst_first) - room} more", style="dim")] if len(worst_first) > room else []
    hints = [fit(f"{s.shard}: {s.hint}", "dim") for s in worst_first if s.hint and not s.good][:1]
    return Group(head, Text(), table(status_rows(worst_first[:room], console.width)), *left, Text(), *hints)

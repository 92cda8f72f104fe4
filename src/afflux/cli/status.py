"""`afflux status`: everything on one screen."""

import contextlib
import dataclasses
import time
from collections.abc import Iterator
from typing import Annotated

import typer
from rich.live import Live

from afflux import logs
from afflux.cli.options import DEFAULT_TOPOLOGY, Output, OutputOption, TopologyOption
from afflux.cli.overview import Screen
from afflux.cli.show import show_data
from afflux.cli.terminal import Terminal
from afflux.errors import AffluxError, UsageError
from afflux.monitor.overview import Lookout, Overview
from afflux.topology.model import Topology
from afflux.topology.watch import Watched

_NEVER_CUT = 1000
"""Characters of a line that goes to no terminal."""


def status(
    topology: TopologyOption = DEFAULT_TOPOLOGY,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Look again and again, until Ctrl-C.")] = False,
    every: Annotated[float, typer.Option(min=1, help="Seconds between two looks of --watch.")] = 5.0,
    everything: Annotated[bool, typer.Option("--all", help="Show every shard, however many there are.")] = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """Show whether the warehouse is right and how fresh it is: every shard on one screen, the worst first.

    The first line is the verdict. STREAM is what a shard's changes do; SLOT whether somebody reads its replication
    slot; WAL what the server keeps because of it; FULL IN when the room for that is used up; LAG how many events in
    Kafka the target has not; AGE how old the target is, by the shard's watermark; DEAD how many events could not be
    applied. What needs somebody is told below its shard, with what to do next.

    Exit code 0: all is well, or --watch was ended; 3: there is something to worry about; 1: no server answers.
    """
    logs.configure("error")
    if watch and output is not Output.TABLE:
        raise UsageError("--watch shows a screen", hint=f"leave --watch out for -o {output}")
    follows = Watched(topology)
    declared = follows.load()
    with contextlib.closing(Lookout()) as lookout:
        if watch:
            # Ctrl-C is the way out, and no failure.
            with contextlib.suppress(KeyboardInterrupt):
                _watch(lookout, follows, declared, every, everything=everything)
            raise typer.Exit(0)
        with _looking():
            found = lookout.look_well(declared)
    if output is Output.TABLE:
        console = Terminal()
        if not console.is_terminal:
            console.width = _NEVER_CUT
        console.print(Screen(found, everything=everything or not console.is_terminal))
    else:
        show_data(dataclasses.asdict(found), output)
    raise typer.Exit(code(found))


def _watch(lookout: Lookout, follows: Watched, declared: Topology, every: float, *, everything: bool) -> None:
    with Live(console=Terminal(), screen=True, auto_refresh=False) as live:
        while True:
            declared = follows.poll() or declared
            live.update(Screen(lookout.look(declared), everything=everything, fill=True), refresh=True)
            time.sleep(every)


@contextlib.contextmanager
def _looking() -> Iterator[None]:
    """Say that it takes a moment, where somebody waits."""
    console = Terminal(stderr=True)
    with console.status("looking …") if console.is_terminal else contextlib.nullcontext():
        yield


def code(found: Overview) -> int:
    """Give the exit code.

    Raises:
        AffluxError: no server answered.
    """
    if not found.looked:
        raise AffluxError(found.verdict, hint=found.next)
    return 3 if found.level.worry else 0

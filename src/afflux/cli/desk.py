"""What the commands on a sink's state share: the sink that is meant, notes, questions."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from afflux import logs
from afflux.cli.options import choose_sink
from afflux.cli.terminal import say
from afflux.errors import UsageError
from afflux.operate.desk import Desk, open_desk
from afflux.printable import printable
from afflux.topology.load import load_resolved

SinkOption = Annotated[str, typer.Option("--sink", help="Which sink of the topology; needed where it has several.")]
TablesOption = Annotated[
    list[str] | None, typer.Option("--table", help="Of this target table or topic; may be given several times.")
]
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


@contextmanager
def desk_of(topology: Path, sink: str) -> Iterator[Desk]:
    """Open the sink that is meant, and say in the end what could not be found out."""
    logs.configure("error")
    loaded = load_resolved(topology)
    with open_desk(loaded, choose_sink(loaded, sink)) as desk:
        yield desk
        for note in dict.fromkeys(desk.notes):
            say(f"note: {note}", "yellow")


def confirm(question: str, *, yes: bool) -> None:
    """Ask, unless it was answered on the command line.

    Raises:
        UsageError: nobody is there to answer.
        typer.Abort: the answer is no.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise UsageError(question, hint="give --yes where nobody can answer")
    typer.confirm(printable(question), abort=True, err=True)

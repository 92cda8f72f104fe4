"""`afflux stack`: the whole real stack on this machine."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from afflux.stack import Stack

app = typer.Typer(no_args_is_help=True)

StateOption = Annotated[Path, typer.Option("--state", envvar="AFFLUX_STATE", help="The state folder.")]
DEFAULT_STATE = Path(".afflux")


@app.callback()
def _group() -> None:
    """Run shards, warehouse, Kafka, Connect and registry on this machine, without Docker."""


@app.command()
def up(
    state: StateOption = DEFAULT_STATE,
    shards: Annotated[int | None, typer.Option(min=1, help="How many shards at least (3 in a new stack).")] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="How many Connect workers at least.")] = None,
) -> None:
    """Bring up what does not run; harmless when all of it does."""
    progress = Console(stderr=True, highlight=False)
    addresses = Stack(state).up(shards, workers, report=lambda part, phase: progress.print(f"{part}: {phase}"))
    typer.echo(str(addresses.topology))


@app.command()
def down(
    state: StateOption = DEFAULT_STATE,
    purge: Annotated[bool, typer.Option("--purge", help="Remove its files, too.")] = False,
) -> None:
    """Stop every part."""
    Stack(state).down(purge=purge)


@app.command()
def fetch() -> None:
    """Fetch the JVM parts into the cache, and do nothing else."""
    from afflux.stack.bundles import load_lock  # noqa: PLC0415
    from afflux.stack.fetch import fetch as fetch_files  # noqa: PLC0415

    fetch_files(load_lock().files())

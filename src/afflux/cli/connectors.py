"""Placeholder until its room is built."""

import typer

app = typer.Typer(no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Not built yet."""

"""Data on standard output, in the form that the user asked for."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import typer
import yaml
from rich.table import Table

from afflux.cli.options import Output
from afflux.cli.terminal import Terminal, fit


def show_data(data: Any, output: Output) -> None:
    """Print data (mappings, lists, numbers, texts) as JSON or YAML."""
    if output is Output.JSON:
        typer.echo(json.dumps(data, indent=2, default=str))
    else:
        typer.echo(yaml.safe_dump(json.loads(json.dumps(data, default=str)), sort_keys=False), nl=False)


def moment(time: datetime | None) -> str:
    """Write a time for people: to the second, in UTC."""
    return "" if time is None else time.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")


def show_table(rows: Sequence[Mapping[str, Any]]) -> None:
    """Print rows for people: columns as in the first row, None as nothing. Never cut, so that it can be piped."""
    console = Terminal()
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in rows[0] if rows else ():
        table.add_column(name.replace("_", " ").upper(), no_wrap=True)
    for row in rows:
        table.add_row(*(fit("" if value is None else str(value)) for value in row.values()))
    if not console.is_terminal:
        console.width = 1000
    console.print(table)

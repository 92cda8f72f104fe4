"""The commands: one file a group of verbs, no logic of its own.

Data goes to standard output, prose and progress to standard error. Exit codes: 0 done, 1 failed,
2 wrong usage or topology, 3 there is a difference, 130 stopped by Ctrl-C.
"""

import os
import sys
from typing import NoReturn

import click
import typer
from rich.console import Console

from afflux import __version__
from afflux.cli import connectors, demo, run, schema, stack
from afflux.errors import AffluxError

app = typer.Typer(
    name="afflux",
    help="One live, exact warehouse table from N PostgreSQL shards.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.add_typer(stack.app, name="stack")
app.add_typer(connectors.app, name="connectors")
app.command(name="run")(run.run)
app.command(name="demo")(demo.demo)
app.command(name="schema")(schema.schema)


@app.callback(invoke_without_command=True)
def _version(
    version: bool = typer.Option(False, "--version", help="Print the version and leave."),
) -> None:
    if version:
        typer.echo(__version__)
        raise typer.Exit


def main() -> NoReturn:
    """Run `afflux` and leave the process with its exit code."""
    _run(app, "afflux")


def connectors_main() -> NoReturn:
    """Run `connectors`, which is `afflux connectors`, and leave the process with its exit code."""
    _run(connectors.app, "connectors")


def _run(commands: typer.Typer, name: str) -> NoReturn:
    arguments = [a for a in sys.argv[1:] if a != "--debug"]
    debug = len(arguments) < len(sys.argv) - 1 or bool(os.environ.get("AFFLUX_DEBUG"))
    errors = Console(stderr=True, highlight=False, soft_wrap=True)
    try:
        code = commands(args=arguments, prog_name=name, standalone_mode=False)
    except AffluxError as error:
        if debug:
            raise
        errors.print(f"[bold red]error:[/] {_plain(error.message)}")
        if error.hint:
            errors.print(f" [bold]hint:[/] {_plain(error.hint)}")
        sys.exit(error.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(2)
    except (KeyboardInterrupt, click.Abort):
        errors.print("stopped")
        sys.exit(130)
    except BrokenPipeError:
        sys.exit(0)
    except Exception as error:
        if debug:
            raise
        errors.print(f"[bold red]error:[/] {type(error).__name__}: {_plain(str(error))}")
        errors.print(" [bold]hint:[/] this is a fault in afflux; run it again with --debug for the traceback")
        sys.exit(1)
    sys.exit(code if isinstance(code, int) else 0)


def _plain(text: str) -> str:
    return text.replace("[", r"\[")

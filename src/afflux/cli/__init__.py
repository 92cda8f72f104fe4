"""The commands: one file a group of verbs, no logic of its own.

Data goes to standard output, prose and progress to standard error. Exit codes: 0 done, 1 failed,
2 wrong usage or topology, 3 there is a difference, 130 stopped by Ctrl-C.
"""

import os
import sys
from typing import NoReturn

import typer
from typer.exceptions import TyperException

from afflux import __version__, logs
from afflux.cli import (
    alerts,
    audit,
    connectors,
    dead_letters,
    demo,
    doctor,
    grants,
    init,
    lake,
    migrate,
    positions,
    run,
    schema,
    schemas,
    slots,
    stack,
    status,
    supervise,
    tables,
    verify,
)
from afflux.cli.terminal import complain, say
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
app.add_typer(tables.app, name="tables")
app.add_typer(positions.app, name="positions")
app.add_typer(dead_letters.app, name="dead-letters")
app.add_typer(lake.app, name="lake")
app.add_typer(alerts.app, name="alerts")
app.add_typer(schemas.app, name="schemas")
app.command(name="status")(status.status)
app.command(name="slots")(slots.slots)
app.command(name="topics")(slots.topics)
app.command(name="run")(run.run)
app.command(name="supervise")(supervise.supervise)
app.command(name="audit")(audit.audit)
app.command(name="verify")(verify.verify)
app.command(name="demo")(demo.demo)
app.command(name="schema")(schema.schema)
app.command(name="init")(init.init)
app.command(name="doctor")(doctor.doctor)
app.command(name="grants")(grants.grants)
app.command(name="migrate")(migrate.migrate)


@app.callback(invoke_without_command=True)
def _version(
    version: bool = typer.Option(False, "--version", help="Print the version and leave."),
) -> None:
    if version:
        typer.echo(__version__)
        raise typer.Exit


def run_command(commands: typer.Typer, name: str) -> NoReturn:
    """Run a group of commands on the process's arguments, and leave the process with its exit code."""
    arguments = [a for a in sys.argv[1:] if a != "--debug"]
    logs.configure("warning")
    debug = len(arguments) < len(sys.argv) - 1 or bool(os.environ.get("AFFLUX_DEBUG"))
    try:
        code = commands(args=arguments, prog_name=name, standalone_mode=False)
    except (KeyboardInterrupt, typer.Abort):
        say("stopped")
        sys.exit(130)
    except BrokenPipeError:
        sys.exit(0)
    except Exception as error:
        if debug:
            raise
        sys.exit(_explain(error, name))
    sys.exit(code if isinstance(code, int) else 0)


def _explain(error: Exception, name: str) -> int:
    """Say what went wrong and what to do next; give the exit code."""
    if isinstance(error, AffluxError):
        message, hint, code = error.message, error.hint, error.exit_code
    elif isinstance(error, TyperException):
        message, hint, code = (
            error.format_message(),
            f"`{name} --help` and `{name} COMMAND --help` list what there is",
            2,
        )
    else:
        message = f"{type(error).__name__}: {error}"
        hint, code = "this is a fault in afflux; run it again with --debug for the traceback", 1
    complain("error:", "bold red", message)
    if hint:
        complain(" hint:", "bold", hint)
    return code

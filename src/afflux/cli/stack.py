"""`afflux stack`: the whole real stack on this machine."""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from typer.models import OptionInfo

from afflux.cli.options import Output, OutputOption
from afflux.cli.progress import StackProgress
from afflux.cli.show import show_data, show_table
from afflux.cli.terminal import script

if TYPE_CHECKING:
    from afflux.stack import Addresses, Stack

app = typer.Typer(no_args_is_help=True)

StateOption = Annotated[
    Path, typer.Option("--state", envvar="AFFLUX_STATE", help="The state folder: data, logs, ports, topology.")
]
DEFAULT_STATE = Path(".afflux")


def _port(text: str) -> OptionInfo:
    shown = "kept, or a free one"
    option: OptionInfo = typer.Option(min=1, max=65535, help=text, show_default=shown, rich_help_panel="Ports")
    return option


@app.callback()
def _group() -> None:
    """Run the whole real stack on this machine: shards, warehouse, Kafka, Connect, registry.

    No Docker, no Java and no PostgreSQL of yours is needed: all come as packages, checked by hash, and listen on
    127.0.0.1 only. One state folder is one stack; several stacks run side by side.
    """


@app.command()
def up(
    state: StateOption = DEFAULT_STATE,
    shards: Annotated[
        int | None, typer.Option(min=1, max=64, help="How many shards at least.", show_default="as it is; 3 when new")
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(min=1, max=16, help="How many workers of Connect at least.", show_default="as it is; 1 when new"),
    ] = None,
    postgres: Annotated[
        int | None, typer.Option(help="PostgreSQL 16 or 18; fixed once there is data.", show_default="16")
    ] = None,
    secure: Annotated[
        bool,
        typer.Option(
            "--secure", help="TLS and a login everywhere, Kafka with ACLs; of a new stack, which stays what it is."
        ),
    ] = False,
    jdbc_sink: Annotated[
        bool,
        typer.Option(
            "--jdbc-sink", help="Give Connect Debezium's JDBC sink, too (58 MB), for sinks with engine: connect."
        ),
    ] = False,
    kafka_port: Annotated[int | None, _port("The broker's port.")] = None,
    registry_port: Annotated[int | None, _port("The registry's port.")] = None,
    connect_port: Annotated[int | None, _port("The first Connect worker's port; the others' follow.")] = None,
    postgres_port: Annotated[int | None, _port("The first shard's port; the others' follow.")] = None,
    warehouse_port: Annotated[int | None, _port("The warehouse's port.")] = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Bring up what does not run, and wait until all of it answers.

    Harmless when all of it runs; after a crash it starts just what is gone. More shards or workers than there are
    are added; none is ever taken away. The first time it fetches about 220 MB into the cache. Prints the addresses,
    and writes a topology that works with them: `afflux run -t .afflux/topology.yaml`.
    """
    from afflux.stack import AskedPorts  # noqa: PLC0415 - see _stack

    stack = _stack(state)
    ports = AskedPorts(kafka_port, registry_port, connect_port, postgres_port, warehouse_port)
    with StackProgress() as progress:
        addresses = stack.up(
            shards,
            workers,
            ports=ports,
            postgres=postgres,
            secure=secure,
            jdbc_sink=jdbc_sink,
            report=progress.phase,
            progress=progress.fetched,
        )
    _show_addresses(addresses, output)


@app.command()
def down(
    state: StateOption = DEFAULT_STATE,
    purge: Annotated[bool, typer.Option("--purge", help="Remove all its files, too; the cache stays.")] = False,
) -> None:
    """Stop every part, and leave no process behind; `up` goes on where it stood."""
    with StackProgress() as progress:
        _stack(state).down(purge=purge, report=progress.phase)


@app.command()
def status(state: StateOption = DEFAULT_STATE, output: OutputOption = Output.TABLE) -> None:
    """Show every part: does it answer, where, how much memory, since when. Exit code 1 when one does not answer."""
    rows = [dataclasses.asdict(part) for part in _stack(state).status()]
    if output is Output.TABLE:
        for row in rows:
            row["since"] = row["since"] and row["since"].astimezone().strftime("%Y-%m-%d %H:%M:%S")
        show_table(rows)
    else:
        show_data(rows, output)
    raise typer.Exit(0 if all(row["state"] == "ready" for row in rows) else 1)


@app.command()
def logs(
    part: Annotated[str, typer.Argument(help="Whose: kafka, registry, registry-db, connect-0, shard0, warehouse ...")],
    state: StateOption = DEFAULT_STATE,
    lines: Annotated[int, typer.Option("-n", "--lines", min=0, help="How many of the last lines.")] = 50,
    follow: Annotated[bool, typer.Option("-f", "--follow", help="Go on with new lines until Ctrl-C.")] = False,
) -> None:
    """Print the end of one part's log."""
    for line in _stack(state).log(part, lines, follow=follow):
        script(f"{line}\n")


@app.command()
def env(state: StateOption = DEFAULT_STATE) -> None:
    """Print the addresses as shell commands: eval "$(afflux stack env)".

    Then `afflux run` finds the topology, and psql the databases: psql $SHARD0_URL, psql $WAREHOUSE_URL.
    Passwords are not printed: PGPASSFILE names the file that holds them.
    """
    typer.echo(_stack(state).env())


@app.command()
def certificates(
    state: StateOption = DEFAULT_STATE,
    rotate: Annotated[
        bool, typer.Option("--rotate", help="Give every server a new key and certificate first, while it serves.")
    ] = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """Show the certificates of a secured stack: until when each is good, and whether its server shows it.

    With --rotate each server gets a new one. Kafka, PostgreSQL and the registry take it up as they run; a worker of
    Connect is started again. The authority stays, and clients need not do anything.
    """
    stack = _stack(state)
    if rotate:
        with StackProgress() as progress:
            found = stack.rotate(progress.phase)
    else:
        found = stack.certificates()
    rows = [dataclasses.asdict(each) for each in found]
    if output is Output.TABLE:
        for row in rows:
            row["expires"] = f"{row['expires']:%Y-%m-%d %H:%M} UTC"
        show_table(rows)
    else:
        show_data(rows, output)


@app.command()
def fetch() -> None:
    """Fetch what the stack needs into the cache (AFFLUX_CACHE), and start nothing.

    Goes on where it was cut off, and checks every file by its hash. AFFLUX_MAVEN_URL names a mirror, if you have one.
    """
    _stack(DEFAULT_STATE)
    from afflux.stack.bundles import load_lock  # noqa: PLC0415 - see _stack
    from afflux.stack.fetch import fetch as fetch_files  # noqa: PLC0415 - see _stack
    from afflux.stack.plugin import plugin_jar  # noqa: PLC0415 - see _stack

    with StackProgress() as progress:
        fetch_files(load_lock().files(), progress.fetched)
    plugin_jar()


@app.command()
def plugin() -> None:
    """Print the path of afflux's Connect plugin, one jar, for a Kafka Connect of your own.

    It belongs into the folder of Debezium's PostgreSQL connector: docs/plugin.md says the rest.
    """
    _stack(DEFAULT_STATE)
    from afflux.stack.plugin import plugin_jar  # noqa: PLC0415 - see _stack

    typer.echo(plugin_jar())


def _stack(state: Path) -> "Stack":
    """Import the stack only when it is wanted: elsewhere afflux runs without its packages (the extra `local`)."""
    from afflux.stack import Stack  # noqa: PLC0415 - said above

    return Stack(state)


def _show_addresses(addresses: "Addresses", output: Output) -> None:
    if output is Output.TABLE:
        files = {"topology": addresses.topology, "passwords": addresses.secrets}
        show_table([{"part": part, "address": where} for part, where in (addresses.shown | files).items()])
    else:
        files = {"topology": addresses.topology, "secrets": addresses.secrets}
        show_data({"addresses": addresses.shown, **files}, output)

"""`afflux demo`."""

from pathlib import Path
from typing import Annotated

import typer

from afflux import logs
from afflux.cli.progress import StackProgress
from afflux.topology.sinks import Kind

DIFFERENCE = 3


def demo(
    state: Annotated[
        Path, typer.Option("--state", help="The state folder, the demo's own: what an earlier demo left there goes.")
    ] = Path(".afflux/demo"),
    keep: Annotated[bool, typer.Option("--keep", help="Leave everything running afterwards, to play with.")] = False,
    down: Annotated[
        bool, typer.Option("--down", help="Only take down what --keep, or a demo that was killed, has left.")
    ] = False,
    sink: Annotated[
        Kind,
        typer.Option(
            "--sink",
            help="What to copy into: a PostgreSQL warehouse, a lake of Delta tables, or one file of DuckDB or SQLite.",
        ),
    ] = Kind.POSTGRESQL,
    secure: Annotated[
        bool, typer.Option("--secure", help="With TLS and a login everywhere, ACLs, and roles of least rights.")
    ] = False,
    seconds: Annotated[float, typer.Option(min=0, help="How long rows are changed, at least.")] = 20.0,
    rate: Annotated[
        float, typer.Option(min=1, max=100_000, help="Row changes a second, the four shards together.")
    ] = 1_000.0,
) -> None:
    """See the main job done on the real stack, from nothing to a proven copy.

    Starts three PostgreSQL shards, a warehouse, Kafka, Connect and the registry
    on this machine (the first time it fetches about 230 MB), sets up a connector
    a shard, and runs the sink. While rows are inserted, updated and deleted on
    all shards, a fourth shard is added, and the sink is killed and started again.
    Then source and target are compared row for row, and everything is taken down.
    It takes about a minute. Ctrl-C takes everything down at any moment.

    The last line on standard output is the result as JSON.

    Exit code 0: source and target are equal; 3: they are not; 1: something
    failed, and the logs are in the state folder.
    """
    from afflux.demo import Wishes, demonstrate, take_down  # noqa: PLC0415 - elsewhere afflux runs without the stack

    logs.configure("error")
    if down:
        with StackProgress() as progress:
            take_down(state, report=progress.phase)
        return
    outcome = demonstrate(Wishes(state, seconds=seconds, rate=rate, keep=keep, sink=sink, secure=secure))
    typer.echo(outcome.as_json())
    raise typer.Exit(0 if outcome.equal else DIFFERENCE)

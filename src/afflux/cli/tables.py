"""`afflux tables`: which tables of a sink run, which are stopped, and why."""

import dataclasses
from typing import Annotated

import typer

from afflux.cli.desk import SinkOption, desk_of, say
from afflux.cli.options import DEFAULT_TOPOLOGY, Output, OutputOption, TopologyOption
from afflux.cli.show import moment, show_data, show_table
from afflux.errors import UsageError
from afflux.operate import tables

app = typer.Typer(no_args_is_help=True, add_completion=False)

NamesArgument = Annotated[list[str] | None, typer.Argument(metavar="[TABLE]...", help="Target tables, or topics.")]


@app.callback()
def _group() -> None:
    """See, stop and resume the tables of a sink, one by one.

    A topic is one table of one shard. One that can't be read on stops alone, at its position; the others go on. Its
    events wait in Kafka, for as long as the topic's retention keeps them.
    """


@app.command("list")
def list_(
    topology: TopologyOption = DEFAULT_TOPOLOGY, sink: SinkOption = "", output: OutputOption = Output.TABLE
) -> None:
    """List what is read into which table: running or stopped and why, open dead letters, position, lag."""
    with desk_of(topology, sink) as desk:
        found = tables.overview(desk)
        if output is not Output.TABLE:
            show_data([dataclasses.asdict(table) for table in found], output)
        elif found:
            show_table(
                [
                    {
                        "table": table.table,
                        "topic": table.topic,
                        "state": table.state,
                        "dead_letters": table.dead_letters,
                        "position": ",".join(map(str, table.position)),
                        "behind": table.behind,
                        "since": moment(table.since),
                        "reason": " ".join(table.reason.split()),
                    }
                    for table in found
                ]
            )
        else:
            say("none was ever read")


@app.command()
def stop(
    names: NamesArgument = None,
    topology: TopologyOption = DEFAULT_TOPOLOGY,
    sink: SinkOption = "",
    reason: Annotated[str, typer.Option(help="Why, for whoever finds it stopped.")] = "",
) -> None:
    """Read tables no further, until `resume`; running daemons honour it within a few seconds.

    Nothing is lost while the topics' retention keeps the events that wait.
    """
    if not names:
        raise UsageError("say which tables", hint="`afflux tables list` lists them")
    with desk_of(topology, sink) as desk:
        for topic in tables.stop(desk, names, reason):
            say(f"{topic}: stopped")


@app.command()
def resume(
    names: NamesArgument = None,
    topology: TopologyOption = DEFAULT_TOPOLOGY,
    sink: SinkOption = "",
    everything: Annotated[bool, typer.Option("--all", help="All that are stopped.")] = False,
) -> None:
    """Read stopped tables on from their positions, once what was wrong is mended.

    Running daemons begin within a few seconds. A table whose cause is still there stops again.
    """
    if bool(names) == everything:
        raise UsageError("give tables or --all, not both" if names else "say which tables, or give --all")
    with desk_of(topology, sink) as desk:
        resumed = tables.resume(desk, names or ())
        for topic in resumed:
            say(f"{topic}: resumed")
        if not resumed:
            say("none of them is stopped" if names else "none is stopped")


@app.command()
def resync() -> None:
    """Fill a table anew from its shards: not in this version."""
    raise UsageError(
        "`afflux tables resync` is not in this version",
        hint="`connectors snapshot` and `afflux positions rewind` are the ways there are",
    )

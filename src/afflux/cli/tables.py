"""`afflux tables`: which tables of a sink run, which are stopped, and why."""

import dataclasses
from typing import Annotated

import typer

from afflux.cli.desk import SinkOption, desk_of
from afflux.cli.options import DEFAULT_TOPOLOGY, Output, OutputOption, TopologyOption
from afflux.cli.show import moment, show_data, show_table
from afflux.cli.terminal import say
from afflux.errors import UsageError
from afflux.operate import resync as resyncs
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
                        "resync": table.resync,
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
def resync(
    names: NamesArgument = None,
    topology: TopologyOption = DEFAULT_TOPOLOGY,
    sink: SinkOption = "",
    shard: Annotated[
        list[str] | None, typer.Option("--shard", help="Of this shard alone; may be given several times.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="All tables.")] = False,
    incremental: Annotated[
        bool, typer.Option("--incremental", help="Read between the shards' changes, for large tables.")
    ] = False,
    wait: Annotated[float, typer.Option(min=0, help="Seconds to follow it; it goes on by itself.")] = 0,
    output: OutputOption = Output.TABLE,
) -> None:
    """Have tables read anew from their shards, and remove from the target what is at the shards no more.

    For a target that somebody has changed, a table whose events were deleted before they were applied, or one that a
    fault has left behind. The connectors read the tables, running daemons apply the rows, and remove the rest once all
    of it is in the target; `afflux tables list` shows how far it is. Every sink of the topology gets it.

    A shard's changes wait while its tables are read. With --incremental they do not, where a table has a primary key
    and no generated columns; but Debezium 3.7.0 may fail at its start under load, so that it has to be asked again,
    and its connector's task restarted (`connectors apply`, or `afflux supervise` by itself).

    A shard whose slot is lost has nobody to read it: `connectors resync` makes it anew, and does the same.

    Exit code 1: some shard can't be asked, or with --wait, a table could not be read.
    """
    if bool(names) == everything:
        raise UsageError("give tables or --all, not both" if names else "say which tables, or give --all")
    with desk_of(topology, sink) as desk:
        asked = resyncs.ask(desk, names or (), shard or (), incremental=incremental, tell=_told)
        for asking in asked:
            if asking.error:
                say(f"{asking.shard}: {asking.error}", "red")
                say(f"  hint: {asking.hint}" if asking.hint else "")
        found = resyncs.follow(desk, {asking.id for asking in asked if asking.id}, wait, _told)
        if output is not Output.TABLE:
            show_data([dataclasses.asdict(each) for each in found], output)
        elif found:
            show_table(
                [
                    {
                        "table": each.table,
                        "shard": each.shard,
                        "state": each.state,
                        "asked": moment(each.asked),
                        "closed": moment(each.closed),
                        "reason": each.reason,
                    }
                    for each in found
                ]
            )
    raise typer.Exit(1 if any(a.error for a in asked) or any(each.state == "failed" for each in found) else 0)


def _told(shard: str, what: str) -> None:
    say(f"{shard}: {what}")

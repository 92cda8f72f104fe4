"""`connectors resync`."""

from typing import Annotated

import typer

from afflux.cli.connectors.documents import rows
from afflux.cli.connectors.options import NamedShards, YesOption, hint, meant, progress
from afflux.cli.connectors.screens import show
from afflux.cli.desk import confirm
from afflux.cli.options import DEFAULT_TOPOLOGY, Output, OutputOption, TopologyOption
from afflux.cli.show import show_data
from afflux.cli.terminal import say
from afflux.control.done.converge import WAIT_SECONDS
from afflux.control.verbs.resync import resynchronise
from afflux.topology.load import load_resolved


def resync(
    shards: NamedShards,
    topology: TopologyOption = DEFAULT_TOPOLOGY,
    wait: Annotated[float, typer.Option(min=0, help="Seconds for the shards to stream.")] = WAIT_SECONDS,
    yes: YesOption = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """Read shards anew after their slot was lost, so that the targets end equal: what was deleted meanwhile goes, too.

    The slot is made anew, and the connector reads all rows of all its tables. When a sink has them, it removes what it
    still has of the shard from before. Changes between the two slots are in no table that keeps every change.

    Exit code 0: the shards stream, or make their copies; 1: some shard does not. `afflux tables list` shows how far the
    sinks are.
    """
    loaded = load_resolved(topology)
    names = meant(loaded, shards) or []
    confirm(f"Drop the slot of {', '.join(names)} and read all rows anew?", yes=yes)
    done, report = resynchronise(loaded, names, report=progress(), wait=wait)
    for each in done:
        if each.error:
            say(f"{each.shard}: {each.error}", "red")
            hint(each.hint)
    verdicts = {status.shard: str(status.verdict) for status in report.statuses}
    if output is Output.TABLE:
        show(
            [
                {"shard": e.shard, "anew": "yes" if e.prepared else "no", "stream": verdicts.get(e.shard, "")}
                for e in done
            ]
        )
    else:
        show_data(rows(done), output)
    raise typer.Exit(0 if report.ok and all(each.prepared for each in done) else 1)

"""`connectors validate`."""

import typer

from afflux import control
from afflux.cli.connectors.documents import rows
from afflux.cli.connectors.options import ShardsArgument, hint, meant
from afflux.cli.connectors.screens import show
from afflux.cli.options import DEFAULT_TOPOLOGY, Output, OutputOption, TopologyOption
from afflux.cli.show import show_data
from afflux.cli.terminal import say
from afflux.topology.load import load_resolved


def validate(
    shards: ShardsArgument = None,
    topology: TopologyOption = DEFAULT_TOPOLOGY,
    output: OutputOption = Output.TABLE,
) -> None:
    """Check each shard's config, and the shard itself, without changing anything.

    Kafka Connect validates the config that `apply` would set, and logs in to the shard for that, with the workers'
    own secrets. It does not look at wal_level, publication, slot, grants or replica identities; afflux does.

    Exit code 0: every shard can be set up; 1: some can't.
    """
    loaded = load_resolved(topology)
    found = control.validate(loaded, only=meant(loaded, shards))
    if output is not Output.TABLE:
        show_data(rows(found), output)
    else:
        show(
            [
                {
                    "shard": each.shard,
                    "valid": "no" if each.problems else "yes",
                    "problem": problem and f"{problem.object}: {problem.message}",
                }
                for each in found
                for problem in (each.problems or (None,))
            ]
        )
        for text in dict.fromkeys(problem.hint for each in found for problem in each.problems if problem.hint):
            hint(text)
        if all(not each.problems for each in found):
            say(f"{len(found)} shards can be set up")
    raise typer.Exit(1 if any(each.problems for each in found) else 0)

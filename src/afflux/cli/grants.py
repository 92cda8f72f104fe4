"""`afflux grants`: the rights that afflux needs, as SQL."""

from typing import Annotated

import typer

from afflux.cli.options import DEFAULT_TOPOLOGY, TopologyOption, choose_sink
from afflux.cli.terminal import script
from afflux.control.verbs.choose import choose
from afflux.onboarding.rights import sink_rights, source_rights
from afflux.topology.load import load_resolved
from afflux.topology.sinks import PostgresSink


def grants(
    topology: TopologyOption = DEFAULT_TOPOLOGY,
    shard: Annotated[
        list[str] | None, typer.Option(help="Shards whose SQL is wanted, also as 'eu-*'; without it all.")
    ] = None,
    sink: Annotated[str, typer.Option(help="Only the SQL of this sink.")] = "",
    monitor: Annotated[
        bool, typer.Option("--monitor", help="Let the source's role see who holds a slot back (pg_monitor).")
    ] = False,
) -> None:
    r"""Print the least rights that afflux needs, as SQL for an administrator to read and run with psql.

    On each shard: a role that logs in, replicates and reads the topology's tables, and a publication of them. In each
    PostgreSQL sink: a role, and the schemas that it writes. Running it again changes nothing; passwords are not in it.

    A shard is asked for its tables only where the topology has a pattern instead of a name.
    """
    declared = load_resolved(topology)
    if not sink:
        named = choose(shard or ["*"], [each.name for each in declared.shards])
        for each in declared.shards:
            if each.name in named:
                script(source_rights(declared, each, monitor=monitor).script() + "\n")
    if not shard:
        chosen = (
            [choose_sink(declared, sink, of_any_engine=True)]
            if sink
            else [s for s in declared.sinks if isinstance(s, PostgresSink)]
        )
        for target in chosen:
            script(sink_rights(declared, target).script() + "\n")

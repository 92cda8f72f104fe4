"""`afflux migrate`: the sinks' state in this version's layout."""

from typing import Annotated

import typer

from afflux import logs
from afflux.cli.options import DEFAULT_TOPOLOGY, TopologyOption, choose_sink
from afflux.cli.terminal import say
from afflux.operate.migrate import migrate as bring
from afflux.topology.load import load


def migrate(
    topology: TopologyOption = DEFAULT_TOPOLOGY,
    sink: Annotated[str, typer.Option(help="Which sink of the topology; without it all of them.")] = "",
) -> None:
    """Bring the state that sinks keep beside their rows to this version's layout.

    Daemons do so themselves when they start; run it before they are replaced, so that a target which can't be
    upgraded is known while the old daemons still run. Running it again changes nothing. A state that a newer afflux has
    made is refused.
    """
    logs.configure("warning")
    declared = load(topology)
    for name in bring(declared, [choose_sink(declared, sink)] if sink else declared.own_sinks):
        say(f"{name}: its state has this version's layout")

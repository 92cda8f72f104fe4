"""`connectors pause`, `resume`, `stop` and `restart`."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from afflux import control
from afflux.cli.connectors.documents import rows
from afflux.cli.connectors.options import NamedShards, ShardsArgument, hint, meant, progress
from afflux.cli.connectors.screens import show
from afflux.cli.options import DEFAULT_TOPOLOGY, Output, OutputOption, TopologyOption
from afflux.cli.show import show_data
from afflux.cli.terminal import say
from afflux.control.verbs.states import WAIT_SECONDS
from afflux.topology.load import load_resolved

WaitOption = Annotated[float, typer.Option(min=0, help="Seconds for a connector to come to its new state.")]


def pause(
    shards: NamedShards,
    topology: TopologyOption = DEFAULT_TOPOLOGY,
    wait: WaitOption = WAIT_SECONDS,
    output: OutputOption = Output.TABLE,
) -> None:
    """Let connectors read nothing until `resume`; their tasks stay, and hold their slots.

    The slots keep all changes meanwhile, and the shards the WAL for them: watch their disks.
    """
    _change(control.Verb.PAUSE, shards, topology, wait, output)


def resume(
    shards: NamedShards,
    topology: TopologyOption = DEFAULT_TOPOLOGY,
    wait: WaitOption = WAIT_SECONDS,
    output: OutputOption = Output.TABLE,
) -> None:
    """Let paused and stopped connectors go on from where they stood; nothing is missed."""
    _change(control.Verb.RESUME, shards, topology, wait, output)


def stop(
    shards: NamedShards,
    topology: TopologyOption = DEFAULT_TOPOLOGY,
    wait: WaitOption = WAIT_SECONDS,
    output: OutputOption = Output.TABLE,
) -> None:
    """Stop connectors until `resume`: their tasks go, nobody holds the slots, and offsets can be reset.

    The slots keep all changes meanwhile, and the shards the WAL for them: watch their disks.
    """
    _change(control.Verb.STOP, shards, topology, wait, output)


def restart(
    shards: ShardsArgument = None,
    topology: TopologyOption = DEFAULT_TOPOLOGY,
    everything: Annotated[
        bool, typer.Option("--all", help="Also connectors and tasks that have not failed; needs SHARD.")
    ] = False,
    wait: WaitOption = WAIT_SECONDS,
    output: OutputOption = Output.TABLE,
) -> None:
    """Restart the connectors and tasks that have failed.

    A restart mends no cause: see `status` for why they failed. `apply` restarts what failed, too, and mends what
    differs from the topology before.
    """
    if everything and not shards:
        raise typer.BadParameter("--all needs SHARD; '*' is all of them")
    _change(control.Verb.RESTART_ALL if everything else control.Verb.RESTART, shards, topology, wait, output)


def _change(verb: control.Verb, shards: Sequence[str] | None, topology: Path, wait: float, output: Output) -> None:
    loaded = load_resolved(topology)
    changed = control.change_states(loaded, verb, only=meant(loaded, shards), wait=wait, report=progress())
    if verb is control.Verb.RESTART and not shards:
        changed = [each for each in changed if each.before == "FAILED"]
        if not changed:
            say("none has failed")
    if output is not Output.TABLE:
        show_data(rows(changed), output)
    elif changed:
        show(
            [
                {
                    "shard": each.shard,
                    "connector": each.connector,
                    "was": each.before,
                    "now": each.after,
                    "error": each.error,
                }
                for each in changed
            ]
        )
        for each in changed:
            hint(f"{each.shard}: {each.hint}" if each.hint else "")
    raise typer.Exit(1 if any(each.error for each in changed) else 0)

"""`connectors plan`, `drift` and `apply`."""

from typing import Annotated

import typer

from afflux import control
from afflux.cli.connectors.documents import plan_document, rows
from afflux.cli.connectors.options import DIFFERENCE, AllowOption, ShardsArgument, hint, leave, meant, progress
from afflux.cli.connectors.screens import show_plan, show_problems, show_statuses
from afflux.cli.options import DEFAULT_TOPOLOGY, Output, OutputOption, TopologyOption
from afflux.cli.show import show_data
from afflux.cli.terminal import say
from afflux.control.done.apply import PARALLEL
from afflux.control.done.converge import WAIT_SECONDS
from afflux.topology.load import load_resolved


def plan(
    shards: ShardsArgument = None,
    topology: TopologyOption = DEFAULT_TOPOLOGY,
    output: OutputOption = Output.TABLE,
    details: Annotated[bool, typer.Option("--details", help="Show every value that would change.")] = False,
    allow: AllowOption = None,
) -> None:
    """Show what `apply` would do, in its order, and change nothing.

    Each action comes with its reason and its risk: `none`; `restart` (a connector pauses for seconds); `snapshot`
    (whole tables are read from the shard); `removal` and `data-loss`, which are left alone unless --allow names them.

    Exit code 0: nothing to do; 3: something, if only with leave; 1: a problem keeps a shard from being set up.
    """
    loaded = load_resolved(topology)
    found = control.plan_topology(loaded, leave=leave(allow), only=meant(loaded, shards))
    if output is Output.TABLE:
        show_plan(found, details=details)
    else:
        show_data(plan_document(loaded.name, found), output)
    raise typer.Exit(1 if found.problems else DIFFERENCE if found.pending else 0)


def drift(
    shards: ShardsArgument = None,
    topology: TopologyOption = DEFAULT_TOPOLOGY,
    output: OutputOption = Output.TABLE,
) -> None:
    """Show every value in which the world differs from the topology, also what `apply` would leave as it is.

    What somebody changed by hand is here, old against new: a connector's config, a slot, a publication, a topic, a
    compatibility level, a table that came to a shard.

    Exit code 0: none; 3: some; 1: a shard could not be asked, or has a problem that only a person can mend.
    """
    loaded = load_resolved(topology)
    found = control.plan_topology(loaded, only=meant(loaded, shards))
    if output is Output.TABLE:
        show_plan(found, details=True)
    else:
        show_data(plan_document(loaded.name, found), output)
    raise typer.Exit(1 if found.problems else DIFFERENCE if found.differs else 0)


def apply(
    shards: ShardsArgument = None,
    topology: TopologyOption = DEFAULT_TOPOLOGY,
    wait: Annotated[float, typer.Option(min=0, help="Seconds for the shards to stream.")] = WAIT_SECONDS,
    parallel: Annotated[
        int, typer.Option(min=1, help="Running connectors that get another config at once, after the first.")
    ] = PARALLEL,
    allow: AllowOption = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Make and set up what each shard needs, and wait until its changes flow.

    Checks each shard first: a shard that can't be set up, or is away, is told with what to do, and keeps no other
    from being set up. Running connectors that get another config come one after the other: where the first does not
    stream again, the others keep theirs. The rows of tables that are new to a connector are copied, and waited for.
    What takes longer than --wait goes on by itself. Running it again changes nothing.

    Exit code 0: all is as the topology says, and every shard streams (or makes its first copy, or was paused by
    somebody); 3: the same, but for what needs --allow; 1: some shard does not stream, or something failed.
    """
    loaded = load_resolved(topology)
    report = control.apply_topology(
        loaded, report=progress(), wait=wait, leave=leave(allow), only=meant(loaded, shards), parallel=parallel
    )
    show_problems(report.plan)
    for outcome in report.outcomes:
        whose = outcome.action.shard or "topology"
        if outcome.error:
            say(f"{whose}: can't {outcome.action.words}: {outcome.error}", "red")
            hint(outcome.hint)
        elif outcome.skipped:
            say(f"{whose}: not done: {outcome.action.words}: {outcome.skipped}; apply again", "yellow")
    if not report.changed and report.ok:
        say("nothing to do")
    if output is Output.TABLE:
        show_statuses(report.statuses, [problem.shard for problem in report.plan.problems])
    else:
        show_data(rows(report.statuses), output)
    raise typer.Exit(1 if not report.ok else 0 if report.whole else DIFFERENCE)

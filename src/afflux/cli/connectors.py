"""`afflux connectors`, also installed as `connectors`: Debezium, Kafka and the shards as the topology says."""

import dataclasses
import sys
from collections.abc import Collection, Sequence
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from afflux import control
from afflux.cli.options import DEFAULT_TOPOLOGY, Output, OutputOption, TopologyOption
from afflux.cli.show import show_data, show_table
from afflux.control.converge import WAIT_SECONDS
from afflux.errors import UsageError
from afflux.topology.load import load_resolved

app = typer.Typer(no_args_is_help=True, add_completion=False)

DIFFERENCE = 3


@app.callback()
def _group() -> None:
    """Set up and watch one Debezium connector a shard, with its publication, slot and topics.

    All are named after the shard (source.names of the topology). Every command may be run again at any time.
    """


@app.command()
def plan(
    topology: TopologyOption = DEFAULT_TOPOLOGY,
    output: OutputOption = Output.TABLE,
    details: Annotated[bool, typer.Option("--details", help="Show every value that would change.")] = False,
) -> None:
    """Show what `apply` would do, and change nothing.

    Exit code 0: nothing to do; 3: something; 1: a problem keeps a shard from being set up.
    """
    found = control.plan_topology(load_resolved(topology))
    if output is Output.TABLE:
        _show_plan(found, details=details)
    else:
        show_data(_plan_data(found), output)
    differs = found.differs if details else found.pending
    raise typer.Exit(1 if found.problems else DIFFERENCE if differs else 0)


@app.command()
def drift(topology: TopologyOption = DEFAULT_TOPOLOGY, output: OutputOption = Output.TABLE) -> None:
    """Show every value in which the world differs from the topology: `plan --details`, with the same exit codes."""
    plan(topology, output, details=True)


@app.command()
def apply(
    topology: TopologyOption = DEFAULT_TOPOLOGY,
    wait: Annotated[float, typer.Option(min=0, help="Seconds for the shards to stream.")] = WAIT_SECONDS,
    output: OutputOption = Output.TABLE,
) -> None:
    """Make and set up what each shard needs, and wait until its changes flow.

    Checks each shard first: a shard that can't be set up, or is away, is told with what to do, and keeps no other
    from being set up. A first copy that takes longer than --wait goes on by itself. Running it again changes nothing.

    Exit code 0: every shard streams (or makes its first copy, or was paused by somebody); 1: some shard does not.
    """
    report = control.apply_topology(load_resolved(topology), report=_progress(), wait=wait)
    _show_problems(report.plan)
    for outcome in report.outcomes:
        if outcome.error:
            _say(f"{outcome.action.shard or 'topology'}: can't {outcome.action.words}: {outcome.error}", "red")
            _say_hint(outcome.hint)
        elif outcome.skipped:
            _say(f"{outcome.action.shard or 'topology'}: not done: {outcome.action.words}; apply again", "yellow")
    if not report.changed and report.ok:
        _say("nothing to do")
    _show_statuses(report.statuses, output, told={problem.shard for problem in report.plan.problems})
    raise typer.Exit(0 if report.ok else 1)


@app.command()
def status(topology: TopologyOption = DEFAULT_TOPOLOGY, output: OutputOption = Output.TABLE) -> None:
    """Show of each shard whether its changes really flow.

    Connect's RUNNING alone says little: a shard streams when somebody reads its slot. Lag is the WAL that the
    connector has not confirmed yet; kept is the WAL that the shard holds because of the slot.

    Exit code 0: every shard streams (or makes its first copy, or was paused by somebody); 1: some shard does not.
    """
    statuses = control.status(load_resolved(topology))
    _show_statuses(statuses, output)
    raise typer.Exit(0 if all(shard.good for shard in statuses) else 1)


@app.command()
def remove(
    shards: Annotated[list[str] | None, typer.Argument(help="Whose; also one that left the topology.")] = None,
    topology: TopologyOption = DEFAULT_TOPOLOGY,
    everything: Annotated[bool, typer.Option("--all", help="All shards, also those that left the topology.")] = False,
    drop_slot: Annotated[
        bool, typer.Option("--drop-slot", help="Drop the slot: changes from now on are lost to the connector.")
    ] = False,
    drop_publication: Annotated[
        bool, typer.Option("--drop-publication", help="Drop the publication; needs --drop-slot.")
    ] = False,
    delete_offsets: Annotated[
        bool, typer.Option("--delete-offsets", help="Forget where the connector stood: the next one reads all rows.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """Remove connectors. Slot, publication and offsets stay unless asked for; topics and target always stay.

    A connector that is removed alone can be made again by `apply` and misses nothing, for its slot keeps the
    changes; but the shard keeps their WAL until then.
    """
    if bool(shards) == everything:
        raise UsageError("name the shards, or give --all" if not shards else "give shards or --all, not both")
    loaded = load_resolved(topology)
    extent = control.Extent(slot=drop_slot, publication=drop_publication, offsets=delete_offsets)
    names = control.removable(loaded, shards)
    if not yes:
        _confirm(names, extent)
    removals = control.remove(loaded, names, extent, progress=_progress())
    for removal in removals:
        if removal.error:
            _say(f"{removal.shard}: {removal.error}", "red")
            _say_hint(removal.hint)
    if output is Output.TABLE:
        show_table(
            [
                {"shard": r.shard, "removed": ", ".join(r.removed) or "nothing", "kept": ", ".join(r.kept)}
                for r in removals
            ]
        )
    else:
        show_data([dataclasses.asdict(removal) for removal in removals], output)
    raise typer.Exit(1 if any(removal.error for removal in removals) else 0)


def _confirm(shards: list[str], extent: control.Extent) -> None:
    flags = {"slot": extent.slot, "publication": extent.publication, "offsets": extent.offsets}
    things = ", ".join(["connector", *(thing for thing, wanted in flags.items() if wanted)])
    question = f"Remove {things} of {', '.join(shards) or 'no shard'}?"
    if not sys.stdin.isatty():
        raise UsageError(question, hint="Give --yes where nobody can answer.")
    typer.confirm(question, abort=True, err=True)


def _progress() -> control.Progress:
    console = Console(stderr=True, highlight=False, soft_wrap=True)

    def tell(shard: str, what: str) -> None:
        console.print(Text.assemble((f"{shard or 'all'}  ", "bold"), what))

    return tell


def _say(text: str, style: str = "") -> None:
    Console(stderr=True, highlight=False, soft_wrap=True).print(Text(text, style=style))


def _say_hint(hint: str) -> None:
    if hint:
        _say(f"  hint: {hint}")


def _show_plan(found: control.Plan, *, details: bool) -> None:
    _show_problems(found)
    if found.actions:
        show_table(
            [
                {"shard": a.shard or "all", "action": a.kind, "object": a.object, "reason": a.reason, "risk": a.risk}
                for a in found.actions
            ]
            if not details
            else [
                {"shard": a.shard or "all", "object": a.object, "key": c.key, "is": c.old, "shall be": c.new}
                for a in found.actions
                for c in a.changes()
            ]
        )
    elif not found.problems:
        _say("nothing to do")


def _show_problems(found: control.Plan) -> None:
    """Say each problem once, with the shards that have it."""
    shards: dict[tuple[str, str, str], list[str]] = {}
    for problem in found.problems:
        shards.setdefault((problem.object, problem.message, problem.hint), []).append(problem.shard)
    for (thing, message, hint), names in shards.items():
        _say(f"{', '.join(names)}: {thing}: {message}", "red")
        _say_hint(hint)
    for refusal in found.refused:
        _say(f"{refusal.shard or 'all'}: {refusal.object}: {refusal.reason}", "yellow")
        _say_hint(refusal.hint)
    for note in found.notes:
        _say(f"note: {note}", "yellow")


def _plan_data(found: control.Plan) -> dict[str, Any]:
    return {
        "actions": [
            {
                "kind": action.kind,
                "shard": action.shard or None,
                "object": action.object,
                "reason": action.reason,
                "risk": str(action.risk),
                "changes": [dataclasses.asdict(change) for change in action.changes()],
            }
            for action in found.actions
        ],
        "refused": [dataclasses.asdict(refusal) for refusal in found.refused],
        "problems": [dataclasses.asdict(problem) for problem in found.problems],
        "notes": list(found.notes),
    }


def _show_statuses(statuses: Sequence[control.ShardStatus], output: Output, told: Collection[str] = ()) -> None:
    """Print statuses, and the hints of those that need attention, but for shards of which it was told already."""
    if output is not Output.TABLE:
        show_data([dataclasses.asdict(shard) for shard in statuses], output)
        return
    show_table(
        [
            {
                "shard": shard.shard,
                "stream": str(shard.verdict),
                "connector": shard.connector_state,
                "task": shard.task_state,
                "slot": "read" if shard.slot_active else "idle" if shard.lag_bytes is not None else "",
                "lag": _bytes(shard.lag_bytes),
                "kept": _bytes(shard.retained_bytes),
                "tables": len(shard.tables),
                "detail": shard.detail,
            }
            for shard in statuses
        ]
    )
    for shard in statuses:
        if not shard.good and shard.shard not in told:
            _say_hint(f"{shard.shard}: {shard.hint}" if shard.hint else "")


def _bytes(number: int | None) -> str:
    if number is None:
        return ""
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if number >= size:
            return f"{number / size:.1f} {unit}"
    return f"{number} B"

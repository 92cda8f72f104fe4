"""`connectors remove`."""

from typing import Annotated

import typer

from afflux import control
from afflux.cli.connectors.documents import rows
from afflux.cli.connectors.options import YesOption, hint, progress
from afflux.cli.connectors.screens import show
from afflux.cli.desk import confirm
from afflux.cli.options import DEFAULT_TOPOLOGY, Output, OutputOption, TopologyOption
from afflux.cli.show import show_data
from afflux.cli.terminal import say
from afflux.errors import UsageError
from afflux.topology.load import load_resolved


def remove(
    shards: Annotated[
        list[str] | None,
        typer.Argument(metavar="SHARD", help="Whose, as in 'eu-*'; also those that left the topology."),
    ] = None,
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
    subjects: Annotated[
        control.Subjects,
        typer.Option(
            help="Delete the registry's: soft, so that records in Kafka can still be read, or hard, for good."
        ),
    ] = control.Subjects.KEEP,
    forget: Annotated[
        bool, typer.Option("--forget", help="Also shards that do not answer: what is left there stays there.")
    ] = False,
    yes: YesOption = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """Stop and remove connectors. Slot, publication and offsets stay unless asked for; topics and target always stay.

    A connector that is removed alone can be made again by `apply` and misses nothing, for its slot keeps the
    changes; but the shard keeps their WAL until then. A shard that is gone for good is forgotten with --forget.
    """
    if bool(shards) == everything:
        raise UsageError("name the shards, or give --all" if not shards else "give shards or --all, not both")
    loaded = load_resolved(topology)
    extent = control.Extent(
        slot=drop_slot,
        publication=drop_publication,
        offsets=delete_offsets,
        subjects=subjects,
        forget=forget,
    )
    names = control.removable(loaded, shards)
    _confirm(names, extent, yes=yes)
    removals = control.remove(loaded, names, extent, progress=progress())
    for removal in removals:
        if removal.error:
            say(f"{removal.shard}: {removal.error}", "red")
            hint(removal.hint)
    if output is Output.TABLE:
        show(
            [
                {"shard": r.shard, "removed": ", ".join(r.removed) or "nothing", "kept": ", ".join(r.kept)}
                for r in removals
            ]
        )
    else:
        show_data(rows(removals), output)
    raise typer.Exit(1 if any(removal.error for removal in removals) else 0)


def _confirm(shards: list[str], extent: control.Extent, *, yes: bool) -> None:
    flags = {"slot": extent.slot, "publication": extent.publication, "offsets": extent.offsets}
    flags["subjects, for good" if extent.subjects is control.Subjects.HARD else "subjects"] = (
        extent.subjects is not control.Subjects.KEEP
    )
    things = ", ".join(["connector", *(thing for thing, wanted in flags.items() if wanted)])
    confirm(f"Remove {things} of {', '.join(shards) or 'no shard'}?", yes=yes)

"""`connectors offsets show` and `reset`."""

import typer

from afflux import control
from afflux.cli.connectors.documents import rows
from afflux.cli.connectors.options import NamedShards, ShardsArgument, YesOption, hint, meant, progress
from afflux.cli.connectors.screens import show as show_rows
from afflux.cli.connectors.screens import size
from afflux.cli.desk import confirm
from afflux.cli.options import DEFAULT_TOPOLOGY, Output, OutputOption, TopologyOption
from afflux.cli.show import moment, show_data
from afflux.cli.terminal import say
from afflux.topology.load import load_resolved

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Where connectors stand in their shards' WAL.")


@app.command()
def show(
    shards: ShardsArgument = None,
    topology: TopologyOption = DEFAULT_TOPOLOGY,
    output: OutputOption = Output.TABLE,
) -> None:
    """Show where connectors stand, as Connect stores it, and up to where their slots were confirmed.

    A slot never stands further than its connector: if it does, somebody else has read it, and changes are missing.
    """
    loaded = load_resolved(topology)
    found = control.offsets(loaded, only=meant(loaded, shards))
    if output is not Output.TABLE:
        show_data(rows(found), output)
    else:
        show_rows(
            [
                {
                    "shard": each.shard,
                    "connector": each.connector,
                    "lsn": each.lsn + (" (first copy)" if each.first_copy else ""),
                    "at": moment(each.at),
                    "slot": each.slot_lsn,
                    "lag": size(each.lag_bytes),
                    "error": each.error,
                }
                for each in found
            ]
        )
    raise typer.Exit(1 if any(each.error for each in found) else 0)


@app.command()
def reset(
    shards: NamedShards,
    topology: TopologyOption = DEFAULT_TOPOLOGY,
    yes: YesOption = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """Let connectors forget where they stand: they read all rows anew, and then go on with the changes.

    Changes that were not read yet are passed over. Rows of the tables come again, but what was deleted meanwhile
    stays in the target: `connectors resync` removes that as well. To read some tables again, take `snapshot`.
    """
    loaded = load_resolved(topology)
    names = meant(loaded, shards) or []
    say(
        "Changes that were not read yet are passed over: rows that they delete stay in the target."
        " All rows are read from the shards anew.",
        "yellow",
    )
    confirm(f"Reset the offsets of {', '.join(names)}?", yes=yes)
    found = control.reset_offsets(loaded, only=names, report=progress())
    if output is not Output.TABLE:
        show_data(rows(found), output)
    else:
        show_rows(
            [
                {
                    "shard": each.shard,
                    "connector": each.connector,
                    "now": "" if each.error else "reads all rows anew" if each.started else "waits for `resume`",
                    "error": each.error,
                }
                for each in found
            ]
        )
        for each in found:
            hint(f"{each.shard}: {each.hint}" if each.hint else "")
    raise typer.Exit(1 if any(each.error for each in found) else 0)

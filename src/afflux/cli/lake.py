"""`afflux lake`: the files of a lake's tables."""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from afflux import logs
from afflux.cli.desk import SinkOption
from afflux.cli.options import DEFAULT_TOPOLOGY, Output, OutputOption, TopologyOption, choose_sink
from afflux.cli.show import moment, show_data, show_table
from afflux.cli.terminal import say, script
from afflux.topology.load import load
from afflux.topology.sinks import DeltaSink

if TYPE_CHECKING:
    from afflux.operate.lake import LakeDesk

app = typer.Typer(no_args_is_help=True, add_completion=False)

NamesArgument = Annotated[list[str] | None, typer.Argument(metavar="[TABLE]...", help="Tables; all of them without.")]


@app.callback()
def _group() -> None:
    """See how a lake's tables lie in files, and put them in order.

    The daemon that writes a lake sees to its files between batches (`sinks[].upkeep`). These commands do the same by
    hand, beside running daemons and readers: no row changes, and what a daemon commits first is left alone.
    """


@app.command()
def status(
    names: NamesArgument = None,
    topology: TopologyOption = DEFAULT_TOPOLOGY,
    sink: SinkOption = "",
    output: OutputOption = Output.TABLE,
) -> None:
    """Show each table's version, rows, files and bytes, and what a reader has to know of Delta's protocol."""
    found = _desk(topology, sink).status(names or ())
    if output is not Output.TABLE:
        show_data([dataclasses.asdict(table) for table in found], output)
    elif found:
        show_table(
            [
                {
                    "table": table.table,
                    "version": table.version,
                    "written": moment(table.written),
                    "rows": table.rows,
                    "files": table.files,
                    "small": table.small,
                    "MiB": round(table.bytes / 2**20, 1),
                    "partition_by": ",".join(table.partition_by),
                    "order_by": ",".join(table.order_by),
                    "protocol": table.protocol,
                }
                for table in found
            ]
        )
    else:
        say("nothing was ever written to it")


@app.command()
def optimize(
    names: NamesArgument = None,
    topology: TopologyOption = DEFAULT_TOPOLOGY,
    sink: SinkOption = "",
    compact: Annotated[
        bool, typer.Option("--compact", help="Only put small files together, and leave large ones as they are.")
    ] = False,
) -> None:
    """Write tables' files anew: of good size, and rows laid by the key or by `order_by`.

    It writes each table once as a whole, or with --compact its small files alone. Replaced files stay for
    `sinks[].upkeep.retention`, so that readers go on.
    """
    for line in _desk(topology, sink).optimize(names or (), order=not compact):
        say(line)


@app.command()
def vacuum(
    names: NamesArgument = None,
    topology: TopologyOption = DEFAULT_TOPOLOGY,
    sink: SinkOption = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only print which files would go.")] = False,
) -> None:
    """Remove files that were replaced longer ago than `sinks[].upkeep.retention`, and what killed writers have left.

    The files' names go to standard output.
    """
    for table, files in _desk(topology, sink).vacuum(names or (), dry_run=dry_run):
        say(f"{table}: {len(files)} file(s) {'would go' if dry_run else 'removed'}")
        for file in files:
            script(f"{table} {file}\n")


def _desk(topology: Path, sink: str) -> "LakeDesk":
    from afflux.operate.lake import LakeDesk  # noqa: PLC0415 - its libraries are an extra

    logs.configure("error")
    declared = load(topology)
    lakes = [each.name for each in declared.sinks if isinstance(each, DeltaSink)]
    return LakeDesk(declared, choose_sink(declared, sink or (lakes[0] if len(lakes) == 1 else "")))

"""`connectors snapshot`."""

from typing import Annotated

import typer

from afflux import control
from afflux.cli.connectors.documents import rows
from afflux.cli.connectors.options import NamedShards, hint, meant, progress
from afflux.cli.connectors.screens import show
from afflux.cli.options import DEFAULT_TOPOLOGY, Output, OutputOption, TopologyOption
from afflux.cli.show import show_data
from afflux.topology.load import load_resolved


def snapshot(
    shards: NamedShards,
    tables: Annotated[
        list[str], typer.Option("--table", help="schema.table, as in 'public.*'; may be given several times.")
    ],
    topology: TopologyOption = DEFAULT_TOPOLOGY,
    where: Annotated[
        str,
        typer.Option("--where", help="Only these rows: a condition in SQL, such as 'id > 500'.", show_default=False),
    ] = "",
    blocking: Annotated[
        bool,
        typer.Option("--blocking", help="Read at once while the shard's changes wait, not in chunks between them."),
    ] = False,
    wait: Annotated[float, typer.Option(min=0, help="Seconds to wait; what takes longer goes on by itself.")] = 600.0,
    output: OutputOption = Output.TABLE,
) -> None:
    """Have running connectors read tables again, and show how far they are.

    The rows come in chunks beside the changes (an incremental snapshot), and a chunk never overwrites a later change.
    Tables without a key or with generated columns can only be read at once, while the shard's changes wait. Rows that
    are gone from the shard stay in the target: `afflux tables resync` removes those as well.

    Exit code 0: all was read, or goes on; 1: something was not.
    """
    loaded = load_resolved(topology)
    wish = control.Wish(tables, where, blocking)
    found = control.snapshot(loaded, wish, only=meant(loaded, shards), wait=wait, report=progress())
    if output is not Output.TABLE:
        show_data(rows(found), output)
    else:
        show(
            [
                {
                    "shard": read.shard,
                    "table": read.table,
                    "how": "" if read.error else "blocking" if read.blocking else "incremental",
                    "ended": read.error or read.status or "goes on",
                    "rows": read.rows if read.status else None,
                }
                for read in found
            ]
        )
        for read in found:
            hint(f"{read.shard}: {read.hint}" if read.hint else "")
    raise typer.Exit(1 if any(read.failed for read in found) else 0)

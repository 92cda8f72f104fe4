"""`afflux audit`: what was done to connectors, slots and publications, by whom and why."""

from typing import Annotated, Any

import typer

from afflux.cli.options import DEFAULT_TOPOLOGY, Output, OutputOption, TopologyOption
from afflux.cli.show import moment, show_data, show_table
from afflux.control.done import audit as control
from afflux.topology.load import load


def audit(
    topology: TopologyOption = DEFAULT_TOPOLOGY,
    shard: Annotated[
        list[str] | None, typer.Option("--shard", help="Of this shard; may be given several times.")
    ] = None,
    last: Annotated[int, typer.Option("-n", "--last", min=0, help="So many at most, the newest; 0: all.")] = 50,
    output: OutputOption = Output.TABLE,
) -> None:
    """Show what was done to connectors, slots and publications, by whom and why; the oldest first.

    It is read from the topology's control topic, where supervisors write before and after each deed: one that is
    `cut off` was begun, and its doer did not live to tell the end. `-o json` has every value, old and new.
    """
    records = control.records(control.journal(load(topology)).entries())
    found = [record for record in records if not shard or record.deed.shard in shard]
    chosen = found[-last:] if last else found
    if output is Output.TABLE:
        show_table([_row(record) for record in chosen])
    else:
        show_data([_data(record) for record in chosen], output)


def _row(record: control.Record) -> dict[str, Any]:
    deed = record.deed
    return {
        "at": moment(record.began),
        "shard": deed.shard or "all",
        "did": deed.action,
        "object": deed.object,
        "cause": deed.cause,
        "why": deed.why,
        "result": f"{record.result}: {record.error}" if record.error else record.result,
        "by": record.by,
    }


def _data(record: control.Record) -> dict[str, Any]:
    deed = record.deed
    return {
        "id": record.id,
        "began": record.began.isoformat(),
        "ended": record.ended.isoformat() if record.ended else None,
        "by": record.by,
        "shard": deed.shard or None,
        "action": deed.action,
        "object": deed.object,
        "cause": deed.cause or None,
        "why": deed.why,
        "changes": [{"key": change.key, "old": change.old, "new": change.new} for change in deed.changes],
        "result": record.result,
        "error": record.error or None,
    }

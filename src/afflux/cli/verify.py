"""`afflux verify`: is the target equal to the shards."""

import sys
from typing import Annotated, Any

import typer

from afflux.cli.desk import SinkOption, desk_of
from afflux.cli.options import DEFAULT_TOPOLOGY, Output, OutputOption, TopologyOption, choose_sink
from afflux.cli.show import show_data, show_table
from afflux.cli.terminal import say
from afflux.verify.whole import Verdict
from afflux.verify.whole import verify as verdicts

DIFFERENCE = 3


def verify(
    topology: TopologyOption = DEFAULT_TOPOLOGY,
    sink: SinkOption = "",
    table: Annotated[
        list[str] | None, typer.Option("--table", help="This target table; may be given several times.")
    ] = None,
    wait: Annotated[float, typer.Option(min=0, help="Seconds to compare a table again that differs.")] = 0,
    most: Annotated[int, typer.Option(min=0, help="Name so many differences and collisions of a table.")] = 10,
    output: OutputOption = Output.TABLE,
) -> None:
    """Compare the target with the shards: every row, every column, exact values, both ways.

    Each server is read in one snapshot of its own, so a change that is on its way counts as a difference: stop the
    writers, or give --wait, with which a table that differs is compared again until it is equal or the time is over.
    Of tables that keep deleted rows or versions, the rows that are rows now are compared; one that keeps every change
    has none.

    A key that two shards hold (with `key: source`) is a collision: one of the two rows is in the table, the other is
    kept beside it until one of them is deleted.

    Exit code 3: something differs, or a collision is open.
    """
    with desk_of(topology, sink) as desk:
        chosen = choose_sink(desk.topology, sink)
        found: list[Verdict] = []
        for verdict in verdicts(desk.topology, chosen, table or (), desk.state.collisions(), wait=wait):
            found.append(verdict)
            if output is Output.TABLE and sys.stderr.isatty():
                say(f"{verdict.table}: {'equal' if verdict.good else verdict.note or 'differs'}")
        if output is Output.TABLE:
            _show(found, most)
        else:
            show_data([_data(verdict, most) for verdict in found], output)
    raise typer.Exit(0 if all(verdict.good for verdict in found) else DIFFERENCE)


def _show(found: list[Verdict], most: int) -> None:
    show_table([{k: v for k, v in _data(verdict, 0).items() if not isinstance(v, list)} for verdict in found])
    for verdict in found:
        if verdict.comparison is not None and not verdict.comparison.equal:
            for line in verdict.comparison.lines(most):
                say(line)
        for each in verdict.collisions[:most]:
            say(f"{each.table}: key {each.key} is on {' and '.join(each.shards)}", "yellow")


def _data(verdict: Verdict, most: int) -> dict[str, Any]:
    compared = verdict.comparison
    return {
        "table": str(verdict.table),
        "source": verdict.source,
        "equal": None if compared is None else compared.equal,
        "source_rows": None if compared is None else compared.source_rows,
        "target_rows": None if compared is None else compared.target_rows,
        "missing": None if compared is None else compared.missing,
        "extra": None if compared is None else compared.extra,
        "different": None if compared is None else compared.different,
        "misplaced": None if compared is None else compared.misplaced,
        "collisions": len(verdict.collisions),
        "note": verdict.note,
        "differences": [] if compared is None else compared.differences.head(most).to_dicts(),
        "colliding": [{"key": each.key, "shards": list(each.shards)} for each in verdict.collisions[:most]],
    }

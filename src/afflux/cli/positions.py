"""`afflux positions`: where a sink stands in each topic, and going back."""

import dataclasses
from datetime import UTC, datetime
from typing import Annotated

import typer

from afflux.cli.desk import SinkOption, desk_of
from afflux.cli.options import DEFAULT_TOPOLOGY, Output, OutputOption, TopologyOption
from afflux.cli.show import moment, show_data, show_table
from afflux.cli.terminal import say
from afflux.operate import positions
from afflux.operate.moments import parse_moment

app = typer.Typer(no_args_is_help=True, add_completion=False)


@app.callback()
def _group() -> None:
    """See and change where a sink reads on.

    Positions live in the target, beside the rows they speak of, and move with them. Kafka's own committed offsets
    are written for lag tools alone; changing those changes nothing.
    """


@app.command()
def show(
    topology: TopologyOption = DEFAULT_TOPOLOGY, sink: SinkOption = "", output: OutputOption = Output.TABLE
) -> None:
    """Show where the sink stands in each partition, beside what the topic holds."""
    with desk_of(topology, sink) as desk:
        found = positions.overview(desk)
        if output is not Output.TABLE:
            show_data([dataclasses.asdict(position) for position in found], output)
        elif found:
            show_table(
                [
                    {
                        "topic": position.topic,
                        "partition": position.partition,
                        "next_offset": position.next_offset,
                        "start": position.start,
                        "end": position.end,
                        "lag": position.lag,
                        "epoch": position.epoch,
                        "owner": position.owner,
                        "updated": moment(position.updated),
                    }
                    for position in found
                ]
            )
        else:
            say("there are none yet")


@app.command()
def rewind(
    topology: TopologyOption = DEFAULT_TOPOLOGY,
    sink: SinkOption = "",
    topic: Annotated[str, typer.Option(help="The topic, as `show` lists it.")] = ...,  # type: ignore[assignment]  # typer's mark of a required option
    partition: Annotated[int | None, typer.Option(min=0, help="This partition alone; without it, all of them.")] = None,
    offset: Annotated[str | None, typer.Option(help="The offset to read on from: a number, start or end.")] = None,
    time: Annotated[
        str | None,
        typer.Option(help="Instead, the first event written since: 2h ago, or 2026-01-31T08:00 (UTC)."),
    ] = None,
    skip: Annotated[
        bool, typer.Option("--skip", help="Let events be left out, which going forward does; they are never applied.")
    ] = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """Let a topic be read again from an earlier offset or time.

    Its events are applied once more, in their order. Rows go back to what they were at that time and come forward
    again: readers see that; rows that were deleted since appear and go. In the end every row equals what it is now.
    One thing can stop the table on the way: an update that left out a large unchanged value (TOAST), of a row that
    has been deleted since, for the value is nowhere any more. REPLICA IDENTITY FULL rules that out.

    A daemon at work there is fenced: what it has in flight is dropped, it joins its group anew and begins from the
    new position, within a few seconds. Open dead letters from there on are superseded, for their events come again.
    Going forward over events that were never applied is refused without --skip. A stopped table stays stopped:
    `afflux tables resume` reads it on.
    """
    with desk_of(topology, sink) as desk:
        since = None if time is None else parse_moment(time, datetime.now(UTC))
        moves = positions.rewind(desk, topic, partition=partition, offset=offset, time=since, skip=skip)
        if output is Output.TABLE:
            show_table([dataclasses.asdict(move) for move in moves])
        else:
            show_data([dataclasses.asdict(move) for move in moves], output)
        if topic in {stop.topic for stop in desk.state.stops()}:
            say(f"{topic} is stopped: `afflux tables resume {topic}` reads it on")

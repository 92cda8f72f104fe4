"""`afflux slots` and `afflux topics`: what fills, how fast, and for how long that goes well."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer

from afflux.cli.options import DEFAULT_TOPOLOGY, Output, OutputOption, TopologyOption
from afflux.cli.show import show_data, show_table
from afflux.cli.terminal import say
from afflux.monitor.details import partition_data, slot_data
from afflux.monitor.units import duration, in_words, size
from afflux.monitor.watch import Readings, Watch
from afflux.topology.load import load_resolved

LooksOption = Annotated[
    int, typer.Option("--looks", min=1, max=100, help="Looks, a second apart: rates and forecasts need some.")
]


def slots(
    topology: TopologyOption = DEFAULT_TOPOLOGY,
    looks: LooksOption = 5,
    output: OutputOption = Output.TABLE,
) -> None:
    """Show the WAL that each shard keeps: who reads it, how much room is left, and when the slot would be lost.

    KEPT is the WAL that the server keeps because of the slot, ROOM what may still be written before
    max_slot_wal_keep_size or source.guard.disk is reached, USED the share in use. LOST IN is the forecast with its
    range; of a slot that is read it needs minutes of the past, which `afflux supervise` has. HELD BACK BY names the
    oldest transaction that keeps the slot from moving. `-o json` has all that the server tells.

    Exit code 0: every shard has answered; 1: some shard has not.
    """
    with _seen(topology, looks) as readings:
        shards = list(readings.shards.values())
    if output is Output.TABLE:
        show_table([_slot_row(slot_data(reading)) for reading in shards])
        for reading in shards:
            if reading.problem:
                say(f"{reading.shard}: {reading.problem}")
                say(f"  hint: {reading.hint}")
    else:
        show_data([slot_data(reading) for reading in shards], output)
    raise typer.Exit(1 if any(reading.problem for reading in shards) else 0)


def topics(
    topology: TopologyOption = DEFAULT_TOPOLOGY,
    looks: LooksOption = 5,
    output: OutputOption = Output.TABLE,
) -> None:
    """Show what comes into each partition, how far each sink is behind, and when Kafka would delete what it has not.

    Rates are offsets: with exactly-once delivery each transaction takes one more. Bytes are those of a few records.
    SKEW is the busiest partition's share in even shares. DELETED IN is the time until the oldest event that the sink
    has not applied may be deleted for its age.

    Exit code 0: the broker has answered; 1: it has not.
    """
    with _seen(topology, looks) as readings:
        rows = list(partition_data(readings))
        problem = readings.parts["kafka"]
    if not rows and not problem.problem:
        say("there is no topic of this topology's tables yet; `connectors apply` makes them")
    if output is Output.TABLE:
        show_table([shown for row in rows for shown in _partition_rows(row)])
    else:
        show_data(rows, output)
    if problem.problem:
        say(problem.problem)
        say(f"  hint: {problem.hint}")
    raise typer.Exit(1 if problem.problem else 0)


@contextmanager
def _seen(topology: Any, looks: int) -> Iterator[Readings]:
    watch = Watch()
    try:
        yield watch.look_on(load_resolved(topology), looks, 1.0)
    finally:
        watch.close()


def _slot_row(slot: dict[str, Any]) -> dict[str, Any]:
    room: dict[str, Any] = next(iter(slot["rooms"]), {})
    held = slot["held_back_by"]
    return {
        "shard": slot["shard"],
        "state": slot["state"],
        "read": {True: "yes", False: "no", None: None}[slot.get("active")],
        "kept": _words(slot.get("retained_bytes"), "bytes"),
        "growth/s": _words(slot["growth_bytes_per_second"], "bytes"),
        "room": _words(room.get("left_bytes"), "bytes") or _words(room.get("left_seconds"), "seconds"),
        "limit": room.get("limit"),
        "used": _words(room.get("used"), "share"),
        "lost in": _forecast(room.get("ends_in_seconds")),
        "held back by": f"{held[0]['kind']} {held[0]['name']} since {held[0]['since']:.19}" if held else None,
    }


def _partition_rows(row: dict[str, Any]) -> Iterator[dict[str, Any]]:
    head = {
        "shard": row["shard"],
        "topic": row["topic"],
        "partition": row["partition"],
        "end": row["end"],
        "in/s": _words(row["topic_offsets_per_second"], "count"),
        "bytes/s": _words(row["topic_bytes_per_second"], "bytes"),
        "skew": f"{row['skew']:.1f}",
        "kept for": duration(row["retention_seconds"] or math.inf),
    }
    for name, sink in (row["sinks"] or {"": {}}).items():
        yield head | {
            "sink": name,
            "lag": sink.get("lag_offsets"),
            "lag bytes": _words(sink.get("lag_bytes"), "bytes"),
            "deleted in": _words(sink.get("headroom_seconds"), "seconds"),
        }


def _forecast(told: dict[str, float | None] | None) -> str | None:
    if told is None:
        return None
    times = (told["likely"], told["soonest"], told["latest"])
    words = [duration(math.inf if seconds is None else seconds) for seconds in times]
    return words[0] if words[1] == words[2] else f"{words[0]} ({words[1]} - {words[2]})"


def _words(value: float | None, unit: str) -> str | None:
    if value is None:
        return None
    return size(value) if unit == "bytes" else in_words(value, unit)

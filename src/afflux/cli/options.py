"""Flags that every command shares."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from afflux.errors import UsageError
from afflux.topology.model import Topology
from afflux.topology.sinks import Sink

TopologyOption = Annotated[
    Path,
    typer.Option("-t", "--topology", envvar="AFFLUX_TOPOLOGY", help="The topology file.", show_default=True),
]
DEFAULT_TOPOLOGY = Path("topology.yaml")


class Output(StrEnum):
    """How data is printed."""

    TABLE = "table"
    JSON = "json"
    YAML = "yaml"


def choose_sink(topology: Topology, name: str, *, of_any_engine: bool = False) -> Sink:
    """Give the sink that is meant.

    Args:
        topology: as loaded.
        name: its name; empty where there is one alone.
        of_any_engine: whether it may be one that Kafka Connect writes.

    Raises:
        UsageError: there is none of that name, or several and no name.
    """
    inside = [sink.name for sink in topology.connect_sinks]
    if not of_any_engine and inside and (not name or name in inside):
        raise UsageError(
            f"sink {name or inside[0]!r} has engine: connect: Kafka Connect writes it, and afflux keeps nothing there",
            hint="`connectors status` tells how it does; docs/layouts.md says what it does not have.",
        )
    named = {sink.name: sink for sink in topology.sinks}
    if not name and len(named) == 1:
        return topology.sinks[0]
    if name not in named:
        given = f"no sink {name!r} in the topology" if name else "the topology has several sinks"
        raise UsageError(given, hint=f"give one with --sink: {', '.join(named)}")
    return named[name]


OutputOption = Annotated[Output, typer.Option("-o", "--output", help="How to print data.")]

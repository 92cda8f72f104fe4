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


def choose_sink(topology: Topology, name: str) -> Sink:
    """Give the sink that is meant.

    Raises:
        UsageError: there is none of that name, or several and no name.
    """
    named = {sink.name: sink for sink in topology.sinks}
    if not name and len(named) == 1:
        return topology.sinks[0]
    if name not in named:
        given = f"no sink {name!r} in the topology" if name else "the topology has several sinks"
        raise UsageError(given, hint=f"give one with --sink: {', '.join(named)}")
    return named[name]


OutputOption = Annotated[Output, typer.Option("-o", "--output", help="How to print data.")]

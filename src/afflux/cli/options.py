"""Flags that every command shares."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

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


OutputOption = Annotated[Output, typer.Option("-o", "--output", help="How to print data.")]

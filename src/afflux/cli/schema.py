"""`afflux schema`."""

import json

import typer

from afflux.topology.schema import json_schema


def schema() -> None:
    """Print the JSON Schema of topology.yaml, so that an editor completes keys and marks mistakes.

    Save it beside the file (`afflux schema > topology.schema.json`) and begin the file with

    # yaml-language-server: $schema=topology.schema.json
    """
    typer.echo(json.dumps(json_schema(), indent=2))

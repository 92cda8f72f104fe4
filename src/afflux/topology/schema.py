"""The JSON Schema of `topology.yaml`, for editors, without what this version puts off."""

from typing import Any

from afflux.topology.model import Json, Topology
from afflux.topology.put_off import PUT_OFF


def json_schema() -> Json:
    """Give the JSON Schema (draft 2020-12) of `topology.yaml`."""
    schema = Topology.model_json_schema()
    for line in PUT_OFF:
        path, _, value = line.partition(" = ")
        field = _field(schema, path)
        if field is not None and value:
            _take(field, value)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **schema,
        "title": "topology.yaml of afflux",
    }


def _field(schema: Json, path: str) -> Any:
    """Give the part of the schema for a key such as `tables[].mode`; None where the model has none."""
    node: Any = schema
    for part in path.split("."):
        node = _followed(schema, node).get("properties", {}).get(part.removesuffix("[]"))
        if node is None:
            return None
        if part.endswith("[]"):
            node = node["items"]
    return node


def _followed(schema: Json, node: Json) -> Json:
    while "$ref" in node:
        node = schema["$defs"][node["$ref"].rpartition("/")[2]]
    return node


def _take(field: Json, value: str) -> None:
    """Take a value, or `[...]` for lists, away from what a field may be."""
    branches = field.get("oneOf", [field])
    for branch in branches:
        if value in branch.get("enum", ()):
            branch["enum"].remove(value)
    if value == "[...]" and len(branches) > 1:
        field["oneOf"] = [branch for branch in branches if branch.get("type") != "array"]

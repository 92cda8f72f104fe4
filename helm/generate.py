"""Renew what the chart has from elsewhere: `python helm/generate.py`, or `make chart-files`.

files/connector.json     what a connector is set to, from afflux's control plane
values.schema.json       the topology's own JSON Schema and the chart's half, helm/values.schema.yaml
README.md                the values, from the comments of values.yaml
Chart.yaml               the version, from pyproject.toml
"""

import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from afflux.control.wanted import converters, desired, masks, security, settings
from afflux.topology.kinds import KINDS
from afflux.topology.model import Kafka, Topology
from afflux.topology.schema import json_schema

HERE = Path(__file__).parent
CHART = HERE / "afflux"

TOPOLOGY_PARTS = {"kafka": "Kafka", "registry": "Registry", "connect": "Connect", "source": "Source"}
"""The values that are mappings of the topology, which the chart may complete -> their name in its schema."""


def generated() -> dict[Path, str]:
    """Return each file's content."""
    values = (CHART / "values.yaml").read_text()
    comments = dict(commented(values))
    return {
        CHART / "files" / "connector.json": _json(connector()),
        CHART / "values.schema.json": _json(schema(comments)),
        CHART / "README.md": readme(yaml.safe_load(values), comments),
        CHART / "Chart.yaml": versioned((CHART / "Chart.yaml").read_text()),
    }


def connector() -> dict[str, Any]:
    """Return what the chart's connectors are made of."""
    return {
        "templates": {
            choice: settings.template(KINDS["postgresql"]) | converters.converting(choice)
            for choice in converters.CONVERTERS
        },
        "plugin": settings.EXACT,
        "masking": masks.MASKING,
        "masks": {"mask": masks.MASK, "secret": masks.SECRET},
        "room": settings.ROOM,
        "least_buffer": settings.LEAST_BUFFER,
        "security": security.RENAMED,
        "logins": security.LOGIN_MODULES,
        "shared_topics": shared_topics(),
    }


def shared_topics() -> dict[str, dict[str, str]]:
    """Return the topics that all shards share, by what follows `afflux.<name>.`, with the settings of their own."""
    of = Topology.model_construct(name="x", kafka=Kafka(bootstrap_servers="x"))
    usual = settings.topic_settings(of).items()
    shared = desired.shared_topics(of).items()
    return {
        name.removeprefix("afflux.x."): dict(sorted(topic.config.items() - usual)) for name, topic in sorted(shared)
    }


def schema(comments: dict[str, str]) -> dict[str, Any]:
    """Return the schema of values."""
    own, topology = yaml.safe_load((HERE / "values.schema.yaml").read_text()), json_schema()
    parts: dict[str, Any] = {"name": {"type": "string"}}
    for key, name in TOPOLOGY_PARTS.items():
        parts[key] = {k: v for k, v in topology["$defs"][name].items() if k not in {"required", "title"}}
    shards = parts["source"]["properties"].pop("shards")
    parts["shards"] = {k: v for k, v in shards.items() if k != "title"}
    parts |= {key: topology["properties"][key] for key in ("tables", "transforms", "sinks")}
    others = {key: part for key, part in topology["properties"].items() if key not in parts}
    parts["topology"] = {"type": "object", "additionalProperties": False, "properties": others}
    whole = {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Values of the afflux chart",
        "type": "object",
        "required": ["shards", "tables", "sinks"],
        "additionalProperties": False,
        "properties": parts | {key: _typed(part) for key, part in own["properties"].items()},
        "$defs": topology["$defs"] | own["$defs"],
    }
    for path, text in comments.items():
        _describe(whole, path.split("."), text)
    return whole


def commented(text: str) -> Iterator[tuple[str, str]]:
    """Give the path of each key that has a comment `# -- ...` right above it, and the comment."""
    place: list[tuple[int, str]] = []
    said: list[str] = []
    for line in text.splitlines():
        comment = re.fullmatch(r"\s*# (-- )?(.*)", line)
        if comment:
            said = [comment[2]] if comment[1] else said and [*said, comment[2]]
            continue
        found = re.match(r"( *)([\w-]+):", line)
        if found:
            place = [*(each for each in place if each[0] < len(found[1])), (len(found[1]), found[2])]
            if said:
                yield ".".join(key for _, key in place), " ".join(said)
        said = []


def readme(values: dict[str, Any], comments: dict[str, str]) -> str:
    """Return the chart's page."""
    rows = [
        f"| `{path}` | `{_shown(default)}` | {comments.get(path, '')} |" for path, default in _leaves(values, comments)
    ]
    return (HERE / "README.template.md").read_text().replace("{values}", "\n".join(rows))


def versioned(text: str) -> str:
    """Return Chart.yaml with the project's version."""
    version = tomllib.loads((HERE.parent / "pyproject.toml").read_text())["project"]["version"]
    text = re.sub(r"(?m)^version: .*$", f"version: {version}", text)
    return re.sub(r"(?m)^appVersion: .*$", f'appVersion: "{version}"', text)


def _leaves(values: dict[str, Any], comments: dict[str, str], above: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        path = f"{above}{key}"
        if isinstance(value, dict) and value and path not in comments:
            yield from _leaves(value, comments, f"{path}.")
        else:
            yield path, value


def _describe(schema_: dict[str, Any], path: list[str], text: str) -> None:
    for key in path[:-1]:
        schema_ = schema_["properties"][key] if "properties" in schema_ else {}
    part = schema_.get("properties", {}).get(path[-1])
    if isinstance(part, dict):
        schema_["properties"][path[-1]] = {**part, "description": text}


def _typed(part: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", **part} if "properties" in part else part


def _shown(default: Any) -> str:
    return json.dumps(default) if default != "" else '""'


def _json(data: Any) -> str:
    return json.dumps(data, indent=2, sort_keys=False) + "\n"


if __name__ == "__main__":
    for path, content in generated().items():
        path.write_text(content)

"""Kubernetes' schemas of several versions, and those of the operators' custom resources, strict: unknown keys are errors."""

import functools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from chart.tools import kubernetes_schemas

KUBERNETES = ("1.28.0", "1.31.0", "1.34.0", "1.37.0")
"""The oldest that Chart.yaml allows, the newest, and some between."""
CUSTOM = sorted(path.stem for path in Path(__file__).with_name("schemas").glob("*.json"))
OWN_GROUPS = {"", "apps", "batch", "policy", "networking.k8s.io"}
"""The groups that Kubernetes itself has."""

_DEFINITIONS = "/api/_definitions.json"


def group_of(found: dict[str, Any]) -> str:
    """Return an object's API group; empty for the core."""
    return found["apiVersion"].rpartition("/")[0]


def mistakes(found: dict[str, Any], version: str) -> Iterator[str]:
    """Give what a Kubernetes of that version says against one of its own objects."""
    yield from _said(_kubernetes(version), _kind(version, found["apiVersion"], found["kind"]), found)


def custom_mistakes(found: dict[str, Any], product: str) -> Iterator[str]:
    """Give what an operator's release says against one of its resources; `metadata` is Kubernetes' own."""
    schema = _custom(product)[f"{found['apiVersion']}/{found['kind']}"]
    yield from _said(Registry(), schema, found)
    newest = KUBERNETES[-1]
    metadata = {"$ref": f"{_DEFINITIONS}#/$defs/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"}
    yield from _said(_kubernetes(newest), metadata, found["metadata"])


def products_of(found: dict[str, Any]) -> list[str]:
    """Return the releases that know a custom resource."""
    key = f"{found['apiVersion']}/{found['kind']}"
    return [product for product in CUSTOM if key in _custom(product)]


def _said(registry: Registry[Any], schema: Any, found: Any) -> Iterator[str]:
    for error in jsonschema.Draft202012Validator(schema, registry=registry).iter_errors(found):
        yield f"{'.'.join(map(str, error.absolute_path))}: {error.message[:300]}"


@functools.cache
def _kubernetes(version: str) -> Registry[Any]:
    contents = json.loads(_read(version, "_definitions.json"))
    resource = Resource.from_contents(contents, default_specification=DRAFT202012)
    return Registry().with_resources([(_DEFINITIONS, resource), ("_definitions.json", resource)]).crawl()


@functools.cache
def _kind(version: str, api: str, kind: str) -> Any:
    group, _, of = api.rpartition("/")
    file = "-".join([kind.lower(), *([group.partition(".")[0]] if group else []), of])
    return json.loads(_read(version, f"{file}.json"))


def _read(version: str, file: str) -> bytes:
    return _archive().read(f"kubernetes_validate/kubernetes-json-schema/v{version}-local-strict/{file}")


@functools.cache
def _archive() -> Any:
    return kubernetes_schemas()


@functools.cache
def _custom(product: str) -> dict[str, Any]:
    loaded = json.loads((Path(__file__).with_name("schemas") / f"{product}.json").read_text())
    return {key: _strict(schema) for key, schema in loaded.items()}


def _strict(schema: Any) -> Any:
    """Refuse unknown keys, and say in JSON Schema what Kubernetes says in words of its own.

    Parts of `oneOf` and its kin speak of some keys only; the keys that there are stand beside them.
    """
    if isinstance(schema, list):
        return [_strict(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    if schema.get("x-kubernetes-int-or-string"):
        return {"type": ["integer", "string"]}
    aside = {"properties", "format", "oneOf", "anyOf", "allOf", "not"}
    made = {key: _strict(value) for key, value in schema.items() if key not in aside}
    made |= {key: schema[key] for key in schema.keys() & {"oneOf", "anyOf", "allOf", "not"}}
    if "properties" in schema:
        made["properties"] = {name: _strict(part) for name, part in schema["properties"].items()}
        if "additionalProperties" not in schema and not schema.get("x-kubernetes-preserve-unknown-fields"):
            made["additionalProperties"] = False
    if schema.get("nullable") and isinstance(made.get("type"), str):
        made["type"] = [made["type"], "null"]
    return made

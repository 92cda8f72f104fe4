import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args, get_origin

from pydantic import BaseModel

from afflux.topology.keys import paths
from afflux.topology.model import Topology
from afflux.topology.put_off import PUT_OFF
from afflux.topology.schema import json_schema

TOP = Path(__file__).parents[3]


def test_the_schema_in_the_repository_is_that_of_the_model() -> None:
    written = json.loads((TOP / "schemas" / "topology.schema.json").read_text())
    assert written == json_schema(), "run `afflux schema > schemas/topology.schema.json`"


def test_the_schema_offers_nothing_that_is_put_off() -> None:
    text = json.dumps(json_schema())
    for value in re.findall(r" = (\w+)", "\n".join(PUT_OFF)):
        assert f'"{value}"' not in text


def test_the_schema_describes_every_key() -> None:
    schema = json_schema()
    for part in [schema, *schema["$defs"].values()]:
        for key, field in part["properties"].items():
            assert "description" in field or "description" in schema["$defs"][field["$ref"].rpartition("/")[2]], key


def test_the_reference_names_every_key_and_no_other() -> None:
    page = (TOP / "docs" / "topology.md").read_text()
    assert set(re.findall(r"^\| `([^`]+)` \|", page, re.MULTILINE)) == set(paths())


def test_the_reference_says_what_is_required_and_the_defaults() -> None:
    page = (TOP / "docs" / "topology.md").read_text()
    said = re.findall(r"^\| `([^`]+)` \| ([^|]*?) \|", page, re.MULTILINE)
    assert set(said) == set(defaults(Topology, ""))  # a key of two forms of a sink may be there twice


def defaults(annotation: Any, path: str) -> Iterator[tuple[str, str]]:
    """Give (path, default as the page writes it) of every key below a type."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        for key, field in annotation.model_fields.items():
            here = f"{path}.{key}".removeprefix(".")
            plain = field.default is None or isinstance(field.default, BaseModel | dict | list)
            default = str(field.default).lower() if isinstance(field.default, bool) else field.default
            yield here, "required" if field.is_required() else "" if plain else f"`{default}`"
            yield from defaults(field.annotation, here)
    elif get_origin(annotation) is list:
        yield from defaults(get_args(annotation)[0], f"{path}[]")
    elif get_origin(annotation) is dict:
        yield from defaults(get_args(annotation)[1], f"{path}.*")
    else:
        for inner in get_args(annotation):
            yield from defaults(inner, path)

"""From a tree to the model, and what does not fit said so that nobody has to know pydantic."""

import re
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any, Final

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from afflux.topology import put_off
from afflux.topology.keys import nearest
from afflux.topology.model import Json, Topology
from afflux.topology.tree import Mapping, Path, Problem, at, general, inside, line_of, spelled, without

_KINDS: Final = {
    "string_type": "text",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "list_type": "a list",
    "dict_type": "a mapping of keys",
    "model_type": "a mapping of keys",
    "model_attributes_type": "a mapping of keys",
}
"""Pydantic's error type -> what the value must be."""

_PATTERNS: Final = {
    "a-z0-9_-": "1 to 48 lower case letters, digits, '_' and '-', the first a letter or digit",
    "[smhd]$": "a time such as 7d, 12h, 30m or 45s",
    "MiB": "a size such as 512MiB, 200GiB or 2TiB",
    "smhd": "a duration such as 7d, 12h, 30m, 45s, or forever",
}
"""Part of a field's pattern -> the pattern in words."""


_STAND_IN: Final[Json] = {
    "name": "x",
    "kafka": {"bootstrap_servers": "x"},
    "registry": {"url": "x"},
    "connect": {"url": "x"},
    "source": {"database": "x", "user": "x", "password": "x", "shards": [{"name": "x", "host": "x"}]},
    "tables": [{"source": "x"}],
    "sinks": [{"name": "x", "type": "postgresql", "url": "postgresql://x"}],
    "masking": {"key": "x"},
}
"""What a topology must have, and each part of it that may be left out, in values that no rule minds."""


def fit(tree: Mapping) -> tuple[Topology | None, list[Problem]]:
    """Make the model of a tree.

    Returns:
        The model, or None and what does not fit.
    """
    try:
        return Topology.model_validate(tree, strict=True), []
    except ValidationError as error:
        found = complaints(error, tree)
    return None, [Problem(path, line_of(tree, path), text) for path, text in found]


def salvage(tree: Mapping, wrong: Iterable[Path]) -> tuple[Topology, Mapping]:
    """Make a model without the values at some paths, to look for more that is wrong.

    An entry of a list is left out when it has lost what it must have; anything else is stood in for.

    Returns:
        The model, and the tree that it was made of, whose places the model's are.
    """
    tree = without(tree, wrong)
    while True:
        topology, problems = fit(tree)
        if topology is not None:
            return topology, tree
        entries = {problem.path: _entry(problem.path) for problem in problems}
        tree = without(tree, [entry or path for path, entry in entries.items()])
        for path in [path for path, entry in entries.items() if entry is None]:
            there, value = _stand_in(path)
            at(tree, there[:-1]).put(str(there[-1]), value, tree.line)


def _entry(path: Path) -> Path | None:
    """Give the list entry that a path leads into, if any."""
    places = [place for place, part in enumerate(path, 1) if isinstance(part, int)]
    return path[: places[-1]] if places else None


def _stand_in(path: Path) -> tuple[Path, Any]:
    """Give what stands in for a value, or for the innermost around it that has a stand-in, and where."""
    value: Any = _STAND_IN
    for place, part in enumerate(path):
        if not isinstance(value, dict) or part not in value:
            return path[:place], value
        value = value[part]
    return path, value


def complaints(error: ValidationError, data: Any) -> list[tuple[Path, str]]:
    """Put pydantic's errors into sentences: (path of the value in `data`, sentence), one a path."""
    grouped: dict[Path, list[ErrorDetails]] = {}
    for detail in error.errors(include_url=False):
        grouped.setdefault(_path(detail, data), []).append(detail)
    return [(path, _sentence(path, details)) for path, details in grouped.items()]


def _path(detail: ErrorDetails, data: Any) -> Path:
    """Leave the names of a union's branches out of pydantic's path."""
    path: list[str | int] = []
    for place, part in enumerate(detail["loc"], 1):
        missing_here = detail["type"] == "missing" and place == len(detail["loc"])
        there = part in data if isinstance(data, dict) else isinstance(data, list) and isinstance(part, int)
        if there or missing_here:
            path.append(part)
            data = data[part] if there else None
    return tuple(path)


def _sentence(path: Path, details: Sequence[ErrorDetails]) -> str:
    detail = details[0]
    if detail["type"] in _SENTENCES:
        return _SENTENCES[detail["type"]](path, detail["input"], detail.get("ctx", {}))
    wanted = list(dict.fromkeys(_KINDS[each["type"]] for each in details if each["type"] in _KINDS))
    if "a number" in wanted and "a whole number" in wanted:
        wanted.remove("a whole number")
    return f"{spelled(path)} {_must_be(wanted, detail['input']) if wanted else 'has a value that does not fit'}"


def _missing(path: Path, _: Any, __: Json) -> str:
    return f"key {path[-1]!r} is missing {inside(path[:-1])}"


def _unknown(path: Path, _: Any, __: Json) -> str:
    return f"unknown key {path[-1]!r} {inside(path[:-1])}"


def _empty(path: Path, _: Any, __: Json) -> str:
    return f"{spelled(path)} must have at least one entry"


def _endless(path: Path, _: Any, __: Json) -> str:
    return f"{spelled(path)} must be a number that ends"


def _beyond(words: str, path: Path, value: Any, context: Json) -> str:
    return f"{spelled(path)} must be {words} {next(iter(context.values()))}, not {value}"


def _other_form(path: Path, value: Any, context: Json) -> str:
    words = next(text for part, text in _PATTERNS.items() if part in str(context["pattern"]))
    return f"{spelled(path)} must be {words}, not {_shown(value)}"


def _other_word(path: Path, value: Any, context: Json) -> str:
    words = re.findall(r"'([^']*)'", str(context["expected"]))
    words = [word for word in words if not put_off.is_put_off(general(path), word)]
    meant = nearest(value, words) if isinstance(value, str) and len(words) > 1 else None
    said = f"{spelled(path)} must be {' or '.join(repr(word) for word in words)}, not {_shown(value)}"
    return f"{said}; did you mean {meant!r}?" if meant else said


def _other_branch(path: Path, value: Any, context: Json) -> str:
    """Say which words choose the form of an entry."""
    key = context["discriminator"].strip("'")
    expected = {"expected": context["expected_tags"]}
    return _other_word((*path, key), value.get(key) if isinstance(value, dict) else value, expected)


def _no_branch(path: Path, _: Any, context: Json) -> str:
    return _missing((*path, context["discriminator"].strip("'")), None, {})


_SENTENCES: Final[dict[str, Callable[[Path, Any, Json], str]]] = {
    "missing": _missing,
    "extra_forbidden": _unknown,
    "too_short": _empty,
    "finite_number": _endless,
    "literal_error": _other_word,
    "union_tag_invalid": _other_branch,
    "union_tag_not_found": _no_branch,
    "string_pattern_mismatch": _other_form,
    "greater_than_equal": partial(_beyond, "at least"),
    "greater_than": partial(_beyond, "more than"),
    "less_than_equal": partial(_beyond, "at most"),
}
"""Pydantic's error type -> a sentence of the path, the value and the error's context."""


def _must_be(wanted: Sequence[str], value: Any) -> str:
    words = f"must be {' or '.join([', '.join(wanted[:-1]), wanted[-1]] if wanted[1:] else wanted)}"
    if value is None:
        return f"{words}, but there is nothing"
    if "text" in wanted and isinstance(value, bool | int | float):
        return f"{words}; put it in quotes"
    if wanted == ["a whole number"] and isinstance(value, str) and value.isdigit():
        return f"{words}; take the quotes off"
    return f"{words}, not {_kind(value)}"


def _kind(value: Any) -> str:
    kinds = {bool: "true or false", int: "a number", float: "a number", str: "text"}
    if isinstance(value, dict):
        return "a mapping of keys"
    return kinds.get(type(value), "a list")


def _shown(value: Any) -> str:
    if isinstance(value, str):
        return repr(value if len(value) <= 60 else value[:57] + "...")
    return "a list" if isinstance(value, list) else "a mapping of keys" if isinstance(value, dict) else str(value)

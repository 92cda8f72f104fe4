"""The keys that `topology.yaml` knows, and which one was meant.

They are read off the model, so a new field is known here at once.
"""

import difflib
import types
from collections.abc import Iterator
from typing import Annotated, Any, Final, Union, get_args, get_origin

from pydantic import BaseModel

from afflux.topology.model import Topology
from afflux.topology.tree import Mapping, Path, Problem, Sequence, general, inside


def _mappings(annotation: Any, path: str) -> Iterator[tuple[str, str]]:
    """Give (path of a mapping, one of its keys) for every key below a type."""
    origin = get_origin(annotation)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        for key, field in annotation.model_fields.items():
            yield path, key
            yield from _mappings(field.annotation, f"{path}.{key}".removeprefix("."))
    elif origin is list:
        yield from _mappings(get_args(annotation)[0], f"{path}[]")
    elif origin is dict:
        yield from _mappings(get_args(annotation)[1], f"{path}.*")
    elif origin in (Annotated, Union, types.UnionType):
        for inner in get_args(annotation):
            yield from _mappings(inner, path)


def _known() -> dict[str, list[str]]:
    known: dict[str, list[str]] = {}
    for path, key in dict.fromkeys(_mappings(Topology, "")):  # forms of one entry, such as sinks, share keys
        known.setdefault(path, []).append(key)
    return known


KNOWN: Final = _known()
"""Path of each mapping, lists written `[]`, names of the user's own `*` -> its keys: `source.shards[]` -> name, host."""


def _forms(annotation: Any, path: str) -> Iterator[tuple[str, str, list[str]]]:
    """Give (path of a mapping that may have several forms, its `type`, the keys of that form)."""
    origin = get_origin(annotation)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        kind = annotation.model_fields.get("type")
        if kind is not None:
            for name in get_args(kind.annotation):
                yield path, str(name), list(annotation.model_fields)
        for key, field in annotation.model_fields.items():
            yield from _forms(field.annotation, f"{path}.{key}".removeprefix("."))
    elif origin is list:
        yield from _forms(get_args(annotation)[0], f"{path}[]")
    elif origin in (Annotated, Union, types.UnionType):
        for inner in get_args(annotation):
            yield from _forms(inner, path)


_FORMS: Final = {(path, kind): keys for path, kind, keys in _forms(Topology, "")}


def keys_of(place: str, mapping: dict[str, Any]) -> list[str] | None:
    """Give the keys that a mapping may have, where it has forms those of its `type`'s; None where any will do.

    Args:
        place: its path, lists written `[]`.
        mapping: it.
    """
    named = KNOWN.get(f"{place.rpartition('.')[0]}.*")
    return _FORMS.get((place, str(mapping.get("type"))), KNOWN.get(place, named))


def paths() -> list[str]:
    """Give the path of every key, such as `source.shards[].port`."""
    return [f"{path}.{key}".removeprefix(".") for path, keys in KNOWN.items() for key in keys]


def mend(tree: Mapping) -> tuple[Mapping, list[Problem]]:
    """Find the unknown keys.

    Returns:
        A copy of the tree in which a key that was meant for a missing one has its name, so that what lies
        beneath is checked too, and the other unknown keys are gone; and a problem for each of them.
    """
    problems: list[Problem] = []

    def mended(value: Any, path: Path) -> Any:
        if isinstance(value, Sequence):
            sequence = Sequence(value.line)
            for place, inner in enumerate(value):
                sequence.put(mended(inner, (*path, place)), value.lines[place])
            return sequence
        if not isinstance(value, Mapping):
            return value
        known = keys_of(general(path), value)
        mapping = Mapping(value.line)
        for key, inner in value.items():
            right = key
            if known is not None and key not in known:
                meant = None if _kinds(key, path) else nearest(key, known)
                problems.append(Problem((*path, key), value.lines[key], _sentence(key, path, meant, known)))
                if meant is None or meant in value or meant in mapping:
                    continue
                right = meant
            mapping.put(right, mended(inner, (*path, right)), value.lines[key])
        return mapping

    result: Mapping = mended(tree, ())
    return result, problems


def nearest(word: str, candidates: list[str], *, cutoff: float = 0.6) -> str | None:
    """Give the candidate most like a word, whatever its capitals and dashes; None when none is like it."""
    folded = {candidate.casefold().replace("-", "_"): candidate for candidate in candidates}
    found = difflib.get_close_matches(word.casefold().replace("-", "_"), folded, n=1, cutoff=cutoff)
    return folded[found[0]] if found else None


def _kinds(key: str, path: Path) -> list[str]:
    """Give the types of which an entry at a path has a key."""
    return [kind for (place, kind), keys in _FORMS.items() if place == general(path) and key in keys]


def _sentence(key: str, path: Path, meant: str | None, known: list[str]) -> str:
    unknown = f"unknown key {key!r} {inside(path)}"
    if meant is not None:
        return f"{unknown}; did you mean {meant!r}?"
    if kinds := _kinds(key, path):
        return f"{unknown}; one whose type is {' or '.join(kinds)} has it"
    homes = [home for home, keys in KNOWN.items() if key in keys]
    if homes:
        home = min(homes, key=len)
        return f"{unknown}; it belongs {'in ' + home if home else 'at the top level'}"
    return f"{unknown}; the keys here are {', '.join(known)}"

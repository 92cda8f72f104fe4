"""What a YAML file holds, with the line that each value stands on."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

Path = tuple[str | int, ...]
"""Where a value is: keys of mappings and places in lists, from 0."""


class Mapping(dict[str, Any]):
    """A mapping, and each key's line."""

    def __init__(self, line: int) -> None:
        super().__init__()
        self.line = line
        self.lines: dict[str, int] = {}

    def put(self, key: str, value: object, line: int) -> None:
        """Add a key that stands on a line."""
        self[key] = value
        self.lines[key] = line


class Sequence(list[Any]):
    """A list, and each entry's line."""

    def __init__(self, line: int) -> None:
        super().__init__()
        self.line = line
        self.lines: list[int] = []

    def put(self, value: object, line: int) -> None:
        """Add an entry that stands on a line."""
        self.append(value)
        self.lines.append(line)


@dataclass(frozen=True)
class Problem:
    """What is wrong with the value at a path, on a line from 1 (None: the file as a whole)."""

    path: Path
    line: int | None
    text: str


def walk(value: object, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Give every value with its path, the outer before the inner."""
    yield path, value
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from walk(inner, (*path, key))
    elif isinstance(value, Sequence):
        for place, inner in enumerate(value):
            yield from walk(inner, (*path, place))


def at(tree: dict[str, Any], path: Path) -> Any:
    """Give the value at a path that exists."""
    value: Any = tree
    for part in path:
        value = value[part]
    return value


def line_of(tree: Mapping, path: Path) -> int:
    """Give the line of a value, or of the innermost there is of what leads to it."""
    value: Any = tree
    line = tree.line
    for part in path:
        try:
            line = value.lines[part]
            value = value[part]
        except (AttributeError, KeyError, IndexError):
            break
    return line


def without(tree: Mapping, paths: Iterable[Path]) -> Mapping:
    """Copy a tree without the values at some paths; entries that stay in a list keep their lines."""
    gone = set(paths)

    def copied(value: Any, path: Path) -> Any:
        if isinstance(value, Mapping):
            mapping = Mapping(value.line)
            for key, inner in value.items():
                if (*path, key) not in gone:
                    mapping.put(key, copied(inner, (*path, key)), value.lines[key])
            return mapping
        if isinstance(value, Sequence):
            sequence = Sequence(value.line)
            for place, inner in enumerate(value):
                if (*path, place) not in gone:
                    sequence.put(copied(inner, (*path, place)), value.lines[place])
            return sequence
        return value

    result: Mapping = copied(tree, ())
    return result


def spelled(path: Path) -> str:
    """Write a path as people read it: `source.shards[0].port`."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).removeprefix(".")


def general(path: Path) -> str:
    """Write the path of all entries of a list alike: `source.shards[].port`."""
    return "".join("[]" if isinstance(part, int) else f".{part}" for part in path).removeprefix(".")


def inside(path: Path) -> str:
    """Say in which mapping something stands: `in source.shards[0]`, `at the top level`."""
    return f"in {spelled(path)}" if path else "at the top level"

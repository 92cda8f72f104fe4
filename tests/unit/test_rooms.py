"""Arrows go one way: a room knows only rooms below it."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import afflux

SOURCE = Path(afflux.__file__).parent
ORDER = [
    ["errors", "logs", "assets", "person"],
    ["faults"],
    ["types"],
    ["topology", "transforms"],
    ["clients"],
    ["sinks"],
    ["telemetry"],
    ["stream", "control"],
    ["contracts", "onboarding", "verify"],
    ["monitor"],
    ["operate"],
    ["supervise", "stack"],
    ["demo"],
    ["cli"],
]
CONTROL = [["wanted"], ["seen"], ["planned"], ["done"], ["verbs"], ["healing"]]
ONE = {"topology", "transforms"}
"""A topology's rules try its transforms, and a transform's settings are a part of the topology."""


def imports(file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{each.name}" for each in node.names)
        elif isinstance(node, ast.Import):
            yield from (each.name for each in node.names)


def arrows(folder: Path, prefix: str) -> set[tuple[str, str, str]]:
    """(room, room it imports from, file), for rooms that are folders or files of a folder."""
    found = set()
    for file in folder.rglob("*.py"):
        room = file.relative_to(folder).parts[0].removesuffix(".py")
        for name in imports(file):
            if name.startswith(f"{prefix}."):
                found.add((room, name.removeprefix(f"{prefix}.").split(".")[0], file.relative_to(SOURCE).as_posix()))
    return found


@pytest.mark.parametrize(("folder", "order"), [("", ORDER), ("control", CONTROL)], ids=["afflux", "control"])
def test_rooms_know_only_rooms_below_them(folder: str, order: list[list[str]]) -> None:
    height = {room: height for height, rooms in enumerate(order) for room in rooms}
    prefix = ".".join(filter(None, ["afflux", folder]))
    wrong = {
        f"{file}: {room} -> {other}"
        for room, other, file in arrows(SOURCE / folder, prefix)
        if {room, other} <= set(height) and room != other and {room, other} != ONE and height[other] >= height[room]
    }
    assert not wrong


def test_every_room_has_its_place_in_the_order() -> None:
    rooms = {path.name for path in SOURCE.iterdir() if path.is_dir() and (path / "__init__.py").is_file()}
    assert rooms == {room for level in ORDER for room in level if (SOURCE / room).is_dir()}

"""What `topology.yaml` has places for and this version does not do.

A line here is a promise not yet kept: `path` for a key, `path = value` for one value of a key,
`path = [...]` for a list. Whoever builds the part removes its line.
"""

from typing import Final

from afflux.topology.tree import Mapping, Problem, general, inside, line_of, spelled, walk

PUT_OFF: Final = (
    "tables[].initial_load",
    "tables[].topics",
    "transforms[].type = Cast",
    "transforms[].type = DropHeaders",
    "transforms[].type = ExtractField",
    "transforms[].type = Filter",
    "transforms[].type = Flatten",
    "transforms[].type = HeaderFrom",
    "transforms[].type = HoistField",
    "transforms[].type = InsertField",
    "transforms[].type = InsertHeader",
    "transforms[].type = MaskField",
    "transforms[].type = ReplaceField",
    "transforms[].type = SetSchemaMetadata",
    "transforms[].type = TimestampConverter",
    "transforms[].type = TimestampRouter",
    "transforms[].type = ValueToKey",
)

_NOT_YET: Final = "not in this version"


def find(tree: Mapping) -> list[Problem]:
    """Give a problem for each thing put off; where a `type` is, its path is that of the whole entry."""
    problems: list[Problem] = []
    for path, value in walk(tree):
        place = general(path)
        if place in PUT_OFF:
            problems.append(Problem(path, line_of(tree, path), f"key {path[-1]!r} {inside(path[:-1])} is {_NOT_YET}"))
        elif is_put_off(place, value):
            whole = path[:-1] if path[-1] == "type" else path
            shown = "a list" if isinstance(value, list) else repr(value)
            problems.append(Problem(whole, line_of(tree, path), f"{spelled(path)}: {shown} is {_NOT_YET}"))
    return problems


def is_put_off(place: str, value: object) -> bool:
    """Tell whether a value, such as `append`, is put off for a key, such as `tables[].mode`."""
    if isinstance(value, list):
        return f"{place} = [...]" in PUT_OFF
    # Kafka Connect's Cast$Key and Cast$Value are Cast
    return isinstance(value, str) and f"{place} = {value.partition('$')[0]}" in PUT_OFF

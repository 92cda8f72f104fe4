"""From the text of a YAML file to its tree, with lines.

Keys are text as written (`on` is no truth value), and so are values that YAML would take for dates.
A key that stands twice is a problem: YAML forbids it, and a reader who sees one of them is misled.
"""

from typing import Any

import yaml

from afflux.topology.tree import Mapping, Path, Problem, Sequence, inside, spelled

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_PLAIN = "tag:yaml.org,2002:"


class NotYaml(Exception):  # noqa: N818 - it says what the text is
    """The text is no YAML at all, from a line on (None: unknown)."""

    def __init__(self, text: str, line: int | None) -> None:
        super().__init__(text)
        self.text = text
        self.line = line


def read(text: str) -> tuple[Mapping, list[Problem]]:
    """Read a YAML document whose outermost value is a mapping.

    Returns:
        The tree, and what is wrong in it without making it unreadable.

    Raises:
        NotYaml: the text is no YAML, or no mapping.
    """
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        reader = _Reader(loader)
        if node is None:
            raise NotYaml("the file is empty", None)
        tree = reader.value(node, ())
    except yaml.MarkedYAMLError as error:
        raise _not_yaml(error, text) from None
    except yaml.YAMLError:
        raise NotYaml("this is not text that YAML can hold", None) from None
    except RecursionError:
        raise NotYaml("values are nested too deeply", None) from None
    if not isinstance(tree, Mapping):
        raise NotYaml("the file must hold keys with values, such as `name: orders`", node.start_mark.line + 1)
    return tree, reader.problems


def _not_yaml(error: yaml.MarkedYAMLError, text: str) -> NotYaml:
    """Say where YAML stopped understanding; the parser's own snippet could show a secret."""
    lines = text.splitlines()
    mark = error.problem_mark or error.context_mark
    line = min(mark.line + 1, len(lines)) if mark else None
    said = f"not YAML: {error.problem or 'this is not understood'}"
    if error.context and error.context_mark:
        said += f" {error.context} (from line {error.context_mark.line + 1})"
    if "flow" in said and line is not None and "${" in lines[line - 1]:
        said += "; inside { } a reference needs quotes: '${env:NAME}'"
    return NotYaml(said, line)


class _Reader:
    def __init__(self, loader: Any) -> None:
        self._loader = loader
        self._open: set[int] = set()
        self.problems: list[Problem] = []

    def value(self, node: yaml.Node, path: Path) -> Any:
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, path)
        if id(node) in self._open:
            self._wrong(path, node, f"{spelled(path)} is an alias for what it stands in")
            return None
        self._open.add(id(node))
        try:
            return self._mapping(node, path) if isinstance(node, yaml.MappingNode) else self._sequence(node, path)
        finally:
            self._open.remove(id(node))

    def _mapping(self, node: yaml.MappingNode, path: Path) -> Mapping:
        mapping = Mapping(_line(node))
        merges: list[yaml.Node] = []
        for key_node, value_node in node.value:
            line = _line(key_node)
            if not isinstance(key_node, yaml.ScalarNode):
                self._wrong(path, key_node, f"a key {inside(path)} is a list or a mapping, not a word")
            elif key_node.tag == f"{_PLAIN}merge":
                merges += value_node.value if isinstance(value_node, yaml.SequenceNode) else [value_node]
            elif key_node.value in mapping:
                first = mapping.lines[key_node.value]
                self._wrong(
                    path, key_node, f"key {key_node.value!r} stands twice {inside(path)}, first on line {first}"
                )
            else:
                mapping.put(key_node.value, self.value(value_node, (*path, key_node.value)), line)
        for merged in merges:
            self._merge(mapping, merged, path)
        return mapping

    def _merge(self, mapping: Mapping, node: yaml.Node, path: Path) -> None:
        """Take over what `<<: *anchor` brings; keys that stand here win, then the first merged."""
        other = self.value(node, path)
        if not isinstance(other, Mapping):
            self._wrong(path, node, f"`<<` {inside(path)} wants a mapping")
            return
        for key, value in other.items():
            if key not in mapping:
                mapping.put(key, value, other.lines[key])

    def _sequence(self, node: yaml.Node, path: Path) -> Sequence:
        sequence = Sequence(_line(node))
        for place, inner in enumerate(node.value):
            sequence.put(self.value(inner, (*path, place)), _line(inner))
        return sequence

    def _scalar(self, node: yaml.ScalarNode, path: Path) -> Any:
        if node.tag == f"{_PLAIN}timestamp":
            return node.value
        if not node.tag.startswith(_PLAIN):
            self._wrong(path, node, f"{spelled(path)} has the tag {node.tag}, which means nothing here")
            return node.value
        try:
            return self._loader.construct_object(node)
        except (yaml.YAMLError, ValueError):
            self._wrong(path, node, f"{spelled(path)} can't be read as the YAML type {node.tag.removeprefix(_PLAIN)}")
            return node.value

    def _wrong(self, path: Path, node: yaml.Node, text: str) -> None:
        self.problems.append(Problem(path, _line(node), text))


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1

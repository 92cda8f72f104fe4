"""Loads `topology.yaml`, and says everything that is wrong with it at once."""

import os
from collections.abc import Iterable
from collections.abc import Mapping as Environ
from pathlib import Path

from afflux.errors import TopologyError
from afflux.topology import document, keys, put_off, rules, shape, values
from afflux.topology.model import Topology
from afflux.topology.shards import resolve_shards
from afflux.topology.tree import Mapping, Problem, line_of

_LEARN = "docs/topology.md explains every key; `afflux schema` gives your editor the JSON Schema"


def load(path: Path, *, environ: Environ[str, str] = os.environ) -> Topology:
    """Load a topology, without any network; a directory query and references stay what they are.

    Args:
        path: of the file.
        environ: where AFFLUX_TOPOLOGY may have given the path, which a message then says.

    Raises:
        TopologyError: the file can't be read, or it is wrong; a line for each thing that is, sorted by line.
    """
    return loads(read(path, environ=environ), name=str(path))


def load_resolved(path: Path, *, environ: Environ[str, str] = os.environ) -> Topology:
    """Load a topology and ask its directory, if it has one, for the shards.

    Raises:
        TopologyError: the file is wrong, or what the directory lists.
        SourceError: the directory does not answer, or refuses.
    """
    return resolve_shards(load(path, environ=environ), environ)


def read(path: Path, *, environ: Environ[str, str] = os.environ) -> str:
    """Read a topology's text.

    Raises:
        TopologyError: it can't be read.
    """
    named = " (named by AFFLUX_TOPOLOGY)" if environ.get("AFFLUX_TOPOLOGY") == str(path) else ""
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise TopologyError(
            f"there is no file {path}{named}",
            hint="`afflux stack up` writes one for a stack on this machine; name yours with -t or AFFLUX_TOPOLOGY",
        ) from None
    except IsADirectoryError:
        raise TopologyError(f"{path}{named} is a folder", hint="name the file in it, such as topology.yaml") from None
    except UnicodeDecodeError:
        raise TopologyError(f"{path}{named} is not UTF-8 text", hint=_LEARN) from None
    except OSError as error:
        raise TopologyError(f"{path}{named} can't be read: {error.strerror}", hint="check its permissions") from None


def loads(text: str, *, name: str = "topology.yaml") -> Topology:
    """Make a topology of a file's text.

    Args:
        text: YAML.
        name: what messages call the file.

    Raises:
        TopologyError: as `load`.
    """
    try:
        tree, problems = document.read(text)
    except document.NotYaml as error:
        where = name if error.line is None else f"{name} line {error.line}"
        raise TopologyError(f"{where}: {error.text}", hint=_LEARN) from None
    topology, more = _topology(tree)
    problems += more
    if topology is None or problems:
        raise TopologyError(_lines(problems, name), hint=_LEARN)
    return topology


def _topology(tree: Mapping) -> tuple[Topology | None, list[Problem]]:
    later = put_off.find(tree)
    tree, misspelt = keys.mend(tree)
    texts = values.find(tree)
    topology, misfits = shape.fit(tree)
    # what this version does not do is said once, and nothing about what stands beneath
    problems = later + [p for p in (*misspelt, *texts, *misfits) if not _beneath(p, later)]
    # the rules fill in templates and expand expressions; any other text may be wrong without misleading them
    unusable = [p.path for p in texts if p.path[:1] == ("transforms",) or p.path[:2] == ("source", "names")]
    if topology is None or problems:
        whole, tree = shape.salvage(tree, [*unusable, *(p.path for p in (*later, *misfits))])
        broken = [(path, sentence) for path, sentence in rules.broken(whole) if path not in unusable]
    else:
        broken = rules.broken(topology) or list(rules.astray(topology))
    return topology, problems + [Problem(path, line_of(tree, path), sentence) for path, sentence in broken]


def _beneath(problem: Problem, later: Iterable[Problem]) -> bool:
    return any(problem.path[: len(outer.path)] == outer.path for outer in later)


def _lines(problems: Iterable[Problem], name: str) -> str:
    ordered = sorted(problems, key=lambda problem: (problem.line or 0, problem.text))
    return "\n".join(dict.fromkeys(f"{name} line {problem.line}: {problem.text}" for problem in ordered))

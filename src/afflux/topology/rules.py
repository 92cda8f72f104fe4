"""What the parts of a topology must be to each other."""

import re
from collections.abc import Iterable, Iterator
from typing import Final

from afflux.topology.model import Shard, Table, Topology
from afflux.topology.names import table_topic, wrong_names
from afflux.topology.tables import is_exact
from afflux.topology.tree import Path
from afflux.transforms import build

_SCHEMA_TABLE: Final = re.compile(r"[^.]+\.[^.]+")

Broken = tuple[Path, str]
"""A rule that is broken: where, and a whole sentence."""


def broken(topology: Topology) -> list[Broken]:
    """Give the rules that a topology breaks; the shards' own are looked at once they are a list."""
    found = [*_twice(topology), *_copies(topology), *_targets(topology), *_replacements(topology)]
    if isinstance(topology.source.shards, list):
        found += wrong_names(topology)
    return found


def astray(topology: Topology) -> Iterator[Broken]:
    """Give the named tables that an otherwise right topology leads nowhere, or several of them to one place."""
    if not isinstance(topology.source.shards, list):
        return
    fed: dict[str, str] = {}
    for place, table in enumerate(topology.tables):
        for shard, target in _targets_of(topology, table) if is_exact(table) else ():
            if not _SCHEMA_TABLE.fullmatch(target):
                fault = f"of shard {shard.name!r} goes to {target!r}, which is no schema.table"
                mending = "give it a target, or take the shard's name off by a RegexRouter"
                yield ("tables", place), f"table {table.source!r} {fault}; {mending}"
                break
            if fed.setdefault(target, table.source) != table.source:
                yield (
                    ("tables", place),
                    f"table {table.source!r} goes to {target!r}, where {fed[target]!r} goes already",
                )
                break


def _targets_of(topology: Topology, table: Table) -> Iterator[tuple[Shard, str]]:
    transforms = build(topology.transforms)
    for shard in topology.shards:
        target = table.target or table_topic(topology, shard, table.source)
        for transform in transforms if table.target is None else ():
            target = transform.rename(target)
        yield shard, target


def _twice(topology: Topology) -> Iterator[Broken]:
    shards = topology.source.shards if isinstance(topology.source.shards, list) else []
    for path, what, words in (
        (("source", "shards"), "shard", [shard.name for shard in shards]),
        (("sinks",), "sink", [sink.name for sink in topology.sinks]),
        (("tables",), "table", [table.source for table in topology.tables]),
    ):
        for place, word in _repeated(words):
            yield (*path, place), f"{what} {word!r} is there twice"


def _repeated(words: Iterable[str]) -> Iterator[tuple[int, str]]:
    seen: set[str] = set()
    for place, word in enumerate(words):
        if word in seen:
            yield place, word
        seen.add(word)


def _copies(topology: Topology) -> Iterator[Broken]:
    topics = topology.kafka.topics
    if topics.replication is not None and topics.min_insync is not None and topics.min_insync > topics.replication:
        yield (
            ("kafka", "topics", "min_insync"),
            f"kafka.topics.min_insync {topics.min_insync} is more than the {topics.replication} of replication",
        )


def _targets(topology: Topology) -> Iterator[Broken]:
    """Several tables of a shard in one target would be applied in an order that nobody keeps."""
    for place, table in enumerate(topology.tables):
        if table.target is not None and not is_exact(table):
            yield (
                ("tables", place, "target"),
                f"table {table.source!r} is a regular expression, which would pour many tables into one target; name them by a RegexRouter",
            )


def _replacements(topology: Topology) -> Iterator[Broken]:
    for place, transform in enumerate(topology.transforms):
        try:
            build([transform])
        except ValueError as error:
            yield ("transforms", place), f"{transform.type}: {error}"

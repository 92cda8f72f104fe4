"""What the parts of a topology must be to each other."""

import re
from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Final

from afflux.topology.databases import complaints
from afflux.topology.model import Shard, Table, Topology
from afflux.topology.names import notification_topic, shard_names, table_topic, wrong_names
from afflux.topology.routing import misled, unread
from afflux.topology.sinks import PostgresSink
from afflux.topology.tables import is_exact
from afflux.topology.tree import Path
from afflux.transforms import build

_SCHEMA_TABLE: Final = re.compile(r"[^.]+\.[^.]+")
_LONGEST_COLUMN: Final = 63
"""Bytes of a column's name in PostgreSQL, the least of the targets."""

_AFFLUX_ONLY: Final = ("batch", "dead_letters")
_MODES_OF_AFFLUX: Final = ("key", "mode", "deletes", "lineage", "target", "columns")

Broken = tuple[Path, str]
"""A rule that is broken: where, and a whole sentence."""


def broken(topology: Topology) -> list[Broken]:
    """Give the rules that a topology breaks; the shards' own are looked at once they are a list."""
    found = [
        *_twice(topology),
        *_copies(topology),
        *_targets(topology),
        *_keepings(topology),
        *_databases(topology),
        *_meta_columns(topology),
        *_masks(topology),
        *_replacements(topology),
        *_guard(topology),
        *_engines(topology),
        *_routers(topology),
    ]
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


def _keepings(topology: Topology) -> Iterator[Broken]:
    """How a table keeps its rows has to be of one piece."""
    for place, table in enumerate(topology.tables):
        where = ("tables", place)
        if isinstance(table.key, list):
            if not table.key:
                yield (
                    (*where, "key"),
                    f"table {table.source!r} has a key without columns; name them, or leave `key` out",
                )
            for number, column in _repeated(table.key):
                yield (*where, "key", number), f"table {table.source!r} has the key column {column!r} twice"
        if table.deletes == "soft" and table.mode != "upsert":
            yield (
                (*where, "deletes"),
                f"table {table.source!r} has deletes: soft and mode: {table.mode}, which keeps every delete already",
            )


def _masks(topology: Topology) -> Iterator[Broken]:
    """A hash without a key could be undone by trying, and a masked key would tell no rows apart."""
    for place, table in enumerate(topology.tables):
        for column, rule in table.columns.items():
            where = ("tables", place, "columns", column)
            if rule.mask == "hash" and topology.masking is None:
                yield (
                    where,
                    f"table {table.source!r} has the hashed column {column!r}, and there is no key; set masking.key to a reference",
                )
            if isinstance(table.key, list) and column in table.key:
                yield (
                    where,
                    f"table {table.source!r} has the masked column {column!r} in its key, which can't be masked",
                )


def _databases(topology: Topology) -> Iterator[Broken]:
    for place, sink in enumerate(topology.sinks):
        yield from ((("sinks", place, "url"), f"sinks[{place}].url {reason}") for reason in complaints(sink))


def _meta_columns(topology: Topology) -> Iterator[Broken]:
    for place, sink in enumerate(topology.sinks):
        names = list(sink.meta.model_dump().items())
        for number, column in _repeated([column for _, column in names]):
            yield (
                ("sinks", place, "meta", names[number][0]),
                f"sinks[{place}].meta calls two columns {column!r}",
            )
        for key, column in names:
            if not 0 < len(column.encode()) <= _LONGEST_COLUMN or "\0" in column:
                fault = f"is no column's name; it has 1 to {_LONGEST_COLUMN} bytes"
                yield ("sinks", place, "meta", key), f"sinks[{place}].meta.{key} {column!r} {fault}"


def _replacements(topology: Topology) -> Iterator[Broken]:
    for place, transform in enumerate(topology.transforms):
        try:
            build([transform])
        except ValueError as error:
            yield ("transforms", place), f"{transform.type}: {error}"


def _engines(topology: Topology) -> Iterator[Broken]:
    """What Debezium's JDBC sink can't do is refused, not left out in silence."""
    inside = {sink.name for sink in topology.connect_sinks}
    for place, sink in enumerate(topology.sinks):
        if sink.name in inside and topology.own_sinks:
            yield (
                ("sinks", place, "engine"),
                f"sink {sink.name!r} has engine: connect, and others have not, which read the topics in another form; give it a topology of its own",
            )
        if sink.name not in inside and isinstance(sink, PostgresSink) and sink.config:
            yield ("sinks", place, "config"), f"sink {sink.name!r} has config without engine: connect"
        for key in _AFFLUX_ONLY if sink.name in inside else ():
            if key in sink.model_fields_set:
                yield ("sinks", place, key), f"sink {sink.name!r} has {key}, which engine: connect does not know"
    if inside and "transforms" in topology.source.config:
        fault = "source.config has transforms, and each connector of engine: connect reads its shard's own topics"
        yield ("source", "config", "transforms"), fault
    for place, table in enumerate(topology.tables if inside else ()):
        for key in _MODES_OF_AFFLUX:
            if getattr(table, key) != Table.model_fields[key].default and (key != "key" or table.key != "with_shard"):
                yield (
                    ("tables", place, key),
                    f"table {table.source!r} has {key}{_shown(getattr(table, key))}, which engine: connect can't keep",
                )


def _routers(topology: Topology) -> Iterator[Broken]:
    """Topics that nobody could read, or tell apart, are refused."""
    path: Path = ("source", "config", "transforms")
    if reason := unread(topology.source.config):
        yield path, f"source.config.{reason}"
        return
    shards = topology.source.shards if isinstance(topology.source.shards, list) else []
    beside = {shard.name: frozenset(_beside(topology, shard)) for shard in shards}
    for reason in misled(topology, shards, beside):
        yield path, f"source.config.transforms: {reason}"


def _beside(topology: Topology, shard: Shard) -> Iterator[str]:
    names = shard_names(topology, shard)
    yield from (names.heartbeat_topic, names.message_topic, notification_topic(topology))


def _shown(value: object) -> str:
    if isinstance(value, dict):
        return ""
    return f": {str(value).lower() if isinstance(value, bool) else value}"


def _guard(topology: Topology) -> Iterator[Broken]:
    guard, path = topology.source.guard, ("source", "guard")
    steps = [("warn", guard.warn), ("page", guard.page), ("last_resort", guard.last_resort)]
    given = [(name, step) for name, step in steps if step is not None]
    for (before, earlier), (name, later) in pairwise(given):
        if later.seconds > earlier.seconds or later.used < earlier.used:
            key = "within" if later.seconds > earlier.seconds else "used"
            values = f"{getattr(later, key)}", f"{getattr(earlier, key)}"
            fault = f"source.guard.{name}.{key} {values[0]} comes before {before}'s {values[1]}"
            yield (*path, name), f"{fault}; the order is warn, page, last_resort"
    if guard.last_resort and guard.disk is None:
        fault = "source.guard.last_resort saves a disk, and source.guard.disk does not say how large it is"
        yield (
            (*path, "last_resort"),
            f"{fault}; max_slot_wal_keep_size needs no help, for the server keeps it by itself",
        )
    if guard.last_resort and isinstance(topology.source.shards, list) and guard.last_resort.shards != "all":
        names = {shard.name for shard in topology.source.shards}
        for place, shard in enumerate(guard.last_resort.shards):
            if shard not in names:
                yield (*path, "last_resort", "shards", place), f"source.guard.last_resort: there is no shard {shard!r}"

"""The names of everything that is made for a topology and its shards."""

import re
import string
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from afflux.topology.model import Shard, Topology
from afflux.topology.routing import routed
from afflux.topology.sinks import Sink
from afflux.topology.tree import Path

_ILLEGAL_IN_TOPIC: Final = re.compile(r"[^A-Za-z0-9._-]")
_LEGAL: Final = {
    # name: (what it may be, in words, characters at most and why)
    "connector": (re.compile(r"[A-Za-z0-9._-]+"), "letters, digits, '.', '_' and '-'", 249, "is allowed"),
    "slot": (re.compile(r"[a-z0-9_]+"), "lower case letters, digits and '_'", 63, "PostgreSQL allows"),
    "publication": (re.compile(r"[a-z0-9_]+"), "lower case letters, digits and '_'", 63, "PostgreSQL allows"),
    "topic_prefix": (
        re.compile(r"[A-Za-z0-9._-]+"),
        "letters, digits, '.', '_' and '-'",
        121,
        "leaves room for schema and table in the 249 of a topic's name",
    ),
}


@dataclass(frozen=True, slots=True)
class ShardNames:
    """What a shard's things are called."""

    connector: str
    slot: str
    publication: str
    topic_prefix: str

    @property
    def heartbeat_topic(self) -> str:
        """Where Debezium sends its heartbeats."""
        return f"__debezium-heartbeat.{self.topic_prefix}"

    @property
    def message_topic(self) -> str:
        """Where messages of `pg_logical_emit_message` go."""
        return f"{self.topic_prefix}.message"


def shard_names(topology: Topology, shard: Shard) -> ShardNames:
    """Fill `source.names` in for a shard; PostgreSQL's names have `_` for `-`."""
    names = topology.source.names

    def filled(template: str) -> str:
        return template.format(name=topology.name, shard=shard.name)

    return ShardNames(
        connector=filled(names.connector),
        slot=filled(names.slot).replace("-", "_"),
        publication=filled(names.publication).replace("-", "_"),
        topic_prefix=filled(names.topic_prefix),
    )


def sink_connector(topology: Topology, shard: Shard, sink: Sink) -> str:
    """Give the connector that writes a shard's rows, of a sink inside Kafka Connect; no shard's own has such a name.

    A dot is in no name of a shard or a sink.
    """
    return f"{shard_names(topology, shard).connector}.{sink.name}"


def table_topic(topology: Topology, shard: Shard, table: str) -> str:
    """Give the topic of a shard's table: its own, or where the connectors' own routers lead it.

    Args:
        topology: the whole.
        shard: one of its shards.
        table: `schema.table`, as in the database.
    """
    return routed(topology, own_topic(topology, shard, table))


def own_topic(topology: Topology, shard: Shard, table: str) -> str:
    """Give the topic of a shard's table before any router.

    Debezium puts `_` for each UTF-16 unit that Kafka does not allow in a topic's name (observed:
    `"Odd Name"` comes by `Odd_Name`).

    Args:
        topology: the whole.
        shard: one of its shards.
        table: `schema.table`, as in the database.
    """
    name = f"{shard_names(topology, shard).topic_prefix}.{table}"
    return _ILLEGAL_IN_TOPIC.sub(lambda found: "_" * (len(found[0].encode("utf-16-le")) // 2), name)


def signal_topic(topology: Topology) -> str:
    """Give the topic that Debezium takes signals from."""
    return f"afflux.{topology.name}.signals"


def notification_topic(topology: Topology) -> str:
    """Give the topic that Debezium tells of its snapshots in."""
    return f"afflux.{topology.name}.notifications"


def control_topic(topology: Topology) -> str:
    """Give the topic that tells what was done to connectors, slots and publications, and by whom."""
    return f"afflux.{topology.name}.control"


def control_group(topology: Topology) -> str:
    """Give the consumer group of supervisors; a sink's can't be called so, for its name has no dot."""
    return f"{control_topic(topology)}.supervisors"


def consumer_group(topology: Topology, sink: Sink) -> str:
    """Give the consumer group of a sink's daemons."""
    return f"afflux.{topology.name}.{sink.name}"


def message_prefix(topology: Topology) -> str:
    """Give the prefix of afflux's own logical messages."""
    return f"afflux.{topology.name}"


def check_template(template: str) -> None:
    """Refuse a template that can't be filled in.

    Raises:
        ValueError: it holds other braces than `{name}` and `{shard}`.
    """
    try:
        pieces = list(string.Formatter().parse(template))
    except ValueError:
        raise ValueError("a brace is open or closed alone") from None
    for _, field, form, conversion in pieces:
        if field is not None and (field not in {"name", "shard"} or form or conversion):
            raise ValueError(f"placeholder {{{field}}} is none of {{name}} and {{shard}}")


def wrong_names(topology: Topology) -> Iterator[tuple[Path, str]]:
    """Give the template and the sentence for names that are illegal, too long or those of another shard too."""
    shards = topology.shards
    made = [shard_names(topology, shard) for shard in shards]
    for kind, (legal, characters, longest, why) in _LEGAL.items():
        path: Path = ("source", "names", kind)
        template = f"source.names.{kind} {getattr(topology.source.names, kind)!r}"
        owner: dict[tuple[object, ...], str] = {}
        for shard, names in zip(shards, made, strict=True):
            name = getattr(names, kind)
            if not legal.fullmatch(name):
                yield path, f"{template} makes {name!r} for shard {shard.name!r}; only {characters} are legal there"
                break
            if len(name) > longest:
                yield (
                    path,
                    f"{template} makes {name!r} for shard {shard.name!r}: {len(name)} characters, {longest} {why}",
                )
                break
            place = _scope(topology, kind, shard), name
            if owner.setdefault(place, shard.name) != shard.name:
                yield path, f"{template} makes {name!r} for shard {owner[place]!r} and for shard {shard.name!r}"
                break


def _scope(topology: Topology, kind: str, shard: Shard) -> tuple[object, ...]:
    """Give within what a name must be the only one: a slot in its server, a publication in its database."""
    server = shard.host, shard.port
    within = {"slot": server, "publication": (*server, shard.database or topology.source.database)}
    return within.get(kind, ())

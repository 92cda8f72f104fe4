"""Connectors' own routers, which may lead all shards' events of a table into one topic (pure).

Two are followed, by the names of their classes: Kafka's RegexRouter, which renames the topic alone, and Debezium's
ByLogicalTableRouter, which renames the records as well, and adds a field to the key that tells the shards apart.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Final

from afflux.topology.model import Shard, Topology
from afflux.transforms.regex_router import RegexRouter

SHARD_FIELD: Final = "__afflux_shard"
"""The field that afflux has put into the keys of events whose topic RegexRouter renames: equal keys of two shards are
two keys in Kafka, too."""
_REGEX: Final = "org.apache.kafka.connect.transforms.RegexRouter"
_LOGICAL: Final = "io.debezium.transforms.ByLogicalTableRouter"
_LOGICAL_FIELD: Final = "__dbz__physicalTableIdentifier"
"""What ByLogicalTableRouter calls its field of the key, unless `key.field.name` says otherwise."""

Config = Mapping[str, str | int | float | bool]


@dataclass(frozen=True)
class Route:
    """A connector's router.

    Attributes:
        name: what the connector calls it.
        rule: what it does to topics.
        key_field: the field that it adds to keys; empty where it adds none.
    """

    name: str
    rule: RegexRouter
    key_field: str = ""


def routes(topology: Topology) -> tuple[Route, ...]:
    """Give the routers of a topology's connectors, in order; none where there are none, as mostly.

    Raises:
        ValueError: a router's settings are wrong, or it can't be followed; the message says which and why.
    """
    config = topology.source.config
    return _routes(tuple((k, str(v)) for k, v in config.items())) if "transforms" in config else ()


def routed(topology: Topology, topic: str) -> str:
    """Give the name under which a connector's topic goes on."""
    for route in routes(topology):
        topic = route.rule.rename(topic)
    return topic


def key_fields(topology: Topology) -> frozenset[str]:
    """Give the fields of keys that tell shards apart and are in no table."""
    found = routes(topology)
    return frozenset({SHARD_FIELD, *(route.key_field for route in found if route.key_field)}) if found else frozenset()


def renames_records(topology: Topology) -> bool:
    """Tell whether events bear the names of their new topics, and not of their shards."""
    return any(route.key_field for route in routes(topology))


def needs_shard(topology: Topology) -> bool:
    """Tell whether afflux has to put the shard into keys: nothing else tells equal keys of two shards apart."""
    return bool(routes(topology)) and not renames_records(topology)


def unread(config: Config) -> str:
    """Say why topics that a connector's transforms make can't be read; empty where they can."""
    try:
        _routes(tuple((k, str(v)) for k, v in config.items()))
    except ValueError as error:
        return str(error)
    return ""


def misled(topology: Topology, shards: list[Shard], beside: Mapping[str, frozenset[str]]) -> Iterator[str]:
    """Say what else is wrong with the routers of a topology.

    Args:
        topology: whose routers can be followed.
        shards: its shards.
        beside: the topics of each shard that are no tables', by the shard's name.
    """
    found = routes(topology)
    for shard in shards if found else ():
        for topic in sorted(beside[shard.name]):
            if (other := routed(topology, topic)) != topic:
                yield (
                    f"its routers lead {topic}, which is no table's, to {other}; let them match tables alone, "
                    r"such as 'shard[0-9]+\.(public\..*)'"
                )
                return
    if needs_shard(topology) and topology.registry.compatibility != "NONE":
        yield (
            f"RegexRouter leaves each shard's names in the records, and registry.compatibility "
            f"{topology.registry.compatibility} may refuse them in one subject; use ByLogicalTableRouter, or NONE"
        )


@cache
def _routes(config: tuple[tuple[str, str], ...]) -> tuple[Route, ...]:
    settings = dict(config)
    names = [name.strip() for name in settings.get("transforms", "").split(",")]
    return tuple(route for name in names if name and (route := _route(name, settings)) is not None)


def _route(name: str, config: Mapping[str, str]) -> Route | None:
    kind = config.get(f"transforms.{name}.type", "")
    own = {key.removeprefix(f"transforms.{name}."): value for key, value in config.items()}
    last = kind.partition("$")[0].rpartition(".")[2]
    if not last.endswith("Router") and last != "ExtractTopic":
        return None
    if kind not in {_REGEX, _LOGICAL}:
        raise ValueError(f"transforms.{name}.type {kind}: where it leads events to can't be foretold")
    if "predicate" in own:
        raise ValueError(f"transforms.{name}.predicate: a router has to lead all of a table's events to one topic")
    prefix = "" if kind == _REGEX else "topic."
    missing = [key for key in (f"{prefix}regex", f"{prefix}replacement") if key not in own]
    if missing:
        raise ValueError(f"transforms.{name}.{missing[0]} is missing")
    try:
        rule = RegexRouter(own[f"{prefix}regex"], own[f"{prefix}replacement"])
    except ValueError as error:
        raise ValueError(f"transforms.{name}: {error}") from None
    if kind == _REGEX:
        return Route(name, rule)
    if own.get("key.enforce.uniqueness", "true") == "false" or "key.field.regex" in own:
        key = "key.field.regex" if "key.field.regex" in own else "key.enforce.uniqueness"
        raise ValueError(f"transforms.{name}.{key}: equal keys of two shards could be one key in their topic")
    return Route(name, rule, own.get("key.field.name", _LOGICAL_FIELD))

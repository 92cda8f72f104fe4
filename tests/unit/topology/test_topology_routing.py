"""Connectors' own routers: where they lead events, what is told of such topics, and what is refused."""

import re

import pytest

from afflux.topology.model import Topology
from afflux.topology.names import own_topic, table_topic
from afflux.topology.routing import SHARD_FIELD, key_fields, needs_shard, renames_records, unread
from afflux.topology.rules import broken
from afflux.topology.shared import shard_of_prefix, shared_of

REGEX = {
    "transforms": "route",
    "transforms.route.type": "org.apache.kafka.connect.transforms.RegexRouter",
    "transforms.route.regex": r"shard[0-9]+\.(public\..*)",
    "transforms.route.replacement": "$1",
}
LOGICAL = {
    "transforms": "route",
    "transforms.route.type": "io.debezium.transforms.ByLogicalTableRouter",
    "transforms.route.topic.regex": r"shard[0-9]+\.(public\..*)",
    "transforms.route.topic.replacement": "all.$1",
}


def topology(config: dict[str, str], **changes: object) -> Topology:
    source = {
        "database": "app",
        "user": "cdc",
        "password": "${env:PW}",
        "shards": [{"name": f"shard{n}", "host": "db", "database": f"app{n}"} for n in range(3)],
        "config": config,
    }
    whole: dict[str, object] = {
        "name": "orders",
        "kafka": {"bootstrap_servers": "kafka:9092"},
        "registry": {"url": "http://registry:8080/apis/ccompat/v7"},
        "connect": {"url": "http://connect:8083"},
        "source": source,
        "tables": [{"source": "public.countries", "shards": "one"}, {"source": r"public\..*"}],
        "transforms": [{"type": "RegexRouter", "regex": r"(?:all|shard[0-9]+)\.(.*)", "replacement": "$1"}],
        "sinks": [{"name": "dw", "type": "postgresql", "url": "postgresql://u@h/dw"}],
    }
    return Topology.model_validate(whole | changes)


def said(config: dict[str, str], **changes: object) -> str:
    return "\n".join(sentence for _, sentence in broken(topology(config, **changes)))


@pytest.mark.parametrize(("config", "topic"), [(REGEX, "public.items"), (LOGICAL, "all.public.items")])
def test_all_shards_are_led_to_one_topic_that_tells_its_table_and_shards(config: dict[str, str], topic: str) -> None:
    declared = topology(config)
    assert said(config) == ""
    for shard in declared.shards:
        assert table_topic(declared, shard, "public.items") == topic
        assert own_topic(declared, shard, "public.items") == f"{shard.name}.public.items"
    assert shared_of(declared, topic) == ("public.items", frozenset({"shard0", "shard1", "shard2"}))
    assert shared_of(declared, "shard0.public.items") == ("", frozenset())
    assert shared_of(declared, "somebody.elses") == ("", frozenset())


def test_a_reference_table_is_the_first_shards_in_a_shared_topic_too() -> None:
    assert shared_of(topology(REGEX), "public.countries") == ("public.countries", frozenset({"shard0"}))


def test_without_routers_nothing_is_shared() -> None:
    declared = topology({})
    assert shared_of(declared, "public.items") == ("", frozenset())
    assert key_fields(declared) == frozenset()


def test_keys_tell_the_shard_by_the_routers_field_or_by_afflux_own() -> None:
    assert needs_shard(topology(REGEX))
    assert not renames_records(topology(REGEX))
    assert key_fields(topology(REGEX)) == {SHARD_FIELD}
    assert not needs_shard(topology(LOGICAL))
    assert renames_records(topology(LOGICAL))
    named = LOGICAL | {"transforms.route.key.field.name": "whose"}
    assert key_fields(topology(named)) == {SHARD_FIELD, "whose"}


def test_a_shard_that_is_in_no_topology_is_known_by_its_prefix() -> None:
    names = {"topic_prefix": "{name}.{shard}"}
    source = topology(REGEX).source.model_copy(update={"names": topology(REGEX).source.names.model_copy(update=names)})
    declared = topology(REGEX).model_copy(update={"source": source})
    assert shard_of_prefix(declared, "orders.shard1") == "shard1"
    assert shard_of_prefix(declared, "orders.late") == "late"
    assert shard_of_prefix(declared, "another.late") == "another.late"


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"transforms.route.type": "org.apache.kafka.connect.transforms.TimestampRouter"}, "can't be foretold"),
        ({"transforms.route.predicate": "some"}, "lead all of a table's events"),
        ({"transforms.route.regex": r"shard[0-9]+\.(.*)"}, "lead shard0.message"),
        ({"transforms.route.regex": r"shard([0-9]"}, "regex"),
    ],
)
def test_what_can_not_be_followed_is_refused(changed: dict[str, str], words: str) -> None:
    assert re.search(words, said(REGEX | changed)), said(REGEX | changed)


def test_equal_keys_that_nothing_tells_apart_are_refused() -> None:
    assert "equal keys" in unread(LOGICAL | {"transforms.route.key.enforce.uniqueness": "false"})
    assert "equal keys" in unread(LOGICAL | {"transforms.route.key.field.regex": "(.*)"})


def test_names_of_several_shards_in_one_subject_do_not_go_with_a_level() -> None:
    registry = {"url": "http://registry:8080/apis/ccompat/v7", "compatibility": "BACKWARD"}
    assert "ByLogicalTableRouter" in said(REGEX, registry=registry)
    assert said(LOGICAL, registry=registry) == ""


def test_a_sink_inside_connect_does_not_go_with_routers_nor_with_a_sink_of_afflux() -> None:
    inside = {"name": "dw", "type": "postgresql", "engine": "connect", "url": "postgresql://u@h/dw"}
    assert "own topics" in said(REGEX, sinks=[inside])
    assert "in another form" in said({}, sinks=[inside, inside | {"name": "own", "engine": "afflux"}])
    assert "mode: append" in said({}, sinks=[inside], tables=[{"source": "public.t", "mode": "append"}])
    assert said({}, sinks=[inside]) == ""

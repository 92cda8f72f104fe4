"""Connectors that write a shard's rows, of sinks inside Kafka Connect: what they are set to, and when they are."""

from dataclasses import replace

import pytest

import declared
from afflux.clients.catalog import Relation
from afflux.clients.connect import Connector, Task
from afflux.control.healing.ward import is_safe
from afflux.control.planned import sink_plan
from afflux.control.planned.actions import RemoveConnector, RestartSink, SetSink
from afflux.control.seen.examine import Look
from afflux.control.seen.look import with_sinks
from afflux.control.seen.status import ShardStatus, Verdict
from afflux.control.seen.world import World
from afflux.control.wanted.desired import desired
from afflux.control.wanted.settings import EXACT, connector_config
from afflux.control.wanted.sink_settings import sink_config
from afflux.errors import UsageError
from afflux.topology.model import Topology
from afflux.topology.names import shard_names

URL = "postgresql://afflux:${file:/secrets:dw@1}@10.0.0.9:5432/dw?sslmode=verify-full&application_name=afflux"


def topology(**changes: object) -> Topology:
    written = {
        "name": "orders",
        "tables": [{"source": "public.items", "key": "with_shard"}, {"source": r"public\..*"}],
        "sinks": [{"name": "dw", "type": "postgresql", "engine": "connect", "url": URL}],
    }
    return declared.topology(**(written | changes))


TABLES = tuple(Relation(schema="public", name=name, kind="r") for name in ("items", "orders"))


def config(**changes: object) -> dict[str, str]:
    declared = topology(**changes)
    return sink_config(declared, declared.shards[0], declared.connect_sinks[0], TABLES)


def test_the_target_is_said_in_the_drivers_words_and_the_password_stays_a_reference() -> None:
    found = config()
    assert found["connection.url"] == (
        "jdbc:postgresql://10.0.0.9:5432/dw?stringtype=unspecified&sslmode=verify-full&ApplicationName=afflux"
    )
    assert found["connection.username"] == "afflux"
    assert found["connection.password"] == "${file:/secrets:dw@1}"


def test_an_unknown_parameter_of_the_target_is_refused() -> None:
    sinks = [{"name": "dw", "type": "postgresql", "engine": "connect", "url": "postgresql://u:p@h/dw?options2=x"}]
    with pytest.raises(UsageError, match="options2"):
        config(sinks=sinks)


def test_the_shard_is_in_the_key_of_the_tables_that_want_it_alone() -> None:
    found = config()
    assert found["topics"] == "shard0.public.items,shard0.public.orders"
    assert found["transforms"] == "shard"
    assert found["transforms.shard.static.value"] == "shard0"
    assert found["predicates.withShard.pattern"] == r"shard0\.public\.items"
    assert found["collection.name.format"] == "${source.schema}.${source.table}"


def test_tables_of_other_names_go_by_the_transforms_into_one_schema() -> None:
    found = config(
        transforms=[{"type": "RegexRouter", "regex": r"shard[0-9]+\.public\.(.*)", "replacement": "sales.my_$1"}]
    )
    assert found["collection.name.format"] == "sales.${topic}"
    assert found["transforms"] == "shard,route0,route1"
    assert found["transforms.route1.replacement"] == "$1"


def test_tables_of_other_names_in_several_schemas_are_refused() -> None:
    routers = [
        {"type": "RegexRouter", "regex": r"shard[0-9]+\.public\.items", "replacement": "one.x"},
        {"type": "RegexRouter", "regex": r"shard[0-9]+\.public\.orders", "replacement": "two.y"},
    ]
    with pytest.raises(UsageError, match="several schemas"):
        config(transforms=routers)


def test_a_source_for_a_sink_inside_connect_has_not_the_plugins_values() -> None:
    declared = topology()
    found = connector_config(declared, declared.shards[0], TABLES, exact=True)
    assert "converters" in EXACT
    assert "converters" not in found
    assert found["transforms"] == "afflux"  # what keeps a NULL from being a default
    assert found["post.processors"] == "reselector"


def steps(found: dict[str, Connector], declared: Topology | None = None) -> list[object]:
    declared = declared or topology()
    wanted = desired(declared, declared.shards[0], TABLES, exact=False)
    return list(sink_plan.sink_steps(declared, declared.shards[0], wanted, World(shards={}, connectors=found)))


NAME = "orders-shard0.dw"


def test_a_missing_connector_is_made_and_then_there_is_nothing_to_do() -> None:
    (made,) = steps({})
    assert isinstance(made, SetSink)
    assert made.name == NAME
    assert steps({NAME: Connector(NAME, dict(made.new), "RUNNING")}) == []


def test_a_changed_config_is_set_and_a_failed_task_restarted() -> None:
    right = Connector(NAME, config(), "RUNNING")
    (changed,) = steps({NAME: replace(right, config=right.config | {"insert.mode": "insert"})})
    assert isinstance(changed, SetSink)
    assert [change.key for change in changed.changes()] == ["insert.mode"]
    (again,) = steps({NAME: replace(right, tasks=(Task(0, "FAILED", trace="java.lang.Exception: no"),))})
    assert isinstance(again, RestartSink)


def test_a_connector_of_a_sink_that_is_no_more_goes_and_one_of_somebody_else_stays() -> None:
    declared = topology(sinks=[{"name": "dw", "type": "postgresql", "url": "postgresql://u@h/dw"}])
    (gone,) = steps({NAME: Connector(NAME, config(), "RUNNING")}, declared)
    assert isinstance(gone, RemoveConnector)
    theirs = config() | {"afflux.topology": "another"}
    assert steps({NAME: Connector(NAME, theirs, "RUNNING")}, declared) == []


def test_a_supervisor_makes_and_restarts_such_connectors_by_itself() -> None:
    declared = topology()
    names = shard_names(declared, declared.shards[0])
    look = Look(names, "cdc", ShardStatus("shard0", Verdict.STREAMING))
    right = Connector(NAME, config(), "RUNNING")
    failed = replace(right, tasks=(Task(0, "FAILED", trace="java.lang.Exception: no"),))
    for found in ({}, {NAME: failed}):
        (step,) = steps(found)
        assert isinstance(step, SetSink | RestartSink)
        assert is_safe(step, look)


def test_a_stream_whose_rows_are_not_written_is_not_well() -> None:
    declared = topology()
    well = ShardStatus("shard0", Verdict.STREAMING, tables=("public.items",))
    right = Connector(NAME, config(), "RUNNING")
    failed = replace(right, tasks=(Task(0, "FAILED", trace="java.lang.Exception: no"),))
    assert with_sinks(declared, declared.shards[0], well, {NAME: right}).verdict is Verdict.STREAMING
    assert with_sinks(declared, declared.shards[0], well, {}).verdict is Verdict.MISSING
    found = with_sinks(declared, declared.shards[0], well, {NAME: failed})
    assert (found.verdict, found.detail) == (Verdict.FAILED, f"{NAME}: no")

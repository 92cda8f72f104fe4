"""Connectors made by hand fit into a topology under the very names that they have."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from afflux.clients.catalog import Relation
from afflux.clients.connect import Connector
from afflux.errors import UsageError
from afflux.onboarding.adopt import KIND, adopt
from afflux.onboarding.draft import Place, from_shards
from afflux.topology.load import loads
from afflux.topology.model import Topology
from afflux.topology.names import shard_names
from afflux.topology.tables import match

TARGET = "postgresql://w:${env:W}@h/dw"
WORDS = st.sampled_from(["a", "b", "bz", "shard0", "shard1", "shard-10", "eu-1", "eu-2", "urce", "source"])


def made(name: str, **config: str) -> Connector:
    usual = {
        "connector.class": KIND,
        "plugin.name": "pgoutput",
        "database.hostname": f"{name}.example",
        "database.dbname": "app",
        "database.user": "debezium",
        "database.password": "${env:PW}",
        "table.include.list": r"public\.orders,public.items",
        "topic.prefix": name,
        "slot.name": f"dbz_{name.replace('-', '_')}",
        "publication.name": "dbz_publication",
        "value.converter.apicurio.registry.url": "http://registry:8080/apis/registry/v2",
    }
    return Connector(f"{name}-source", usual | config, "RUNNING")


def adopted(*connectors: Connector) -> Topology:
    draft = adopt("orders", "http://c:8083", {connector.name: connector for connector in connectors}, target=TARGET)
    return loads(draft.text())


@settings(max_examples=25)
@given(st.lists(WORDS, min_size=1, max_size=4, unique=True))
def test_each_connector_keeps_its_names(names: list[str]) -> None:
    connectors = [made(name) for name in names]
    topology = adopted(*connectors)
    for shard, connector in zip(topology.shards, connectors, strict=True):
        found = shard_names(topology, shard)
        assert found.connector == connector.name
        assert found.slot == connector.config["slot.name"]
        assert found.publication == connector.config["publication.name"]
        assert found.topic_prefix == connector.config["topic.prefix"]


def test_what_debezium_takes_by_default_is_taken_here() -> None:
    (shard,) = (topology := adopted(made("a", **{"slot.name": "", "publication.name": ""}))).shards
    assert shard_names(topology, shard).slot == "debezium"
    assert shard_names(topology, shard).publication == "dbz_publication"


def test_tables_and_servers_are_the_connectors() -> None:
    topology = adopted(made("a"), made("b"))
    assert match(topology, "public.orders")
    assert match(topology, "public.items")
    assert match(topology, "public.other") is None
    assert topology.registry.url == "http://registry:8080/apis/ccompat/v7"
    assert [shard.host for shard in topology.shards] == ["a.example", "b.example"]
    assert topology.connect.connectors == "given"


@pytest.mark.parametrize(
    ("kind", "choice"),
    [
        ("io.apicurio.registry.utils.converter.AvroConverter", "apicurio"),
        ("io.confluent.connect.avro.AvroConverter", "confluent"),
        (None, "worker"),
    ],
)
def test_the_converter_is_the_connectors(kind: str | None, choice: str) -> None:
    topology = adopted(made("a", **({"value.converter": kind} if kind else {})))
    assert topology.connect.converter == choice


def test_a_password_in_clear_text_is_not_written() -> None:
    draft = adopt("o", "http://c", {"a": made("a", **{"database.password": "hunter2"})}, target=TARGET)
    assert "hunter2" not in draft.text()
    assert "clear text" in draft.text()


@pytest.mark.parametrize(
    ("connectors", "said"),
    [
        ([], "has no Debezium connector"),
        ([made("a", **{"plugin.name": "decoderbufs"})], "reads by decoderbufs"),
        ([made("a"), made("b", **{"slot.name": "other"})], "slot.name follow no pattern"),
        ([made("a"), made("b", **{"database.user": "else"})], "log in as"),
        ([made("a"), made("b", **{"topic.prefix": "a"})], "same topic.prefix"),
    ],
)
def test_what_does_not_fit_is_said(connectors: list[Connector], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        adopt("o", "http://c", {connector.name: connector for connector in connectors}, target=TARGET)


def test_a_draft_of_shards_names_their_tables_once_and_what_needs_an_eye() -> None:
    both = Relation("public", "orders", primary_key=("id",))
    keyless = Relation("public", "log")
    part = Relation("public", "orders_1", root="public.orders")
    places = [Place("a", "h1", 5432, "app"), Place("b", "h2", 5433, "other")]
    held = {"a": [both, part, keyless], "b": [both, Relation("public", "v", kind="v")]}
    text = from_shards("orders", "cdc", places, held, target=TARGET).text()
    topology = loads(text)
    assert [table.source for table in topology.tables] == ["public.log", "public.orders"]
    assert [shard.database for shard in topology.shards] == [None, "other"]
    assert "# public.log on a has no primary key" in text
    assert "# public.log is not on b." in text

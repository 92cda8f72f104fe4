import re
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from afflux.control.wanted.converters import CONVERTERS, registry_url
from afflux.control.wanted.desired import desired
from afflux.control.wanted.security import java_security
from afflux.control.wanted.settings import check_settings, include_list, listed, milliseconds
from afflux.errors import UsageError
from afflux.topology.model import Connect, Kafka, Names, Registry, Topics, Topology
from unit.control.worlds import config_of, table, topology


def test_every_promise_has_its_setting() -> None:
    of = topology()
    config = config_of(of, of.shards[0], table())
    promised = {
        "plugin.name": "pgoutput",
        "publication.autocreate.mode": "disabled",
        "slot.drop.on.stop": "false",
        "snapshot.mode": "initial",
        "decimal.handling.mode": "string",
        "interval.handling.mode": "string",
        "time.precision.mode": "microseconds",
        "binary.handling.mode": "bytes",
        "datatype.propagate.source.type": ".+",
        "include.unknown.datatypes": "true",
        "event.converting.failure.handling.mode": "fail",
        "field.name.adjustment.mode": "avro",
        "schema.name.adjustment.mode": "avro",
        "skipped.operations": "none",
        "tombstones.on.delete": "true",
        "read.only": "true",
        "signal.enabled.channels": "kafka",
        "heartbeat.action.query": "SELECT pg_logical_emit_message(true, 'afflux.orders', 'heartbeat')",
    }
    assert promised.items() <= config.items()
    assert int(config["producer.override.max.request.size"]) > of.kafka.topics.max_message_bytes


def test_all_is_named_after_the_shard() -> None:
    of = topology(names=Names(topic_prefix="{name}.{shard}", slot="s_{shard}"))
    config = config_of(of, of.shards[0], table())
    assert (config["topic.prefix"], config["slot.name"]) == ("orders.shard0", "s_shard0")
    assert config["signal.kafka.groupId"] == "orders-shard0"


def test_secrets_stay_references() -> None:
    of = topology()
    assert config_of(of, of.shards[0], table())["database.password"] == "${env:CDC_PASSWORD}"


def test_a_property_of_the_user_s_goes_through() -> None:
    of = topology(config={"poll.interval.ms": 9, "snapshot.fetch.size": 100, "lob.enabled": True})
    config = config_of(of, of.shards[0], table())
    assert (config["poll.interval.ms"], config["lob.enabled"]) == ("9", "true")


@pytest.mark.parametrize(
    "key", ["slot.name", "topic.prefix", "skipped.operations", "tombstones.on.delete", "value.converter"]
)
def test_what_a_promise_rests_on_can_not_be_set(key: str) -> None:
    with pytest.raises(UsageError, match=re.escape(f"source.config can't set {key}: ")):
        check_settings(topology(config={key: "x"}))


names = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), min_size=1, max_size=8)


@given(st.sets(st.tuples(names, names), max_size=5))
def test_the_include_list_matches_its_tables_and_no_other(tables: set[tuple[str, str]]) -> None:
    relations = [table(name, schema) for schema, name in tables]
    patterns = listed(include_list(relations))
    wanted = {relation.full_name for relation in relations}
    assert len(patterns) == len({include_list([relation]) for relation in relations})
    for name in wanted:
        matching = [pattern for pattern in patterns if re.fullmatch(pattern, name)]
        assert len(matching) == 1


def test_the_converter_finds_the_registry_beside_its_confluent_api() -> None:
    assert registry_url(topology()) == "http://127.0.0.1:8081/apis/registry/v2"


def test_a_registry_of_another_kind_asks_for_its_address() -> None:
    of = topology().model_copy(update={"registry": Registry(url="http://registry:8081")})
    with pytest.raises(UsageError, match="does not tell where the connectors' converter finds the registry"):
        registry_url(of)


def test_topics_are_cut_as_the_topology_says() -> None:
    topics = Topics(partitions=4, replication=3, min_insync=2, retention="7d")
    of = topology().model_copy(update={"kafka": Kafka(bootstrap_servers="b:1", topics=topics)})
    config = config_of(of, of.shards[0], table())
    made = {key.removeprefix("topic.creation.default."): v for key, v in config.items() if "topic.creation" in key}
    assert made == {
        "partitions": "4",
        "replication.factor": "3",
        "cleanup.policy": "delete",
        "max.message.bytes": str(topics.max_message_bytes),
        "min.insync.replicas": "2",
        "retention.ms": "604800000",
    }


@pytest.mark.parametrize(
    ("text", "number"), [("45s", 45_000), ("30m", 1_800_000), ("12h", 43_200_000), ("forever", -1)]
)
def test_durations(text: str, number: int) -> None:
    assert milliseconds(text) == number


def test_what_is_no_duration_is_refused() -> None:
    with pytest.raises(UsageError, match="'a week' is no duration"):
        milliseconds("a week")


def test_security_reaches_the_connectors_own_consumer() -> None:
    assert java_security(
        {
            "security.protocol": "sasl_ssl",
            "sasl.mechanisms": "SCRAM-SHA-512",
            "sasl.username": "${env:KAFKA_USER}",
            "sasl.password": "${env:KAFKA_PASSWORD}",
            "ssl.ca.location": "/ca.pem",
            "client.id": "x",
        }
    ) == {
        "security.protocol": "SASL_SSL",
        "sasl.mechanism": "SCRAM-SHA-512",
        "sasl.jaas.config": "org.apache.kafka.common.security.scram.ScramLoginModule required"
        ' username="${env:KAFKA_USER}" password="${env:KAFKA_PASSWORD}";',
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": "/ca.pem",
    }


def test_security_without_an_equal_is_refused_by_name() -> None:
    with pytest.raises(UsageError, match=r"ssl\.key\.location can't be handed on"):
        java_security({"ssl.key.location": "/key.pem"})


def kept(**entry: Any) -> Topology:
    of = topology()
    return of.model_copy(update={"tables": [of.tables[0].model_copy(update=entry)]})


def test_debezium_is_told_the_declared_keys_that_are_not_the_tables_own() -> None:
    of = kept(key=["tenant", "code"])
    plain, own = table("a.b", identity="f"), table("pairs", identity="f", primary_key=("code", "tenant"))
    assert config_of(of, of.shards[0], plain, own)["message.key.columns"] == r"public\.a\.b:tenant,code"
    assert "message.key.columns" not in config_of(topology(), of.shards[0], plain, own)


def test_declared_keys_stand_beside_the_user_s() -> None:
    of = kept(key=["code"])
    of = of.model_copy(update={"source": of.source.model_copy(update={"config": {"message.key.columns": "x.y:z"}})})
    assert config_of(of, of.shards[0], table())["message.key.columns"] == r"public\.orders:code;x.y:z"


@pytest.mark.parametrize(
    ("entry", "level"),
    [
        ({}, "requested"),
        ({"mode": "append"}, "required"),
        ({"mode": "history"}, "required"),
        ({"mode": "append", "allow_duplicates": True}, "requested"),
    ],
)
def test_what_would_keep_a_change_twice_asks_for_exactly_once(entry: dict[str, Any], level: str) -> None:
    of = kept(**entry)
    assert config_of(of, of.shards[0], table())["exactly.once.support"] == level


def test_a_history_has_topics_of_one_partition() -> None:
    of = kept(mode="history")
    many = {"kafka": of.kafka.model_copy(update={"topics": Topics(partitions=4)})}
    of, other = of.model_copy(update=many), topology().model_copy(update=many)
    name = "shard0.public.orders"
    assert desired(of, of.shards[0], [table()], exact=True).topics[name].partitions == 1
    assert desired(other, of.shards[0], [table()], exact=True).topics[name].partitions == 4


def test_the_converter_is_a_choice() -> None:
    """Confluent's is held to its documented properties; it was not run."""

    def converting(choice: str, url: str = "http://127.0.0.1:8081/apis/ccompat/v7") -> dict[str, str]:
        of = topology()
        connect = of.connect.model_copy(update={"converter": choice})
        of = of.model_copy(update={"connect": connect, "registry": Registry(url=url)})
        config = config_of(of, of.shards[0], table())
        return {key: value for key, value in config.items() if ".converter" in key}

    apicurio, confluent = converting("apicurio"), converting("confluent", "https://me:${env:P}@registry:8081")
    assert apicurio["value.converter.apicurio.registry.url"] == "http://127.0.0.1:8081/apis/registry/v2"
    assert confluent == {
        f"{part}.converter{key}": value
        for part in ("key", "value")
        for key, value in {
            "": "io.confluent.connect.avro.AvroConverter",
            ".schema.registry.url": "https://registry:8081",
            ".auto.register.schemas": "true",
        }.items()
    }
    assert converting("worker", "http://registry:8081") == {}


def test_the_choices_of_converters_are_those_of_the_topology() -> None:
    assert set(CONVERTERS) == set(get_args(Connect.model_fields["converter"].annotation))

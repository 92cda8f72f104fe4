import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from afflux.topology import names
from afflux.topology.model import Shard, ShardsByQuery, Topology
from afflux.topology.names import shard_names, table_topic
from unit.topology.topologies import small, topologies

TOPIC = re.compile(r"[A-Za-z0-9._-]{1,249}")
POSTGRES_NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=63).filter(
    lambda name: len(name.encode()) <= 63
)


@settings(max_examples=25)  # whole topologies are slow to draw
@given(topologies(), POSTGRES_NAMES, POSTGRES_NAMES)
def test_all_names_of_a_topology_that_loads_are_legal_and_no_two_shards_share_one(
    topology: Topology, schema: str, table: str
) -> None:
    if isinstance(topology.source.shards, ShardsByQuery):
        return
    made = [shard_names(topology, shard) for shard in topology.shards]
    for one, shard in zip(made, topology.shards, strict=True):
        assert re.fullmatch(r"[a-z0-9_]{1,63}", one.slot)
        assert re.fullmatch(r"[a-z0-9_]{1,63}", one.publication)
        assert re.fullmatch(r"[A-Za-z0-9._-]+", one.connector)
        of_table = table_topic(topology, shard, f"{schema}.{table}")
        for topic in (one.heartbeat_topic, one.message_topic, of_table):
            assert TOPIC.fullmatch(topic)
            assert topic not in {".", ".."}
    for kind in ("connector", "topic_prefix"):
        assert len({getattr(one, kind) for one in made}) == len(made)
    # a slot's name is its server's, a publication's its database's
    servers = [(shard.host, shard.port) for shard in topology.shards]
    assert len({(one.slot, *server) for one, server in zip(made, servers, strict=True)}) == len(made)
    databases = [(*server, shard.database) for server, shard in zip(servers, topology.shards, strict=True)]
    assert len({(one.publication, *at) for one, at in zip(made, databases, strict=True)}) == len(made)
    assert TOPIC.fullmatch(names.signal_topic(topology))
    assert TOPIC.fullmatch(names.notification_topic(topology))


def test_the_names_are_these() -> None:
    topology = Topology.model_validate(small())
    shard = topology.shards[0]
    made = shard_names(topology, shard)
    assert made == names.ShardNames("orders-shard0", "afflux_orders_shard0", "afflux_orders_shard0", "shard0")
    assert made.heartbeat_topic == "__debezium-heartbeat.shard0"
    assert made.message_topic == "shard0.message"
    assert names.signal_topic(topology) == "afflux.orders.signals"
    assert names.notification_topic(topology) == "afflux.orders.notifications"
    assert names.message_prefix(topology) == "afflux.orders"
    assert names.consumer_group(topology, topology.sinks[0]) == "afflux.orders.warehouse"


def test_templates_are_filled_in_and_postgresql_gets_no_dashes() -> None:
    changed = small() | {"name": "my-orders"}
    changed["source"]["names"] = {"slot": "s-{shard}", "topic_prefix": "{name}.{shard}", "connector": "{shard}"}
    topology = Topology.model_validate(changed)
    made = shard_names(topology, Shard(name="eu-1", host="h"))
    assert (made.slot, made.publication) == ("s_eu_1", "afflux_my_orders_eu_1")
    assert (made.topic_prefix, made.connector) == ("my-orders.eu-1", "eu-1")


@pytest.mark.parametrize(
    ("table", "topic"),
    [
        ("public.orders", "shard0.public.orders"),
        ("public.Odd Name", "shard0.public.Odd_Name"),
        ("public.größe", "shard0.public.gr__e"),
        ("public.a😀b", "shard0.public.a__b"),  # two UTF-16 units to Java
        ("public.a.b-c_d", "shard0.public.a.b-c_d"),
    ],
)
def test_a_tables_topic_is_named_as_debezium_names_it(table: str, topic: str) -> None:
    topology = Topology.model_validate(small())
    assert table_topic(topology, topology.shards[0], table) == topic

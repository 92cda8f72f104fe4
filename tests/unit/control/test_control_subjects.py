"""Which subjects and shards are meant: a gone shard's, a reference table's."""

import json

from afflux.contracts.seen import shards_of
from afflux.control.verbs.subjects import left_by
from afflux.topology.load import loads

TEXT = r"""
name: shop
kafka: {bootstrap_servers: "k:9092"}
registry: {url: "http://r"}
connect: {url: "http://c"}
source:
  database: app
  user: cdc
  password: "${env:P}"
  shards: SHARDS
tables:
  - {source: public.orders}
  - {source: public.Odd Name}
  - {source: 'sales\..*'}
transforms: [{type: RegexRouter, regex: '[a-z0-9]+\.(.*)', replacement: '$1'}]
sinks: [{name: w, type: postgresql, url: "postgresql://w:${env:W}@h/dw"}]
"""


def test_another_shard_s_subjects_are_never_taken_for_a_gone_one_s() -> None:
    others = [{"name": name, "host": "h"} for name in ("eu1", "us")]
    topology = loads(TEXT.replace("SHARDS", json.dumps(others)))
    own = {
        "eu.public.orders-key",
        "eu.public.orders-value",
        "eu.public.Odd_Name-value",
        "eu.sales.anything-value",
        "eu.message-value",
        "__debezium-heartbeat.eu-key",
        "__debezium-heartbeat.eu-value",
    }
    strange = {
        "eu.west.public.orders-value",
        "eu.west.message-value",
        "eu1.public.orders-value",
        "us.public.orders-value",
        "eu.public.orders",
        "eu.public.unknown-value",
        "__debezium-heartbeat.eu1-value",
        "afflux.shop.notifications-value",
    }
    assert set(left_by(topology, "eu", own | strange)) == own


def test_a_reference_table_is_looked_for_where_it_is_read_and_nowhere_else() -> None:
    topology = loads(TEXT.replace("SHARDS", json.dumps([{"name": name, "host": "h"} for name in ("a", "b")])))
    assert [shard.name for shard in shards_of(topology, "public.orders")] == ["a", "b"]
    orders = topology.tables[0].model_copy(update={"shards": "one"})
    reference = topology.model_copy(update={"tables": [orders, *topology.tables[1:]]})
    assert [shard.name for shard in shards_of(reference, "public.orders")] == ["a"]
    assert [shard.name for shard in shards_of(reference, "public.not_declared")] == ["a", "b"]

"""What the lake's benchmark works on: a Delta table of some size, and a topic of Debezium's events for its rows."""

import io
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

import fastavro
import polars as pl
import requests
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

from afflux.sinks.batch import TableName
from afflux.sinks.delta.store import Store
from afflux.sinks.delta.tables import place
from afflux.sinks.reference.columns import ALWAYS, META, Names, schema
from afflux.stack import Addresses
from afflux.topology.sinks import MetaColumns

TABLE = TableName("public", "items")
SHARD = "s0"
_STEP = 100_000
_STARTED = datetime(2026, 1, 1, tzinfo=UTC)


def _column(name: str, avro: str, source: str, logical: str = "", **parameters: int) -> dict[str, Any]:
    prefix = "__debezium.source.column."
    described = {f"{prefix}type": source, f"{prefix}name": name, **{prefix + k: str(v) for k, v in parameters.items()}}
    kind = {"type": avro, "connect.parameters": described, **({"connect.name": logical} if logical else {})}
    return {
        "name": name,
        "type": kind if name == "id" else ["null", kind],
        **({} if name == "id" else {"default": None}),
    }


ZONED = "io.debezium.time.ZonedTimestamp"
COLUMNS = [
    _column("id", "long", "INT8"),
    _column("name", "string", "TEXT"),
    _column("amount", "string", "NUMERIC", length=12, scale=2),
    _column("note", "string", "TEXT"),
    _column("seen", "string", "TIMESTAMPTZ", ZONED, length=35, scale=6),
]
TYPES: dict[str, pl.DataType] = {
    "id": pl.Int64(),
    "name": pl.String(),
    "amount": pl.Decimal(12, 2),
    "note": pl.String(),
    "seen": pl.Datetime("us", "UTC"),
}


def envelope(prefix: str) -> dict[str, Any]:
    """Give the Avro schema of the events of a shard's table."""
    row = {"type": "record", "name": "Value", "fields": COLUMNS}
    text = ["null", "string"]
    source = {
        "type": "record",
        "name": "Source",
        "namespace": "io.debezium.connector.postgresql",
        "fields": [
            {"name": "name", "type": "string"},
            {"name": "snapshot", "type": [{"type": "string"}, "null"], "default": "false"},
            {"name": "sequence", "type": text, "default": None},
            {"name": "ts_us", "type": ["null", "long"], "default": None},
            {"name": "schema", "type": "string"},
            {"name": "table", "type": "string"},
            {"name": "txId", "type": ["null", "long"], "default": None},
            {"name": "lsn", "type": ["null", "long"], "default": None},
        ],
    }
    fields = [
        {"name": "before", "type": ["null", row], "default": None},
        {"name": "after", "type": ["null", "Value"], "default": None},
        {"name": "source", "type": source},
        {"name": "op", "type": "string"},
    ]
    return {"type": "record", "name": "Envelope", "namespace": f"{prefix}.{TABLE}", "fields": fields}


def make_table(folder: Path, rows: int) -> None:
    """Write a table as the sink would have left it: rows in the key's order, in files of a good size."""
    store = Store(str(folder))
    types = TYPES | {name: META[name] for name in ALWAYS}
    table = store.create(place(TABLE), schema(types, ("id",), Names(MetaColumns())), {})
    for start in range(0, rows, _STEP):
        ids = pl.int_range(start, min(rows, start + _STEP), dtype=pl.Int64, eager=True)
        at = pl.lit(_STARTED).cast(TYPES["seen"])
        block = pl.DataFrame({"id": ids}).with_columns(
            name=pl.concat_str(pl.lit("item "), "id"),
            amount=(pl.col("id") % 1_000_000).cast(pl.Decimal(12, 2)),
            note=pl.col("id").hash(7).cast(pl.String),
            seen=at,
            _shard=pl.lit(SHARD),
            _lsn=pl.lit(1, pl.Int64),
            _source_ts=at,
            _synced_at=at,
        )
        block.write_delta(table, mode="append")


@dataclass(frozen=True)
class Work:
    """A topic of events.

    Attributes:
        topic: its name.
        prefix: the shard's topic prefix.
        events: how many.
        schema: of the events' values, Avro as JSON.
    """

    topic: str
    prefix: str
    events: int
    schema: str


def make_topic(addresses: Addresses, prefix: str, rows: int, events: int, *, clustered: bool) -> Work:
    """Write events: nine updates in ten, the rest inserts and deletes.

    Args:
        addresses: of the stack.
        prefix: of the topic.
        rows: that the table has.
        events: how many.
        clustered: whether updates are of the newest twentieth of the rows alone; else of all rows alike.
    """
    topic = f"{prefix}.{TABLE}"
    key_schema = {"type": "record", "name": "Key", "namespace": topic, "fields": [COLUMNS[0]]}
    value_head = _registered(addresses, f"{topic}-value", envelope(prefix))
    key_head = _registered(addresses, f"{topic}-key", key_schema)
    admin = AdminClient({"bootstrap.servers": addresses.kafka})
    for made in admin.create_topics([NewTopic(topic, 1, 1)]).values():
        made.result()
    producer = Producer({"bootstrap.servers": addresses.kafka, "linger.ms": 50, "queue.buffering.max.messages": 10**6})
    parsed, parsed_key = fastavro.parse_schema(envelope(prefix)), fastavro.parse_schema(key_schema)
    random, newest, gone = Random(rows), rows, set[int]()  # noqa: S311 - made-up events
    for n in range(events):
        chance = random.random()
        if chance < 0.05:
            op, key, newest = "c", newest, newest + 1
        else:
            key = random.randrange(rows - rows // 20, rows) if clustered else random.randrange(rows)
            op = "c" if key in gone else "d" if chance > 0.95 else "u"
        (gone.add if op == "d" else gone.discard)(key)
        row = {"id": key, "name": f"event {n}", "amount": f"{n}.50", "note": f"{random.getrandbits(60)}"}
        row["seen"] = f"2026-02-01T00:00:00.{n % 1_000_000:06}Z"
        said = None if op == "d" else row
        source = {"name": prefix, "snapshot": "false", "sequence": None, "ts_us": 1_770_000_000_000_000 + n}
        source |= {"schema": TABLE.schema, "table": TABLE.name, "txId": n, "lsn": n + 100}
        event = {"before": {**dict.fromkeys(TYPES), "id": key} if op == "d" else None, "after": said, "source": source}
        value, its_key = io.BytesIO(), io.BytesIO()
        fastavro.schemaless_writer(value, parsed, event | {"op": op})
        fastavro.schemaless_writer(its_key, parsed_key, {"id": key})
        producer.produce(topic, value_head + value.getvalue(), key_head + its_key.getvalue())
        producer.poll(0)
    assert producer.flush(60) == 0  # noqa: S101 - else there is nothing to measure
    return Work(topic, prefix, events, json.dumps(envelope(prefix)))


def _registered(addresses: Addresses, subject: str, avro: dict[str, Any]) -> bytes:
    """Register a schema; gives what a message begins with."""
    answer = requests.post(
        f"{addresses.registry}/subjects/{subject}/versions", json={"schema": json.dumps(avro)}, timeout=30
    )
    answer.raise_for_status()
    return b"\0" + int(answer.json()["id"]).to_bytes(4, "big")

"""Change events as Debezium writes them: Avro schemas and bytes, for tests without a stack."""

import io
import itertools
import json
from dataclasses import dataclass, field
from typing import Any

import fastavro

PARAMETER = "__debezium.source.column."


def column(name: str, avro: Any, source: str, *, null: bool = True, logical: str = "", **parameters: int) -> Any:
    described = {PARAMETER + "type": source, PARAMETER + "name": name}
    described |= {PARAMETER + key: str(value) for key, value in parameters.items()}
    kind = {**(avro if isinstance(avro, dict) else {"type": avro}), "connect.parameters": described}
    if logical:
        kind["connect.name"] = logical
    return {"name": name, "type": ["null", kind], "default": None} if null else {"name": name, "type": kind}


def envelope(prefix: str, table: str, columns: list[Any]) -> dict[str, Any]:
    space = f"{prefix}.{table}"
    row = {"type": "record", "name": "Value", "fields": columns}
    text = [{"type": "string", "connect.default": "false"}, "null"]
    source = {
        "type": "record",
        "name": "Source",
        "namespace": "io.debezium.connector.postgresql",
        "fields": [
            {"name": "version", "type": "string"},
            {"name": "name", "type": "string"},
            {"name": "snapshot", "type": text, "default": "false"},
            {"name": "sequence", "type": ["null", "string"], "default": None},
            {"name": "ts_us", "type": ["null", "long"], "default": None},
            {"name": "schema", "type": "string"},
            {"name": "table", "type": "string"},
            {"name": "txId", "type": ["null", "long"], "default": None},
            {"name": "lsn", "type": ["null", "long"], "default": None},
        ],
    }
    return {
        "type": "record",
        "name": "Envelope",
        "namespace": space,
        "fields": [
            {"name": "before", "type": ["null", row], "default": None},
            {"name": "after", "type": ["null", "Value"], "default": None},
            {"name": "source", "type": source},
            {"name": "op", "type": "string"},
        ],
    }


@dataclass
class Event:
    """A Kafka message."""

    _topic: str
    _offset: int
    _key: bytes | None
    _value: bytes | None
    _partition: int = 0
    _headers: list[tuple[str, bytes]] = field(default_factory=list)

    def topic(self) -> str:
        return self._topic

    def partition(self) -> int:
        return self._partition

    def offset(self) -> int:
        return self._offset

    def key(self) -> bytes | None:
        return self._key

    def value(self) -> bytes | None:
        return self._value

    def timestamp(self) -> tuple[int, int]:
        return (1, 1_700_000_000_000)

    def headers(self) -> list[tuple[str, bytes]]:
        return self._headers


@dataclass
class Wire:
    """A registry and the connectors that write with it."""

    schemas: dict[int, dict[str, Any]] = field(default_factory=dict)
    offsets: dict[str, Any] = field(default_factory=dict)
    lsn: Any = field(default_factory=lambda: itertools.count(100))

    def schema(self, number: int) -> dict[str, Any] | None:
        return self.schemas.get(number)

    def register(self, schema: dict[str, Any]) -> int:
        for number, known in self.schemas.items():
            if known == schema:
                return number
        self.schemas[len(self.schemas) + 1] = schema
        return len(self.schemas)

    def event(
        self,
        prefix: str,
        table: str,
        columns: list[Any],
        op: str,
        row: dict[str, Any] | None,
        *,
        key: tuple[str, ...] = ("id",),
        lsn: int | None = None,
        ts_us: int = 1_000_000,
        sequence: str | None = None,
        incremental: bool = False,
        before: dict[str, Any] | None = None,
    ) -> Event:
        topic = f"{prefix}.{table}"
        schema, name = table.split(".")
        at = lsn if lsn is not None else next(self.lsn)
        value = {
            "before": row if op == "d" else before,
            "after": row if op in "cru" else None,
            "source": {
                "version": "3.7.0",
                "name": prefix,
                "snapshot": "incremental" if incremental else "false",
                "sequence": sequence,
                "ts_us": ts_us,
                "schema": schema,
                "table": name,
                "txId": None if incremental else at + 1000,
                "lsn": None if incremental else at,
            },
            "op": op,
        }
        key_bytes = None
        if key and op != "t":
            fields = [{"name": n, "type": next(c["type"] for c in columns if c["name"] == n)} for n in key]
            key_schema = {"type": "record", "name": "Key", "namespace": topic, "fields": fields}
            assert row is not None
            key_bytes = self._encode(key_schema, {n: row[n] for n in key})
        return self._message(topic, key_bytes, self._encode(envelope(prefix, table, columns), value))

    def tombstone(self, after: Event) -> Event:
        return self._message(after.topic(), after.key(), None)

    def _message(self, topic: str, key: bytes | None, value: bytes | None) -> Event:
        offset = next(self.offsets.setdefault(topic, itertools.count()))
        return Event(topic, offset, key, value)

    def _encode(self, schema: dict[str, Any], value: Any) -> bytes:
        number = self.register(schema)
        out = io.BytesIO()
        fastavro.schemaless_writer(out, fastavro.parse_schema(json.loads(json.dumps(schema))), value)
        return b"\0" + number.to_bytes(4, "big") + out.getvalue()

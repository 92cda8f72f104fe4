"""From messages to frames of rows: thousands at a time, by the schemas that wrote them."""

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import fastavro
import polars as pl

from afflux.errors import DecodeError, UnsupportedTypeError
from afflux.sinks.base import DELETED, LSN, SHARD, SOURCE_TS, TableName, unchanged
from afflux.stream.envelope import RowSchema, read_key_schema, read_value_schema
from afflux.stream.ocf import Container
from afflux.stream.router import Router, avro_name
from afflux.types.columns import Column

SEQUENCE = "afflux.sequence"
"""Frame column: the order of arrival (integer), which within a partition is Kafka's."""
BORN = "afflux.born"
"""Frame column: whether the event says all of a row, whatever was before (boolean)."""
DEPARTS = "afflux.departs"
"""Frame column: whether a deleted row lives on under another key (boolean)."""

_NEW_KEY = "__debezium.newkey"
"""The header of a delete that is one half of a key change."""

_HEADER = 5
"""Bytes before the body: a zero, and the schema's id (the Confluent wire format)."""


class Message(Protocol):
    """What is read of a Kafka message."""

    def topic(self) -> str: ...  # noqa: D102
    def partition(self) -> int: ...  # noqa: D102
    def offset(self) -> int: ...  # noqa: D102
    def key(self) -> bytes | None: ...  # noqa: D102
    def value(self) -> bytes | None: ...  # noqa: D102
    def headers(self) -> list[tuple[str, Any]] | None: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class TruncateEvent:
    """A TRUNCATE of one shard's table, at its place in the order of arrival."""

    shard: str
    lsn: int
    sequence: int


@dataclass(frozen=True, slots=True)
class Decoded:
    """Events of one target table with the same columns.

    Attributes:
        table: where they go.
        columns: the source's columns, as the schema gives them.
        key: the names of the key's columns; empty without a key.
        rows: a row an event: `SEQUENCE`, `BORN`, `DEPARTS`, the meta columns, the source's columns,
            and `unchanged(column)` where values are unchanged and unknown.
        truncates: the truncates among the events.
    """

    table: TableName
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    rows: pl.DataFrame
    truncates: tuple[TruncateEvent, ...] = ()


@dataclass(frozen=True, slots=True)
class _Reading:
    """How events with one pair of schemas from one topic are read; made at their first event."""

    table: TableName
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    container: Container


@dataclass(slots=True)
class _Group:
    sequences: list[int] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    first: Message | None = None


class Decoder:
    """Decodes messages and routes them.

    Args:
        schema_by_id: gives a registered schema as JSON; raises RegistryError.
        router: where events go.
        shards: shard names by `source.name`, which is the topic prefix.
    """

    def __init__(
        self, schema_by_id: Callable[[int], dict[str, Any]], router: Router, shards: Mapping[str, str]
    ) -> None:
        self._schema_by_id = schema_by_id
        self._router = router
        self._shards = shards
        self._readings: dict[tuple[str, bytes, bytes], _Reading | None] = {}
        self._same: dict[tuple[str, TableName, tuple[Column, ...], tuple[str, ...]], _Reading] = {}

    def decode(self, messages: Sequence[Message]) -> list[Decoded]:
        """Decode messages in their order of arrival; tombstones and tables not declared are left out.

        Raises:
            DecodeError: a message is not what it should be; the message names its place.
            RegistryError: a schema can't be had.
            UnsupportedTypeError: a column's type is not handled.
        """
        split: dict[tuple[str, bytes, bytes], _Group] = {}
        for sequence, message in enumerate(messages):
            value = message.value()
            if value is None:
                continue
            kind = (message.topic(), value[:_HEADER], (message.key() or b"")[:_HEADER])
            group = split.get(kind)
            if group is None:
                group = split[kind] = _Group(first=message)
            group.sequences.append(sequence)
            group.bodies.append(value[_HEADER:])
        joined: dict[int, tuple[_Reading, _Group]] = {}
        for kind, group in split.items():
            reading = self._reading(kind, group)
            if reading is None:
                continue
            _, whole = joined.setdefault(id(reading), (reading, _Group(first=group.first)))
            whole.sequences += group.sequences
            whole.bodies += group.bodies
        return [_decode_group(reading, group, messages, self._shards) for reading, group in joined.values()]

    def _reading(self, kind: tuple[str, bytes, bytes], group: _Group) -> _Reading | None:
        if kind not in self._readings:
            self._readings[kind] = self._learn(kind, group)
        return self._readings[kind]

    def _learn(self, kind: tuple[str, bytes, bytes], group: _Group) -> _Reading | None:
        """Read the schemas of a new kind of event, and see by its first event that they are its own.

        A registry that has lost its ids answers with other tables' schemas; bytes decoded by
        those may look like rows. The record's name has to be that of the event's own source.
        """
        topic, value_header, key_header = kind
        place = _place(group.first)
        written = self._schema_by_id(_schema_id(value_header, place))
        try:
            schema = read_value_schema(written)
        except UnsupportedTypeError as error:
            raise UnsupportedTypeError(f"topic {topic!r}, {error.message}", hint=error.hint) from None
        source = _source_of(written, group.bodies[0], place)
        named = ".".join((source["name"], source["schema"], source["table"]))
        if ".".join(avro_name(part) for part in named.split(".")) != schema.record:
            raise DecodeError(
                f"{place}: the registry's schema is of {schema.record!r}, and the event is of {named!r}",
                hint="the registry has lost or changed its ids; nothing was written",
            )
        table = self._router.route(topic, source["schema"], source["table"])
        if table is None:
            return None
        key = self._key(key_header, schema, place) if key_header else ()
        same = (str(schema.layout), table, schema.columns, key)
        return self._same.setdefault(same, _Reading(table, schema.columns, key, Container(schema.layout)))

    def _key(self, header: bytes, schema: RowSchema, place: str) -> tuple[str, ...]:
        names = {column.field: column.name for column in schema.columns}
        fields = read_key_schema(self._schema_by_id(_schema_id(header, place)))
        missing = [name for name in fields if name not in names]
        if missing:
            raise DecodeError(f"{place}: the key has a field {missing[0]!r} that the row has not")
        return tuple(names[name] for name in fields)


def _decode_group(reading: _Reading, group: _Group, messages: Sequence[Message], shards: Mapping[str, str]) -> Decoded:
    try:
        events = reading.container.decode(group.bodies)
    except Exception as error:
        raise DecodeError(f"{_place(group.first)} or after: {error}") from error
    source = events["source"].struct
    lsn = source.field("lsn")
    if lsn.null_count():
        # Rows of an incremental snapshot have no LSN; the last of `sequence` is the stream's position then.
        lsn = lsn.fill_null(source.field("sequence").str.extract(r'"(\d+)"\]$').cast(pl.Int64))
    meta = pl.DataFrame(
        {
            SEQUENCE: pl.Series(group.sequences, dtype=pl.Int64),
            SHARD: source.field("name").replace(shards),
            LSN: lsn,
            SOURCE_TS: source.field("ts_us"),
            "op": events["op"],
            "before": events["before"],
            "after": events["after"],
        }
    )
    truncates = tuple(
        TruncateEvent(shard, at, sequence)
        for shard, at, sequence in meta.filter(pl.col("op") == "t").select(SHARD, LSN, SEQUENCE).iter_rows()
    )
    changes = meta.filter(pl.col("op").is_in(["c", "r", "u", "d"]))
    rows = _rows(changes, reading.columns)
    if any(column.type.toastable for column in reading.columns):
        rows = rows.with_columns(_departing(rows, messages))
    return Decoded(reading.table, reading.columns, reading.key, rows, truncates)


def _departing(rows: pl.DataFrame, messages: Sequence[Message]) -> pl.Series:
    """Tell the deletes that are halves of key changes; only their rows' large values can be missed later."""
    deletes = rows.filter(pl.col(DELETED))[SEQUENCE]
    departing = [n for n in deletes if any(name == _NEW_KEY for name, _ in messages[n].headers() or ())]
    return rows[SEQUENCE].is_in(departing).alias(DEPARTS)


def _rows(changes: pl.DataFrame, columns: Sequence[Column]) -> pl.DataFrame:
    deleted = changes["op"] == "d"
    image = changes.select(pl.when(pl.col("op") == "d").then("before").otherwise("after").alias("image"))["image"]
    series = [
        changes[SEQUENCE],
        changes["op"].is_in(["c", "r"]).alias(BORN),
        changes[SHARD].alias(SHARD),
        changes[LSN],
        changes[SOURCE_TS],
        deleted.alias(DELETED),
        pl.repeat(value=False, n=changes.height, dtype=pl.Boolean, eager=True).alias(DEPARTS),
    ]
    for column in columns:
        values, masked = column.read(image.struct.field(column.field))
        series.append(values)
        if masked is not None:
            series.append((masked & ~deleted).alias(unchanged(column.name)))
    return pl.DataFrame(series)


def _schema_id(header: bytes, place: str) -> int:
    if len(header) < _HEADER or header[0] != 0:
        raise DecodeError(
            f"{place}: the bytes do not begin with a schema id",
            hint="the connector's converters have to be Avro in the Confluent form (`connectors apply` sets them)",
        )
    return int.from_bytes(header[1:], "big")


def _source_of(schema: dict[str, Any], body: bytes, place: str) -> dict[str, Any]:
    try:
        event: Any = fastavro.schemaless_reader(io.BytesIO(body), fastavro.parse_schema(schema), None)
    except Exception as error:
        raise DecodeError(
            f"{place}: the bytes are not of the schema that they name ({type(error).__name__}: {error})",
            hint="the message is damaged, or the registry has lost its ids",
        ) from error
    source: dict[str, Any] = event["source"]
    return source


def _place(message: Message | None) -> str:
    if message is None:
        return "an event"
    return f"topic {message.topic()!r} partition {message.partition()} offset {message.offset()}"

"""From messages to frames of rows: thousands at a time, by the schemas that wrote them."""

import io
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import fastavro
import polars as pl
import structlog

from afflux.errors import DecodeError, PoisonError, TableError, UnsupportedTypeError
from afflux.sinks.batch import DELETED, LINEAGE, LSN, SEQUENCE, SHARD, SOURCE_TS, TRANSACTION, Mode, unchanged
from afflux.stream import declared_key
from afflux.stream.decoded import BORN, DEPARTS, INCREMENTAL, Decoded, Message, TruncateEvent
from afflux.stream.envelope import RowSchema, read_key_schema, read_value_schema
from afflux.stream.ocf import Container
from afflux.stream.router import Route, Router
from afflux.transforms.masks import TEXTS, Mask, masked
from afflux.types.columns import Column
from afflux.types.postgres import PgType

log = structlog.get_logger()

_NEW_KEY = "__debezium.newkey"
"""The header of a delete that is one half of a key change."""

_HEADER = 5
"""Bytes before the body: a zero, and the schema's id (the Confluent wire format)."""


class _Named(Protocol):
    def __call__(self, prefixes: pl.Series, *, shared: bool) -> pl.Series: ...


@dataclass(frozen=True, slots=True)
class _Reading:
    """How events with one pair of schemas from one topic are read; made at their first event."""

    route: Route
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    own_key: tuple[str, ...]
    written: dict[str, Any]
    container: Container
    shared: bool = False
    """Whether several shards' events are in the topic."""

    @property
    def splits(self) -> bool:
        """Whether a change of key may come in one event, for the events' own key is another."""
        return set(self.key) != set(self.own_key)


@dataclass(slots=True)
class _Group:
    sequences: list[int] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    first: Message | None = None


class Decoder:
    """Decodes messages and routes them.

    Args:
        schema_by_id: gives a registered schema as JSON, None for an id that is not registered; raises RegistryError.
        router: where events go.
        shards: shard names by `source.name`, which is the topic prefix.
    """

    def __init__(
        self, schema_by_id: Callable[[int], dict[str, Any] | None], router: Router, shards: Mapping[str, str]
    ) -> None:
        self._schema_by_id = schema_by_id
        self._router = router
        self._shards = dict(shards)
        self._readings: dict[tuple[str, bytes, bytes], _Reading | None] = {}
        self._same: dict[tuple[object, ...], _Reading] = {}

    def decode(self, messages: Sequence[Message]) -> list[Decoded]:
        """Decode messages in their order of arrival; tombstones and tables not declared are left out.

        Raises:
            PoisonError: bytes that are no event, or not of their schema; it says which.
            TableError: a topic can't be read on: an id that is not registered, a type that is not handled.
            DecodeError: the registry has lost its ids.
            RegistryError: the registry does not answer.
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
        named = self._named
        joined: dict[int, tuple[_Reading, _Group]] = {}
        for kind, group in split.items():
            reading = self._reading(kind, group)
            if reading is None:
                continue
            _, whole = joined.setdefault(id(reading), (reading, _Group(first=group.first)))
            whole.sequences += group.sequences
            whole.bodies += group.bodies
        return [_decode_group(reading, group, messages, named) for reading, group in joined.values()]

    def _named(self, prefixes: pl.Series, *, shared: bool) -> pl.Series:
        """Give the shards of events by their `source.name`."""
        if shared:
            # A topic of several shards may have events of one that has left, or that is in no topology read so far.
            for prefix in set(prefixes.unique()) - self._shards.keys():
                self._shards[prefix] = self._router.shard_of(prefix)
        return prefixes.replace(self._shards)

    def topics_of(self, table: str) -> frozenset[str]:
        """Give the topics that are known to feed a target table."""
        return frozenset(
            topic for (topic, _, _), r in self._readings.items() if r is not None and str(r.route.table) == table
        )

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
        written = self._schema(topic, value_header, group)
        try:
            schema = read_value_schema(written)
        except UnsupportedTypeError as error:
            raise TableError(f"topic {topic!r}, {error.message}", topic=topic, hint=error.hint) from None
        except DecodeError as error:
            raise PoisonError("no change event", dict.fromkeys(group.sequences, error.message)) from None
        source = _source_of(written, group)
        named = ".".join((source["name"], source["schema"], source["table"]))
        if not self._router.is_record_of(schema.record, named, topic):
            raise DecodeError(
                f"{_place(group.first)}: the registry's schema is of {schema.record!r}, and the event is of {named!r}",
                hint="the registry has lost or changed its ids; nothing was written",
            )
        route = self._router.route(topic, source["schema"], source["table"])
        if route is None:
            return None
        own_key = self._key(topic, key_header, schema, group) if key_header else ()
        appended = route.keeping.mode is Mode.APPEND
        key = own_key if appended else _declared(topic, route, schema) or own_key
        _see_that_masks_fit(topic, route, schema, {*key, *own_key})
        _warn_of_risks(topic, schema)
        shared = self._router.shares(topic)
        same = (str(schema.layout), route, schema.columns, key, own_key, shared)
        reading = _Reading(route, schema.columns, key, own_key, written, Container(schema.layout), shared)
        return self._same.setdefault(same, reading)

    def _schema(self, topic: str, header: bytes, group: _Group) -> dict[str, Any]:
        if len(header) < _HEADER or header[0] != 0:
            reason = "the bytes do not begin with a schema id: the connector's converters have to be Avro in the Confluent form"
            raise PoisonError("no schema id", dict.fromkeys(group.sequences, f"{_place(group.first)}: {reason}"))
        number = int.from_bytes(header[1:], "big")
        schema = self._schema_by_id(number)
        if schema is None:
            raise TableError(
                f"{_place(group.first)}: schema id {number} is not in the registry",
                topic=topic,
                hint="is registry.url the registry that the connectors write to, and has it kept its ids?",
            )
        return schema

    def _key(self, topic: str, header: bytes, schema: RowSchema, group: _Group) -> tuple[str, ...]:
        names = {column.field: column.name for column in schema.columns}
        fields = [f for f in read_key_schema(self._schema(topic, header, group)) if f not in self._router.key_fields]
        missing = [name for name in fields if name not in names]
        if missing:
            raise TableError(f"topic {topic!r}: the key has a field {missing[0]!r} that the row has not", topic=topic)
        return tuple(names[name] for name in fields)


def _declared(topic: str, route: Route, schema: RowSchema) -> tuple[str, ...]:
    missing = set(route.key) - {column.name for column in schema.columns}
    if missing:
        raise TableError(
            f"topic {topic!r}: the declared key's column {min(missing)!r} is not in the table",
            topic=topic,
            hint="look at the table's `key` in the topology; names are compared with their capitals",
        )
    return route.key


def _see_that_masks_fit(topic: str, route: Route, schema: RowSchema, key: Collection[str]) -> None:
    """Refuse what can't be masked, before any value of it is read.

    Raises:
        TableError: the key is masked, or a type whose values have no text of PostgreSQL's own here.
    """
    types = {column.name: column.type for column in schema.columns}
    made = {column.name: Mask(column.mask.partition(":")[0]) for column in schema.columns if column.mask}
    for name, mask in [*route.masks, *made.items()]:
        if name in key:
            raise TableError(
                f"topic {topic!r}: column {name!r} is masked, and it is of the key, which tells rows apart",
                topic=topic,
                hint="leave the key as it is, or give the table another `key`",
            )
        if name in types and not mask.fits(types[name]):
            raise TableError(
                f"topic {topic!r}: column {name!r} can't be masked by `{mask.kind}`, for it is of type {types[name].name}",
                topic=topic,
                hint=f"`mask: remove` is for every type, the others for {', '.join(sorted(TEXTS))}",
            )


def _decode_group(reading: _Reading, group: _Group, messages: Sequence[Message], named: _Named) -> Decoded:
    try:
        events = reading.container.decode(group.bodies)
    except Exception as error:
        raise _poison(reading.written, group, messages, error) from error
    source = events["source"].struct
    lsn = source.field("lsn")
    if lsn.null_count():
        # Rows of an incremental snapshot have no LSN; the last of `sequence` is the stream's position then.
        lsn = lsn.fill_null(source.field("sequence").str.extract(r'"(\d+)"\]$').cast(pl.Int64))
    incremental = (source.field("snapshot") == "incremental").fill_null(value=False)
    meta = pl.DataFrame(
        {
            SEQUENCE: pl.Series(group.sequences, dtype=pl.Int64),
            SHARD: named(source.field("name"), shared=reading.shared),
            LSN: lsn,
            SOURCE_TS: source.field("ts_us"),
            **({INCREMENTAL: incremental} if incremental.any() else {}),
            "op": events["op"],
            "before": events["before"],
            "after": events["after"],
            TRANSACTION: _transaction(events["source"]),
        }
    )
    route, topic = reading.route, messages[group.sequences[0]].topic()
    truncates = tuple(
        TruncateEvent(shard, lsn, n, at.topic(), time, at.partition(), at.offset(), transaction)
        for shard, lsn, n, time, transaction in meta.filter(pl.col("op") == "t")
        .select(SHARD, LSN, SEQUENCE, SOURCE_TS, TRANSACTION)
        .iter_rows()
        for at in (messages[n],)
    )
    changes = meta.filter(pl.col("op").is_in(["c", "r", "u", "d"]))
    if reading.splits or route.keeping.mode is Mode.HISTORY:
        _see_that_order_is_kept(reading, group, messages)
    if reading.splits:
        fields = {column.name: column.field for column in reading.columns}
        changes = declared_key.split(changes, [fields[name] for name in reading.key], topic)
    rows = _rows(changes, reading.columns, reading.key)
    if route.key and route.keeping.mode is not Mode.APPEND:
        declared_key.check(rows, DELETED, reading.key, topic)
    if route.keeping.traced:
        rows = rows.with_columns(_lineage(changes, messages))
    if any(column.type.toastable for column in reading.columns):
        rows = rows.with_columns(_departing(rows, messages))
    columns, masks = reading.columns, dict(route.masks)
    made = {column.name for column in columns if column.mask}
    if masks or made:
        # What was masked at the source is not masked again: the same key has made the same hash there.
        rows = masked(rows, {n: mask for n, mask in masks.items() if n not in made or mask.kind == "remove"})
        columns = tuple(replace(c, type=PgType("text")) if c.name in {*masks, *made} else c for c in columns)
    return Decoded(
        route.table, columns, reading.key, rows, truncates, route.with_shard, route.keeping, masks, reading.shared
    )


def _transaction(source: pl.Series) -> pl.Series:
    if isinstance(source.dtype, pl.Struct) and "txId" in source.struct.fields:
        return source.struct.field("txId").cast(pl.Int64)
    return pl.repeat(None, source.len(), dtype=pl.Int64, eager=True)


def _lineage(changes: pl.DataFrame, messages: Sequence[Message]) -> list[pl.Series]:
    at = [messages[sequence] for sequence in changes[SEQUENCE]]
    lineage = (
        changes["op"],
        pl.Series([message.topic() for message in at], dtype=pl.String),
        pl.Series([message.partition() for message in at], dtype=pl.Int32),
        pl.Series([message.offset() for message in at], dtype=pl.Int64),
        changes[TRANSACTION],
    )
    return [values.alias(name) for name, values in zip(LINEAGE, lineage, strict=True)]


def _see_that_order_is_kept(reading: _Reading, group: _Group, messages: Sequence[Message]) -> None:
    """Refuse several partitions where they lose an order that the table needs.

    Raises:
        TableError: an event came by another partition than the first.
    """
    elsewhere = next((n for n in group.sequences if messages[n].partition() > 0), None)
    if elsewhere is None:
        return
    topic = messages[elsewhere].topic()
    if reading.splits:
        raise TableError(
            f"topic {topic!r} has several partitions, and its events are not spread by the declared key "
            f"({', '.join(reading.key)}), so that a row's events have no order",
            topic=topic,
            hint="`connectors apply` lets the connector give its events this key",
        )
    raise TableError(
        f"topic {topic!r} has several partitions, and its table is a history, which is told in order",
        topic=topic,
        hint="let a topic of one partition take its place (`connectors apply` makes it so), or let the table be `mode: append`",
    )


def _poison(schema: dict[str, Any], group: _Group, messages: Sequence[Message], error: Exception) -> Exception:
    """Find the bodies that are not of their schema, one by one."""
    parsed = fastavro.parse_schema(schema)
    reasons = {}
    for sequence, body in zip(group.sequences, group.bodies, strict=True):
        reason = _unreadable(parsed, body)
        if reason:
            reasons[sequence] = f"{_place(messages[sequence])}: {reason}"
    if reasons:
        return PoisonError("not of its schema", reasons)
    return DecodeError(f"{_place(group.first)} or after: {error}", hint="each of these events can be read alone")


def _unreadable(parsed: Any, body: bytes) -> str:
    stream = io.BytesIO(body)
    try:
        fastavro.schemaless_reader(stream, parsed, None)
    except Exception as error:  # noqa: BLE001 - whatever it is, the event can't be read
        return f"the bytes are not of the schema that they name ({type(error).__name__}: {error})"
    left = len(body) - stream.tell()
    return f"{left} byte(s) too many for the schema that they name" if left else ""


def _departing(rows: pl.DataFrame, messages: Sequence[Message]) -> pl.Series:
    """Tell the deletes that are halves of key changes; only their rows' large values can be missed later."""
    deletes = rows.filter(pl.col(DELETED))[SEQUENCE]
    departing = [n for n in deletes if any(name == _NEW_KEY for name, _ in messages[n].headers() or ())]
    return rows[SEQUENCE].is_in(departing).alias(DEPARTS)


def _rows(changes: pl.DataFrame, columns: Sequence[Column], key: Sequence[str]) -> pl.DataFrame:
    deleted = changes["op"] == "d"
    any_deleted = bool(deleted.any())
    image = changes.select(pl.when(pl.col("op") == "d").then("before").otherwise("after").alias("image"))["image"]
    series = [
        changes[SEQUENCE],
        changes["op"].is_in(["c", "r"]).alias(BORN),
        changes[SHARD].alias(SHARD),
        changes[LSN],
        changes[SOURCE_TS],
        deleted.alias(DELETED),
        pl.repeat(value=False, n=changes.height, dtype=pl.Boolean, eager=True).alias(DEPARTS),
        *([changes[INCREMENTAL]] if INCREMENTAL in changes.columns else []),
    ]
    for column in columns:
        values, masked = column.read(image.struct.field(column.field))
        if any_deleted and key and column.name not in key:
            # What a delete says besides the key is made up: zeros, empty texts, defaults (observed). Deletes
            # without any key are there only where all of the row is sent.
            values = values.set(deleted, None)
        series.append(values)
        if masked is not None:
            series.append((masked & ~deleted).alias(unchanged(column.name)))
    return pl.DataFrame(series)


def _source_of(schema: dict[str, Any], group: _Group) -> dict[str, Any]:
    """Read the source block of the first event that can be read."""
    parsed = fastavro.parse_schema(schema)
    reasons = {}
    for sequence, body in zip(group.sequences, group.bodies, strict=True):
        reason = _unreadable(parsed, body)
        if not reason:
            event: Any = fastavro.schemaless_reader(io.BytesIO(body), parsed, None)
            source: dict[str, Any] = event["source"]
            return source
        reasons[sequence] = f"{_place(group.first)} or after: {reason}"
    raise PoisonError("not of its schema", reasons)


def _warn_of_risks(topic: str, schema: RowSchema) -> None:
    """Name the columns whose values stock Debezium and its converter may change, once a schema."""
    defaults = [column.name for column in schema.columns if column.default]
    hidden = [column.name for column in schema.columns if column.hides_unchanged]
    if defaults:
        log.warning("a NULL in these columns arrives as their default", topic=topic, columns=defaults, hint=_RISK_HINT)
    if hidden:
        log.warning(
            "an unchanged large value in these columns arrives as NULL", topic=topic, columns=hidden, hint=_RISK_HINT
        )


_RISK_HINT = "afflux's Connect plugin mends this; see docs/plugin.md"


def _place(message: Message | None) -> str:
    if message is None:
        return "an event"
    return f"topic {message.topic()!r} partition {message.partition()} offset {message.offset()}"

"""From messages of one kind to frames of rows."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import polars as pl

from afflux.errors import TableError
from afflux.sinks.batch import DELETED, LINEAGE, LSN, SEQUENCE, SHARD, SOURCE_TS, TRANSACTION, Mode, unchanged
from afflux.stream import declared_key
from afflux.stream.decoded import BORN, DEPARTS, INCREMENTAL, Decoded, Message, TruncateEvent
from afflux.stream.ocf import Container
from afflux.stream.router import Route
from afflux.stream.singly import Group, poison
from afflux.transforms.masks import masked
from afflux.types.columns import Column
from afflux.types.postgres import PgType

_NEW_KEY = "__debezium.newkey"
"""The header of a delete that is one half of a key change."""


class Named(Protocol):
    """Gives the shards of events by their `source.name`."""

    def __call__(self, prefixes: pl.Series, *, shared: bool) -> pl.Series:
        """Look them up; `shared` where events of several shards are in one topic."""


@dataclass(frozen=True, slots=True)
class Reading:
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


def read(reading: Reading, group: Group, messages: Sequence[Message], named: Named) -> Decoded:
    """Read messages of one kind.

    Args:
        reading: how.
        group: which of the messages.
        messages: all of them, in their order of arrival.
        named: knows the shards.

    Raises:
        PoisonError: bytes that are not of their schema; it says which.
        DecodeError: bytes that can't be read together, though each can alone.
        TableError: the topic has several partitions, and its table needs an order that they lose.
    """
    try:
        events = reading.container.decode(group.values, group.heads)
    except Exception as error:
        raise poison(reading.written, group, messages, error) from error
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


def _see_that_order_is_kept(reading: Reading, group: Group, messages: Sequence[Message]) -> None:
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

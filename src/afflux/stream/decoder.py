"""From messages to frames of rows: thousands at a time, by the schemas that wrote them."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import polars as pl
import structlog

from afflux.errors import DecodeError, PoisonError, TableError, UnsupportedTypeError
from afflux.sinks.batch import WIRE_HEADER, Mode
from afflux.stream.decoded import Decoded, Message
from afflux.stream.envelope import RowSchema, read_key_schema, read_value_schema
from afflux.stream.ocf import Container
from afflux.stream.reading import Reading, read
from afflux.stream.router import Route, Router
from afflux.stream.singly import Group, place, source_of
from afflux.transforms.masks import TEXTS, Mask

log = structlog.get_logger()


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
        self._readings: dict[tuple[str, bytes, bytes], Reading | None] = {}
        self._same: dict[tuple[object, ...], Reading] = {}

    def decode(self, messages: Sequence[Message]) -> list[Decoded]:
        """Decode messages in their order of arrival; tombstones and tables not declared are left out.

        Raises:
            PoisonError: bytes that are no event, or not of their schema; it says which.
            TableError: a topic can't be read on: an id that is not registered, a type that is not handled.
            DecodeError: the registry has lost its ids.
            RegistryError: the registry does not answer.
        """
        split: dict[tuple[str, bytes, bytes], Group] = {}
        for sequence, message in enumerate(messages):
            value = message.value()
            if value is None:
                continue
            kind = (message.topic(), value[:WIRE_HEADER], (message.key() or b"")[:WIRE_HEADER])
            group = split.get(kind)
            if group is None:
                group = split[kind] = Group(first=message, heads={kind[1]})
            group.sequences.append(sequence)
            group.values.append(value)
        named = self._named
        joined: dict[int, tuple[Reading, Group]] = {}
        for kind, group in split.items():
            reading = self._reading(kind, group)
            if reading is None:
                continue
            _, whole = joined.setdefault(id(reading), (reading, Group(first=group.first)))
            whole.sequences += group.sequences
            whole.values += group.values
            whole.heads |= group.heads
        return [read(reading, group, messages, named) for reading, group in joined.values()]

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

    def _reading(self, kind: tuple[str, bytes, bytes], group: Group) -> Reading | None:
        if kind not in self._readings:
            self._readings[kind] = self._learn(kind, group)
        return self._readings[kind]

    def _learn(self, kind: tuple[str, bytes, bytes], group: Group) -> Reading | None:
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
        source = source_of(written, group)
        named = ".".join((source["name"], source["schema"], source["table"]))
        if not self._router.is_record_of(schema.record, named, topic):
            raise DecodeError(
                f"{place(group.first)}: the registry's schema is of {schema.record!r}, and the event is of {named!r}",
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
        reading = Reading(route, schema.columns, key, own_key, written, Container(schema.layout), shared)
        return self._same.setdefault(same, reading)

    def _schema(self, topic: str, header: bytes, group: Group) -> dict[str, Any]:
        if len(header) < WIRE_HEADER or header[0] != 0:
            reason = "the bytes do not begin with a schema id: the connector's converters have to be Avro in the Confluent form"
            raise PoisonError("no schema id", dict.fromkeys(group.sequences, f"{place(group.first)}: {reason}"))
        number = int.from_bytes(header[1:], "big")
        schema = self._schema_by_id(number)
        if schema is None:
            raise TableError(
                f"{place(group.first)}: schema id {number} is not in the registry",
                topic=topic,
                hint="is registry.url the registry that the connectors write to, and has it kept its ids?",
            )
        return schema

    def _key(self, topic: str, header: bytes, schema: RowSchema, group: Group) -> tuple[str, ...]:
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

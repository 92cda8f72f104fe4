"""Events that came without unchanged values, completed by the rows at their shards.

A row at its shard is as it is now, not as it was at the event. That is right in the end: what has changed since comes
by later events, and an event never leaves out what it has changed itself. A row that is not there any more is deleted
by a later event; until then the event is left out.
"""

import io
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import fastavro
import polars as pl

from afflux.clients.postgres import Login
from afflux.clients.rows import Rows as ShardRows
from afflux.clients.servers import login
from afflux.errors import SourceError
from afflux.sinks.batch import SEQUENCE, SHARD, WIRE_HEADER, LetterId, unchanged
from afflux.stream.decoded import Decoded, Message
from afflux.stream.holding import place
from afflux.topology.model import ReadBack, Topology

Texts = tuple[str | None, ...]


class Rows(Protocol):
    """Reads rows at shards: `clients.rows.Rows`."""

    def by_key(
        self,
        shard: str,
        table: tuple[str, str],
        key: Sequence[str],
        keys: Sequence[Sequence[str]],
        columns: Sequence[str],
    ) -> list[Texts | None]:
        """Give columns of rows as text; None for a row that is not there."""
        ...


@dataclass(slots=True)
class Completed:
    """What was read at the shards for a batch.

    Attributes:
        values: of events, by where they were read: the columns that they left out, as text.
        gone: events whose rows are not at their shards any more.
    """

    values: dict[LetterId, dict[str, str | None]] = field(default_factory=dict)
    gone: set[LetterId] = field(default_factory=set)

    def __contains__(self, event: LetterId) -> bool:
        return event in self.values or event in self.gone


class Completer:
    """Reads what events left out.

    Args:
        rows: reads at the shards.
        schema_by_id: gives a registered schema as JSON.
    """

    def __init__(self, rows: Rows, schema_by_id: Callable[[int], dict[str, Any] | None]) -> None:
        self._rows = rows
        self._schema_by_id = schema_by_id
        self._tables: dict[tuple[str, bytes], tuple[str, str]] = {}

    def read(
        self, decoded: Sequence[Decoded], messages: Sequence[Message], events: Collection[int], into: Completed
    ) -> dict[str, int]:
        """Read what some events of a batch left out.

        Args:
            decoded: the batch's events.
            messages: its messages.
            events: which, by their order of arrival.
            into: takes what is found.

        Returns:
            How many rows were completed, by shard.

        Raises:
            SourceError: a shard can't be reached, or refuses.
            RegistryError: the registry does not answer.
        """
        counts: dict[str, int] = {}
        for part in decoded:
            rows = part.rows.filter(pl.col(SEQUENCE).is_in(list(events)))
            for (shard,), some in rows.partition_by(SHARD, as_dict=True).items():
                done = self._read_part(part, str(shard), some, messages, into)
                counts[str(shard)] = counts.get(str(shard), 0) + done
        return counts

    def _read_part(
        self, part: Decoded, shard: str, rows: pl.DataFrame, messages: Sequence[Message], into: Completed
    ) -> int:
        names = [c.name for c in part.columns if unchanged(c.name) in rows.columns and c.name not in part.key]
        masks = {name: rows[unchanged(name)].fill_null(value=False).to_list() for name in names}
        places = [place(messages[sequence]) for sequence in rows[SEQUENCE]]
        of_table: dict[tuple[str, str], list[int]] = {}
        for number, sequence in enumerate(rows[SEQUENCE]):
            into.values[places[number]] = {}
            if any(masks[name][number] for name in names):
                of_table.setdefault(self._table_of(messages[sequence]), []).append(number)
        done = 0
        keys = list(zip(*(key_texts(rows[name]) for name in part.key), strict=True))
        for table, numbers in of_table.items():
            found = self._rows.by_key(shard, table, part.key, [keys[n] for n in numbers], names)
            for number, texts in zip(numbers, found, strict=True):
                if texts is None:
                    del into.values[places[number]]
                    into.gone.add(places[number])
                else:
                    left_out = {n: text for n, text in zip(names, texts, strict=True) if masks[n][number]}
                    into.values[places[number]] = {
                        name: part.masks[name].text(text) if name in part.masks else text
                        for name, text in left_out.items()
                    }
                    done += 1
        return done

    def _table_of(self, message: Message) -> tuple[str, str]:
        """Read which table at the source an event is of."""
        value = message.value() or b""
        kind = (message.topic(), value[:WIRE_HEADER])
        if kind not in self._tables:
            schema = self._schema_by_id(int.from_bytes(value[1:WIRE_HEADER], "big"))
            if schema is None:
                raise SourceError(f"topic {message.topic()!r}: the schema of an event is not in the registry any more")
            event: Any = fastavro.schemaless_reader(io.BytesIO(value[WIRE_HEADER:]), schema, None)
            self._tables[kind] = (event["source"]["schema"], event["source"]["table"])
        return self._tables[kind]


def completer(topology: Topology, schema_by_id: Callable[[int], dict[str, Any] | None]) -> Completer | None:
    """Make what completes events, as the topology says; None where it may not be done.

    Args:
        topology: the declared whole, its shards resolved.
        schema_by_id: gives a registered schema as JSON.
    """
    how = topology.source.read_back
    if how is False:
        return None
    shards = {shard.name: shard for shard in topology.shards}

    def login_of(name: str) -> Login | None:
        return login(topology, shards[name]) if name in shards else None

    limit = how if isinstance(how, ReadBack) else ReadBack()
    return Completer(ShardRows(login_of, limit.connections), schema_by_id)


def complete(decoded: Sequence[Decoded], messages: Sequence[Message], by: Completed) -> list[Decoded]:
    """Give a batch's events with what was read for them, and without those whose rows are gone."""
    if not by.values and not by.gone:
        return list(decoded)
    places = {place(message): sequence for sequence, message in enumerate(messages)}
    gone = [places[at] for at in by.gone if at in places]
    values = {places[at]: found for at, found in by.values.items() if at in places and found}
    return [_with(part, values, gone) for part in decoded]


def _with(part: Decoded, values: Mapping[int, Mapping[str, str | None]], gone: Collection[int]) -> Decoded:
    rows = part.rows.filter(~pl.col(SEQUENCE).is_in(list(gone))) if gone else part.rows
    of_part = {sequence: values[sequence] for sequence in rows[SEQUENCE] if sequence in values}
    for name in {name for found in of_part.values() for name in found}:
        known = {sequence: found[name] for sequence, found in of_part.items() if name in found}
        texts = pl.Series(list(known.values()), dtype=pl.String)
        read = pl.DataFrame(
            {
                SEQUENCE: pl.Series(list(known), dtype=rows[SEQUENCE].dtype),
                "afflux.read": _held(texts, rows[name].dtype),
            }
        )
        is_known = pl.col(SEQUENCE).is_in(list(known))
        rows = (
            rows.join(read, on=SEQUENCE, how="left", maintain_order="left")
            .with_columns(
                pl.when(is_known).then("afflux.read").otherwise(name).alias(name),
                (pl.col(unchanged(name)) & ~is_known).alias(unchanged(name)),
            )
            .drop("afflux.read")
        )
    return replace(part, rows=rows)


def _held(texts: pl.Series, dtype: pl.DataType) -> pl.Series:
    """Turn PostgreSQL's text into the form that a frame holds; only texts and bytes are ever left out."""
    return texts.str.strip_prefix("\\x").str.decode("hex") if dtype == pl.Binary else texts


def key_texts(values: pl.Series) -> list[str]:
    """Write values of a key as PostgreSQL reads them."""
    if values.dtype == pl.Binary:
        return [f"\\x{value.hex()}" for value in values]
    if values.dtype == pl.Boolean:
        return ["true" if value else "false" for value in values]
    return [value if isinstance(value, str) else repr(value) for value in values]

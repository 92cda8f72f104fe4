"""Rows whose fate columns alone do not tell: keys of several shards, changes of keys, truncates that overtake. Pure.

They are few. What happens to them is said by the contract's reference, the target in memory: it is given their
versions and their events, and what it leaves is what the table is to hold. It never sees a value: a key stands
there as a number, and a value as the number of the row that holds it, so that every value stays as it is.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, NamedTuple, TypeVar

import polars as pl

from afflux.sinks.base import (
    DELETED,
    MOVED_AT,
    SEQUENCE,
    SHARD,
    SOURCE_TS,
    TableChanges,
    TableName,
    TargetColumn,
    unchanged,
)
from afflux.sinks.delta.columns import META, SYNCED_AT
from afflux.sinks.memory import Memory
from afflux.sinks.memory_store import Departed, Move
from afflux.types.postgres import PgType

KIND, AT, UNKNOWN, ORIGIN = "afflux_kind", "afflux_at", "afflux_unknown", "afflux_origin"
ASIDE: dict[str, pl.DataType] = {
    KIND: pl.String(),
    AT: pl.Int64(),
    UNKNOWN: pl.List(pl.String()),
    ORIGIN: pl.Int64(),
}
"""The columns that a table of rows set aside has before the others."""


class Kind(StrEnum):
    """Why a row is set aside."""

    CONTESTED = "contested"
    """Another shard's row of its key is shown."""
    DEPARTED = "departed"
    """It is as it was when its key changed, at the LSN `AT`, for the other half; it had come by that at `ORIGIN`."""
    ARRIVED = "arrived"
    """It came from another key by the change at the LSN `AT`, and waits for the values of the columns `UNKNOWN`."""


Value = TypeVar("Value")
Row = dict[str, Any]
Place = tuple[Kind, str, int, int]
"""Of a row set aside: why, the shard, the LSN, the key's number."""

_KEY = "afflux.key"
_INTEGER = PgType("int8")
_NAMED = {name: name.replace("afflux.", "_") for name in META if name != SYNCED_AT}
"""How the reference calls afflux's own columns."""


class Change(NamedTuple):
    """How a table's rows are to change: those that are to be there, and the keys of those to go."""

    rows: pl.DataFrame
    gone: pl.DataFrame


@dataclass(frozen=True)
class Odd:
    """A batch's odd keys, with all that is known of them.

    Attributes:
        changes: the batch's changes of the odd keys, values in the table's types.
        types: the table's columns, afflux's own among them.
        shown: the table's rows of the odd keys.
        aside: the rows set aside that matter.
    """

    changes: TableChanges
    types: Mapping[str, pl.DataType]
    shown: pl.DataFrame
    aside: pl.DataFrame


class Settlement:
    """Gives the reference what it needs to settle odd keys, and reads what it has left.

    Args:
        odd: the odd keys.
    """

    def __init__(self, odd: Odd) -> None:
        self._changes, self._types, self._table = odd.changes, odd.types, odd.changes.table
        key = list(odd.changes.key)
        sources = [name for name in odd.types if name not in META]
        self._others = [name for name in sources if name not in key]
        self._meta = [name for name in odd.types if name in _NAMED]
        departed = odd.changes.departed
        parts = [odd.shown, odd.aside, odd.changes.rows, *([] if departed is None else [departed])]
        nothing = pl.DataFrame(schema={name: odd.types[name] for name in sources})
        named = (part.select(name for name in sources if name in part.columns) for part in parts)
        self._values = pl.concat([nothing, *named], how="diagonal")
        keys = self._values.select(key)
        self._distinct = keys.unique(maintain_order=True)
        numbered = self._distinct.with_row_index(_KEY)
        self._keys: list[int] = keys.join(numbered, on=key, how="left", maintain_order="left")[_KEY].to_list()
        starts = [sum(part.height for part in parts[:n]) for n in range(len(parts))]
        self._shown = [self._version(n, row) for n, row in enumerate(_dicts(odd.shown), starts[0])]
        self._aside = dict(self._set_aside(n, row) for n, row in enumerate(_dicts(odd.aside), starts[1]))
        self._events = self._numbered(odd.changes.rows, starts[2])
        self._departed = None if departed is None else self._numbered(departed, starts[3])

    def load(self, memory: Memory) -> TableChanges:
        """Put the versions into a memory, and give the changes as the reference is to apply them."""
        versions = memory.tables.setdefault(self._table, {})
        for row in (*self._shown, *(row for place, row in self._aside.items() if place[0] is Kind.CONTESTED)):
            versions.setdefault((row[_KEY],), {})[row[_NAMED[SHARD]]] = dict(row)
        for (kind, shard, at, _), row in self._aside.items():
            if kind is Kind.DEPARTED:
                origin = row[ORIGIN] and (self._table, shard, row[ORIGIN])
                values = {name: value for name, value in row.items() if name in {*self._others, _KEY}}
                memory.moves[self._table, shard, at] = Departed(values, origin)
            elif kind is Kind.ARRIVED:
                memory.waiting[self._table, shard, at] = dict(row)
        columns = [TargetColumn(_KEY, _INTEGER)]
        columns += [TargetColumn(c.name, _INTEGER) for c in self._changes.columns if c.name not in self._changes.key]
        return replace(self._changes, columns=tuple(columns), key=(_KEY,), rows=self._events, departed=self._departed)

    def outcome(self, memory: Memory) -> tuple[Change, Change]:
        """Read what the reference has left: how the table is to change, and the table of rows set aside."""
        return self._outcome_shown(memory), self._outcome_aside(memory)

    # --- to numbers -------------------------------------------------------------------------------

    def _version(self, number: int, entry: Row) -> Row:
        row = {_KEY: self._keys[number], **dict.fromkeys(self._others, number)}
        return row | {_NAMED[name]: entry[name] for name in self._meta}

    def _set_aside(self, number: int, entry: Row) -> tuple[Place, Row]:
        kind = Kind(entry[KIND])
        place = (kind, entry[SHARD], entry[AT], self._keys[number])
        row = self._version(number, entry)
        if kind is Kind.DEPARTED:
            known = {name: value for name, value in row.items() if name not in entry[UNKNOWN]}
            return place, known | {ORIGIN: entry[ORIGIN]}
        if kind is Kind.ARRIVED:
            event = {name: entry[name] for name in self._meta} | {DELETED: False, SEQUENCE: -1, MOVED_AT: entry[AT]}
            event |= {name: row[name] for name in (_KEY, *self._others)}
            return place, event | {unchanged(name): True for name in entry[UNKNOWN]}
        return place, row

    def _numbered(self, rows: pl.DataFrame, start: int) -> pl.DataFrame:
        """Put numbers in the place of keys and values, and plain integers in that of times."""
        numbers = pl.int_range(start, start + rows.height, dtype=pl.Int64, eager=True)
        there = [name for name in self._others if name in rows.columns]
        keys = pl.Series(_KEY, self._keys[start : start + rows.height], dtype=pl.Int64)
        plain = rows.drop(self._changes.key).with_columns(keys, pl.col(SOURCE_TS).to_physical())
        return plain.with_columns(numbers.alias(name) for name in there)

    # --- and back ---------------------------------------------------------------------------------

    def _outcome_shown(self, memory: Memory) -> Change:
        with_shard = self._changes.with_shard
        before = {_place(row, with_shard=with_shard): row for row in self._shown}
        after = {_place(row, with_shard=with_shard): row for row in memory.rows(self._table).values()}
        changed = [row for place, row in after.items() if before.get(place) != row]
        gone = [row for place, row in before.items() if place not in after]
        return Change(self._frame(changed), self._frame(gone))

    def _outcome_aside(self, memory: Memory) -> Change:
        shown = {_place(row, with_shard=True) for row in memory.rows(self._table).values()}
        versions = [row for by_shard in memory.tables[self._table].values() for row in by_shard.values()]
        hidden = [row for row in versions if _place(row, with_shard=True) not in shown]
        after: dict[Place, Row] = {(Kind.CONTESTED, row[_NAMED[SHARD]], 0, row[_KEY]): row for row in hidden}
        for shard, at, half in _of(memory.moves, self._table):
            origin = half.origin[2] if half.origin else None
            after[Kind.DEPARTED, shard, at, half.row[_KEY]] = {**half.row, _NAMED[SHARD]: shard, ORIGIN: origin}
        for shard, at, event in _of(memory.waiting, self._table):
            after[Kind.ARRIVED, shard, at, event[_KEY]] = event
        changed = {place: row for place, row in after.items() if not self._was(place, row)}
        gone = {place: row for place, row in self._aside.items() if place not in after}
        return Change(self._frame_aside(changed), self._frame_aside(gone))

    def _was(self, place: Place, row: Row) -> bool:
        """Tell whether a row was set aside just so."""
        before = self._aside.get(place)
        return before is not None and all(before.get(name) == value for name, value in row.items())

    def _frame_aside(self, entries: Mapping[Place, Row]) -> pl.DataFrame:
        rows, unknown = [], []
        for (kind, *_), row in entries.items():
            if kind is Kind.ARRIVED:
                rows.append(row | {outer: row.get(inner) for inner, outer in _NAMED.items()})
                unknown.append([name for name in self._others if row.get(unchanged(name))])
            else:
                rows.append(row)
                unknown.append([name for name in self._others if name not in row])
        columns = {
            KIND: [str(kind) for kind, *_ in entries],
            AT: [at for _, _, at, _ in entries],
            UNKNOWN: unknown,
            ORIGIN: [row.get(ORIGIN) for row in rows],
        }
        return pl.concat([pl.DataFrame(columns, schema=ASIDE), self._frame(rows)], how="horizontal")

    def _frame(self, rows: Sequence[Row]) -> pl.DataFrame:
        """Put values in the place of numbers again."""
        keys = self._distinct[[row[_KEY] for row in rows]]
        columns = [keys[name] for name in self._changes.key]
        for name in self._others:
            numbers = pl.Series([row.get(name) for row in rows], dtype=pl.UInt32)
            columns.append(self._values[name].gather(numbers).alias(name))
        for name in self._meta:
            of = META[name]
            values = pl.Series(
                name, [row.get(_NAMED[name]) for row in rows], dtype=pl.Int64 if of.is_temporal() else of
            )
            columns.append(values.cast(of))
        return pl.DataFrame(columns)


def _dicts(rows: pl.DataFrame) -> Iterable[Row]:
    """Give what is no value of rows, times in microseconds since 1970."""
    names = [name for name in (*ASIDE, *_NAMED) if name in rows.columns]
    return rows.select(names).with_columns(pl.selectors.temporal().to_physical()).iter_rows(named=True)


def _of(moves: Mapping[Move, Value], table: TableName) -> Iterable[tuple[str, int, Value]]:
    """Give a table's part of what is known by changes of keys: shard, LSN, and what it is."""
    return [(shard, at, value) for (of, shard, at), value in moves.items() if of == table]


def _place(row: Row, *, with_shard: bool) -> tuple[Any, ...]:
    return (row[_KEY], row[_NAMED[SHARD]]) if with_shard else (row[_KEY],)

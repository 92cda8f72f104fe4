"""Rows whose fate columns alone do not tell: keys of several shards, changes of keys, truncates that overtake. Pure.

They are few. What happens to them is said by the contract's reference, the target in memory: it is given their
versions and their events, as numbers (`numbered.py`), and what it leaves is what the table is to hold.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, NamedTuple, TypeVar

import polars as pl

from afflux.sinks.batch import (
    DELETED,
    LINEAGE,
    LSN,
    MOVED_AT,
    SEQUENCE,
    SHARD,
    SOURCE_TS,
    TableChanges,
    TableName,
    unchanged,
)
from afflux.sinks.memory import Memory
from afflux.sinks.memory_store import Departed, Move
from afflux.sinks.reference.numbered import KEY, NAMED, Numbered, Row, plain_rows

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
Place = tuple[Kind, str, int, int]
"""Of a row set aside: why, the shard, the LSN, the key's number."""


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


_SHOWN, _ASIDE, _EVENTS, _DEPARTED = range(4)
"""The parts of what is numbered."""


class Settlement:
    """Gives the reference what it needs to settle odd keys, and reads what it has left.

    Args:
        odd: the odd keys.
    """

    def __init__(self, odd: Odd) -> None:
        self._changes, self._table = odd.changes, odd.changes.table
        departed = odd.changes.departed
        parts = [odd.shown, odd.aside, odd.changes.rows, *([] if departed is None else [departed])]
        self._numbered = Numbered(odd.changes, odd.types, parts)
        self._shown = [*self._numbered.rows(_SHOWN, odd.shown)]
        set_aside = zip(plain_rows(odd.aside, ASIDE), self._numbered.rows(_ASIDE, odd.aside), strict=True)
        self._aside = dict(self._set_aside(entry, row) for entry, row in set_aside)
        self._events = self._numbered.events(_EVENTS, odd.changes.rows)
        self._departed = None if departed is None else self._numbered.events(_DEPARTED, departed)

    def load(self, memory: Memory) -> TableChanges:
        """Put the versions into a memory, and give the changes as the reference is to apply them."""
        versions = memory.tables.setdefault(self._table, {})
        for row in (*self._shown, *(row for place, row in self._aside.items() if place[0] is Kind.CONTESTED)):
            versions.setdefault((row[KEY],), {})[row[NAMED[SHARD]]] = dict(row)
        load_moves(memory, self._table, self._aside)
        columns = self._numbered.changes(self._changes)
        return replace(self._changes, columns=columns, key=(KEY,), rows=self._events, departed=self._departed)

    def outcome(self, memory: Memory) -> tuple[Change, Change]:
        """Read what the reference has left: how the table is to change, and the table of rows set aside."""
        with_shard = self._changes.with_shard
        rows = [*memory.rows(self._table).values()]
        before = {_place(row, with_shard=with_shard): row for row in self._shown}
        after = {_place(row, with_shard=with_shard): row for row in rows}
        changed = [row for place, row in after.items() if before.get(place) != row]
        gone = [row for place, row in before.items() if place not in after]
        shown = Change(self._numbered.frame(changed), self._numbered.frame(gone))
        there = {_place(row, with_shard=True) for row in rows}
        versions = [row for by_shard in memory.tables[self._table].values() for row in by_shard.values()]
        hidden = [row for row in versions if _place(row, with_shard=True) not in there]
        contested: dict[Place, Row] = {(Kind.CONTESTED, row[NAMED[SHARD]], 0, row[KEY]): row for row in hidden}
        return shown, aside_change(self._numbered, self._aside, contested | moves_of(memory, self._table))

    def _set_aside(self, entry: Row, row: Row) -> tuple[Place, Row]:
        return set_aside(self._numbered, entry, row)


# --- rows set aside -------------------------------------------------------------------------------


def set_aside(numbered: Numbered, entry: Row, row: Row) -> tuple[Place, Row]:
    """Give a row set aside as the reference has it, and what it is known by.

    Args:
        numbered: its table's numbers.
        entry: its columns of `ASIDE`.
        row: the others, as numbers.
    """
    kind = Kind(entry[KIND])
    place = (kind, row[NAMED[SHARD]], entry[AT], row[KEY])
    if kind is Kind.DEPARTED:
        known = {name: value for name, value in row.items() if name not in entry[UNKNOWN]}
        return place, known | {ORIGIN: entry[ORIGIN]}
    if kind is Kind.ARRIVED:
        event = {name: row.get(NAMED[name]) for name in (SHARD, LSN, SOURCE_TS, *LINEAGE)}
        event |= {DELETED: False, SEQUENCE: None, MOVED_AT: entry[AT]}
        event |= {name: row[name] for name in (KEY, *numbered.others)}
        return place, event | {unchanged(name): True for name in entry[UNKNOWN]}
    return place, row


def load_moves(memory: Memory, table: TableName, aside: Mapping[Place, Row]) -> None:
    """Put halves of key changes into a memory."""
    own = {*NAMED.values(), ORIGIN}
    for (kind, shard, at, _), row in aside.items():
        if kind is Kind.DEPARTED:
            origin = (table, shard, row[ORIGIN]) if row[ORIGIN] is not None else None
            values = {name: value for name, value in row.items() if name not in own}
            memory.moves[table, shard, at] = Departed(values, origin)
        elif kind is Kind.ARRIVED:
            memory.waiting[table, shard, at] = dict(row)


def moves_of(memory: Memory, table: TableName) -> dict[Place, Row]:
    """Give a table's halves of key changes that a memory holds."""
    found: dict[Place, Row] = {}
    for shard, at, half in _of(memory.moves, table):
        origin = half.origin[2] if half.origin else None
        found[Kind.DEPARTED, shard, at, half.row[KEY]] = {**half.row, NAMED[SHARD]: shard, ORIGIN: origin}
    for shard, at, event in _of(memory.waiting, table):
        found[Kind.ARRIVED, shard, at, event[KEY]] = event
    return found


def aside_change(numbered: Numbered, before: Mapping[Place, Row], after: Mapping[Place, Row]) -> Change:
    """Give how the rows set aside change."""
    changed = {place: row for place, row in after.items() if not _is_so(row, before.get(place))}
    gone = {place: row for place, row in before.items() if place not in after}
    return Change(_aside_frame(numbered, changed), _aside_frame(numbered, gone))


def _is_so(row: Row, before: Row | None) -> bool:
    return before is not None and all(before.get(name) == value for name, value in row.items())


def _aside_frame(numbered: Numbered, entries: Mapping[Place, Row]) -> pl.DataFrame:
    rows, unknown = [], []
    for (kind, *_), row in entries.items():
        if kind is Kind.ARRIVED:
            rows.append(row | {outer: row.get(inner) for inner, outer in NAMED.items()})
            unknown.append([name for name in numbered.others if row.get(unchanged(name))])
        else:
            rows.append(row)
            unknown.append([name for name in numbered.others if name not in row])
    columns = {
        KIND: [str(kind) for kind, *_ in entries],
        AT: [at for _, _, at, _ in entries],
        UNKNOWN: unknown,
        ORIGIN: [row.get(ORIGIN) for row in rows],
    }
    return pl.concat([pl.DataFrame(columns, schema=ASIDE), numbered.frame(rows)], how="horizontal")


def _of(moves: Mapping[Move, Value], table: TableName) -> Iterable[tuple[str, int, Value]]:
    """Give a table's part of what is known by changes of keys: shard, LSN, and what it is."""
    return [(shard, at, value) for (of, shard, at), value in moves.items() if of == table]


def _place(row: Row, *, with_shard: bool) -> tuple[Any, ...]:
    return (row[KEY], row[NAMED[SHARD]]) if with_shard else (row[KEY],)

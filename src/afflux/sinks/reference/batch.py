"""What a batch does to one table: from the changes, and what the table holds, to an effect."""

from abc import ABC, abstractmethod
from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Protocol

import polars as pl

from afflux.errors import IncompleteError, RefusedError
from afflux.sinks.batch import DELETED, MOVED_AT, OP, SEQUENCE, SHARD, SOURCE_TS, Mode, TableChanges, unchanged
from afflux.sinks.memory import Memory
from afflux.sinks.reference.columns import DELETED_AT, META, SYNCED_AT, UNCHANGED, kept, target_key
from afflux.sinks.reference.effects import Effect, effect
from afflux.sinks.reference.settle import ASIDE, AT, KIND, Change, Kind, Odd, Settlement
from afflux.sinks.reference.sweeps import sweeps
from afflux.sinks.reference.versions import versions
from afflux.types.exact import exact


class Held(Protocol):
    """A table of a target, as it is before a batch. Columns are spoken of by their names within afflux."""

    types: dict[str, pl.DataType]
    """Its columns, afflux's own among them."""
    key: tuple[str, ...]
    """Those that tell its rows apart."""

    @property
    def parted_by(self) -> list[str]:
        """The columns that part it into folders."""

    def known(self, keys: pl.DataFrame, columns: Collection[str], *, current: bool = False) -> pl.DataFrame:
        """Read the rows that have one of some keys.

        Args:
            keys: by the names of columns.
            columns: which to read besides.
            current: of a table of versions, the current ones alone.
        """

    def held(self, name: str, values: pl.Series) -> pl.Series:
        """Take out the values of a column that the table can't hold, in its type; a null stays where one was."""

    def within(self, shown: pl.DataFrame) -> tuple[tuple[str, tuple[str, ...]], ...]:
        """Give the folders that some rows lie in, as `Effect.within` does."""


class Aside(Held, Protocol):
    """A table of rows set aside."""

    def set_aside(self, kind: Kind, *, keys: pl.DataFrame | None = None, at: pl.Series | None = None) -> pl.DataFrame:
        """Read the rows of a kind.

        Args:
            kind: why they are there.
            keys: only those with one of these keys.
            at: only those of one of these LSNs.
        """


class Holds(Protocol):
    """The tables of a target."""

    def ensure(self, changes: TableChanges) -> Held | None:
        """Give the table with all columns that changes need; None for one truncated before its first row.

        Raises:
            TableError: it is there and can't be afflux's, or can't be made.
        """

    def aside(self, changes: TableChanges, of: Held, *, make: bool) -> Aside | None:
        """Give the table of a table's rows set aside; None where there is none."""


@dataclass(frozen=True)
class Plan(ABC):
    """What a batch is to do to one table.

    Attributes:
        changes: in the table's types.
        found: the table.
    """

    changes: TableChanges
    found: Held

    def load(self, memory: Memory) -> TableChanges | None:
        """Give what the reference is to apply to the state's memory, having given that what it needs; None: nothing."""
        del memory
        return None

    @abstractmethod
    def effects(self, memory: Memory) -> tuple[Effect, Change | None]:
        """Give what is to be written into the table, and how its rows set aside change.

        Args:
            memory: in which the reference has applied what `load` gave it.
        """

    @property
    def meta(self) -> list[str]:
        """Afflux's own columns that are written."""
        return [name for name in kept(self.changes.keeping) if name != SYNCED_AT]


@dataclass(frozen=True)
class Upsert(Plan):
    """Each row as it is now.

    Attributes:
        plain: the rows of all keys that are not odd.
        settlement: the odd keys; None where there are none.
        shown: what the table holds of the batch's keys; None where that was not looked at.
    """

    plain: pl.DataFrame
    settlement: Settlement | None
    shown: pl.DataFrame | None

    def load(self, memory: Memory) -> TableChanges | None:
        """See `Plan.load`."""
        return self.settlement.load(memory) if self.settlement else None

    def effects(self, memory: Memory) -> tuple[Effect, Change | None]:
        """See `Plan.effects`."""
        types, key = self.found.types, target_key(self.changes)
        shown, aside = self.settlement.outcome(memory) if self.settlement else (None, None)
        mine = [column.name for column in self.changes.columns]
        whole = shown is not None and shown.rows.height > 0
        names = [name for name in types if name not in META and (whole or name in mine or name in key)]
        goes = pl.lit(value=False) if self.changes.keeping.soft else pl.col(DELETED)
        live = self.plain.filter(~goes)
        rows, gone = live.select(*mine, *self.meta), self.plain.filter(goes).select(key)
        keep = {name: live[unchanged(name)] for name in mine if unchanged(name) in live.columns}
        keep |= {name: pl.repeat(True, live.height, eager=True) for name in names if name not in mine}
        if shown is not None:
            rows = pl.concat([rows, shown.rows.select(*names, *self.meta)], how="diagonal")
            gone = pl.concat([gone, shown.gone.select(key)])
            keep = {name: mask.extend_constant(False, shown.rows.height) for name, mask in keep.items()}
        rows = rows.with_columns(pl.lit(None, types[name]).alias(name) for name in names if name not in rows.columns)
        written = effect([*names, *self.meta], key, types, rows, gone, keep=keep, sweeps=sweeps(self.changes))
        return replace(written, within=self._within()), aside

    def _within(self) -> tuple[tuple[str, tuple[str, ...]], ...]:
        """Give the folders that hold the batch's keys, where that is known."""
        if self.shown is None or self.settlement is not None:
            return ()
        return self.found.within(self.shown)


@dataclass(frozen=True)
class Append(Plan):
    """Each change as a row of its own."""

    def effects(self, memory: Memory) -> tuple[Effect, Change | None]:
        """See `Plan.effects`."""
        del memory
        rows = self.changes.rows
        masks = [(column.name, unchanged(column.name)) for column in self.changes.columns]
        said = [pl.when(mask).then(pl.lit(name)) for name, mask in masks if mask in rows.columns]
        left_out = pl.concat_list(said).list.drop_nulls() if said else pl.lit([], META[UNCHANGED])
        rows = rows.with_columns(left_out.cast(META[UNCHANGED]).alias(UNCHANGED))
        names = [*(column.name for column in self.changes.columns), *self.meta]
        return effect(names, (), self.found.types, rows, rows.clear()), None


@dataclass(frozen=True)
class History(Plan):
    """Each version of a row.

    Attributes:
        shown: how the table's rows change.
        aside: how those set aside do.
    """

    shown: Change
    aside: Change

    def effects(self, memory: Memory) -> tuple[Effect, Change | None]:
        """See `Plan.effects`."""
        del memory
        rows = self.shown.rows
        names = [name for name in rows.columns if name in self.found.types]
        key = target_key(self.changes)
        return effect(names, key, self.found.types, rows, rows.clear(), sweeps=sweeps(self.changes)), self.aside


def plan(changes: TableChanges, tables: Holds, memory: Memory) -> Plan | None:
    """Look at what the table holds, and see what a batch is to do to it.

    Args:
        changes: the batch's.
        tables: the lake's.
        memory: the state.

    Returns:
        None for a table that is not there.

    Raises:
        RefusedError: values have no exact place in the table.
        IncompleteError: rows came without values that the table has never had.
        TableError: the table can't be written.
    """
    found = tables.ensure(changes)
    if found is None:
        return None
    changes = _exact(_keyed(changes, found), found)
    match changes.keeping.mode:
        case Mode.APPEND:
            return Append(changes, found)
        case Mode.HISTORY:
            return _history(changes, tables, found)
    aside = _aside(changes, tables, found)
    shown = _shown(changes, found, aside)
    odd = _odd_keys(changes, shown, aside, memory)
    if odd is None:
        return Upsert(changes, found, _complete(changes, changes.rows, shown), None, shown)
    mine = replace(changes, rows=changes.rows.join(odd, on=changes.key, how="semi"))
    settlement = Settlement(Odd(mine, found.types, found.known(odd, found.types), aside))
    plain = _complete(changes, changes.rows.join(odd, on=changes.key, how="anti"), shown)
    return Upsert(changes, found, plain, settlement, shown)


def _history(changes: TableChanges, tables: Holds, found: Held) -> History:
    if not changes.key:  # truncates, and nothing else
        none = Change(*[pl.DataFrame(schema={name: found.types[name] for name in found.key})] * 2)
        return History(changes, found, none, none)
    key = list(changes.key)
    keys = [changes.rows.filter(pl.col(OP) != "t"), *([] if changes.departed is None else [changes.departed])]
    current = found.known(pl.concat([part.select(key) for part in keys]), found.types, current=True)
    shown, aside = versions(changes, found.types, current, _aside(changes, tables, found))
    return History(changes, found, shown, aside)


def _keyed(changes: TableChanges, found: Held) -> TableChanges:
    """Give a truncate that comes without any row the key that the table has."""
    if changes.key or changes.keeping.mode is not Mode.UPSERT:
        return changes
    key = tuple(name for name in found.key if name != SHARD)
    rows = changes.rows.with_columns(pl.lit(None, found.types[name]).alias(name) for name in key)
    return replace(changes, key=key, rows=rows, with_shard=SHARD in found.key)


def _exact(changes: TableChanges, found: Held) -> TableChanges:
    """Turn values into the table's types.

    Raises:
        RefusedError: some have no exact form there.
    """
    reasons: dict[int, str] = {}
    rows = _cast(changes, changes.rows, found, reasons)
    departed = None if changes.departed is None else _cast(changes, changes.departed, found, reasons)
    if reasons:
        raise RefusedError(dict(sorted(reasons.items())))
    return replace(changes, rows=rows, departed=departed)


def _cast(changes: TableChanges, rows: pl.DataFrame, found: Held, reasons: dict[int, str]) -> pl.DataFrame:
    columns = []
    for column in changes.columns:
        of = found.types[column.name]
        values = found.held(column.name, exact(rows[column.name], column.type, of))
        refused = values.is_null() & rows[column.name].is_not_null()
        for sequence in rows[SEQUENCE].filter(refused) if refused.any() else ():
            reasons[sequence] = f"column {column.name!r} ({column.type}): the value has no exact place in {_named(of)}"
        columns.append(values)
    at = pl.col(SOURCE_TS).cast(META[SOURCE_TS])
    marks = [pl.when(DELETED).then(at).alias(DELETED_AT)] if changes.keeping.soft else []
    return rows.with_columns(*columns, at, *marks)


def _named(of: pl.DataType) -> str:
    if of.is_temporal():
        return f"a {type(of).__name__.lower()} of the years 1 to 9999"
    return str(of)


def _aside(changes: TableChanges, tables: Holds, found: Held) -> pl.DataFrame:
    """Read the rows set aside that may matter for a batch."""
    table = tables.aside(changes, found, make=False)
    if table is None:
        return pl.DataFrame(schema={**ASIDE, **found.types})
    waiting = table.set_aside(Kind.ARRIVED)
    held = table.set_aside(Kind.CONTESTED, keys=None if changes.truncates else changes.rows.select(changes.key))
    moved = [changes.rows[MOVED_AT], waiting[AT], *([] if changes.departed is None else [changes.departed[MOVED_AT]])]
    changed_at = pl.concat(moved).drop_nulls().unique()
    departed = table.set_aside(Kind.DEPARTED, at=changed_at)
    return pl.concat([waiting, held, departed])


def _shown(changes: TableChanges, found: Held, aside: pl.DataFrame) -> pl.DataFrame | None:
    """Read which of the batch's keys the table holds, and of which shard; None where that does not matter."""
    masked = any(unchanged(c.name) in changes.rows.columns for c in changes.columns)
    if changes.with_shard and not masked and not aside.height and changes.departed is None:
        return None
    return found.known(changes.rows.select(changes.key), [SHARD, *found.parted_by])


def _odd_keys(
    changes: TableChanges, shown: pl.DataFrame | None, aside: pl.DataFrame, memory: Memory
) -> pl.DataFrame | None:
    """Find the keys whose fate columns alone do not tell; None where there are none and no truncates either."""
    key, rows = list(changes.key), changes.rows
    odd = [rows.filter(pl.col(MOVED_AT).is_not_null()), aside.filter(pl.col(KIND) != Kind.DEPARTED)]
    if changes.departed is not None:
        odd.append(changes.departed)
    if any(name == changes.table for name, _ in memory.truncations) or any(t.until for t in changes.truncates):
        odd.append(rows)
    if shown is not None and not changes.with_shard:
        odd.append(
            rows.join(shown, on=key, how="inner", suffix="_there").filter(pl.col(SHARD) != pl.col(f"{SHARD}_there"))
        )
    if not changes.with_shard and rows[SHARD].n_unique() > 1:
        odd.append(rows.filter(pl.len().over(key) > 1))
    found = pl.concat([part.select(key) for part in odd]).unique()
    return found if found.height or changes.truncates else None


def _complete(changes: TableChanges, rows: pl.DataFrame, shown: pl.DataFrame | None) -> pl.DataFrame:
    """Leave out deletes of rows that are not there; where deleted rows stay, only those of which not all is known.

    Raises:
        IncompleteError: rows came without values that the table has never had.
    """
    if shown is None:
        return rows
    on = [*changes.key, SHARD]
    there = rows.join(shown.select(on), on=on, how="semi")
    masks = [unchanged(column.name) for column in changes.columns if unchanged(column.name) in rows.columns]
    partly = pl.any_horizontal(masks) if masks else pl.lit(value=False)
    absent = rows.join(shown.select(on), on=on, how="anti")
    absent = absent.filter(~pl.col(DELETED) | ~partly) if changes.keeping.soft else absent.filter(~pl.col(DELETED))
    missing = absent.filter(partly)
    if missing.height:
        names = [column.name for column in changes.columns if unchanged(column.name) in masks]
        raise IncompleteError(str(changes.table), missing[SEQUENCE].to_list(), names)
    return pl.concat([there, absent])

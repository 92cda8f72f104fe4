"""Rows as numbers: a key stands there as a number, and a value as that of a row which holds it. Pure.

What happens to rows is decided without looking at values, so that every value stays as it is, in the table's type.
Equal values of a column have one number.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import polars as pl

from afflux.sinks.batch import SOURCE_TS, TableChanges, TargetColumn
from afflux.sinks.reference.columns import META, SYNCED_AT
from afflux.types.postgres import PgType

Row = dict[str, Any]

KEY = "afflux.key"
"""What the number of a key is called."""
NAMED = {name: name.replace("afflux.", "_") for name in META if name != SYNCED_AT}
"""How the reference calls afflux's own columns."""

_INTEGER = PgType("int8")


class Numbered:
    """The values of some frames of one table, and their numbers.

    Args:
        changes: of the table.
        types: its columns, afflux's own among them.
        parts: frames with some of its columns, and all of the key's.
    """

    def __init__(self, changes: TableChanges, types: Mapping[str, pl.DataType], parts: Sequence[pl.DataFrame]) -> None:
        self.key = list(changes.key)
        sources = [name for name in types if name not in META]
        self.others = [name for name in sources if name not in self.key]
        """The source's columns that are not of the key."""
        self.meta = [name for name in types if name in NAMED]
        """afflux's own columns that the reference knows of."""
        nothing = pl.DataFrame(schema={name: types[name] for name in sources})
        named = (part.select(name for name in sources if name in part.columns) for part in parts)
        self._values = pl.concat([nothing, *named], how="diagonal")
        self._distinct = self._values.select(self.key).unique(maintain_order=True)
        numbered = self._distinct.with_row_index(KEY)
        keys = self._values.select(self.key).join(
            numbered, on=self.key, how="left", maintain_order="left", nulls_equal=True
        )
        first = pl.col(KEY).cast(pl.Int64).first()
        self._numbers = (
            self._values.with_row_index(KEY)
            .select(first.over(name).alias(name) for name in self.others)
            .with_columns(keys[KEY].cast(pl.Int64))
        )
        self._starts = [sum(part.height for part in parts[:n]) for n in range(len(parts) + 1)]

    def rows(self, part: int, plain: pl.DataFrame) -> Iterable[Row]:
        """Give a part's rows: numbers, and afflux's own columns as the reference calls them.

        Args:
            part: which.
            plain: the part itself.
        """
        own = [name for name in self.meta if name in plain.columns]
        frame = pl.concat(
            [self._of(part), _plain(plain.select(own)).rename({n: NAMED[n] for n in own})], how="horizontal"
        )
        return frame.iter_rows(named=True)

    def events(self, part: int, plain: pl.DataFrame) -> pl.DataFrame:
        """Put numbers in the place of a part's keys and values, and integers in that of its commit times."""
        there = [name for name in self.others if name in plain.columns]
        numbers = self._of(part).select(KEY, *there)
        return plain.drop(self.key, there).with_columns(pl.col(SOURCE_TS).to_physical(), *numbers)

    def changes(self, changes: TableChanges) -> tuple[TargetColumn, ...]:
        """Give the columns of changes as numbers have them."""
        others = [TargetColumn(c.name, _INTEGER) for c in changes.columns if c.name not in self.key]
        return (TargetColumn(KEY, _INTEGER), *others)

    def frame(self, rows: Sequence[Row]) -> pl.DataFrame:
        """Put values in the place of numbers again: a frame of the source's columns and afflux's own."""
        keys = self._distinct[[row[KEY] for row in rows]]
        columns = [keys[name] for name in self.key]
        for name in self.others:
            numbers = pl.Series([row.get(name) for row in rows], dtype=pl.UInt32)
            columns.append(self._values[name].gather(numbers).alias(name))
        for name in self.meta:
            of = META[name]
            found = [row.get(NAMED[name]) for row in rows]
            columns.append(pl.Series(name, found, dtype=pl.Int64 if of.is_temporal() else of).cast(of))
        return pl.DataFrame(columns)

    def _of(self, part: int) -> pl.DataFrame:
        return self._numbers[self._starts[part] : self._starts[part + 1]]


def plain_rows(rows: pl.DataFrame, names: Iterable[str]) -> Iterable[Row]:
    """Give columns of rows that are no values, times in microseconds since 1970."""
    return _plain(rows.select(name for name in names if name in rows.columns)).iter_rows(named=True)


def _plain(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.with_columns(pl.selectors.temporal().to_physical())

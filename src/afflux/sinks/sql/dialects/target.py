"""One table of a database: which of a batch's keys it holds, and how an effect is written into it."""

from collections.abc import Collection, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import polars as pl
import sqlalchemy as sa

from afflux.sinks.batch import DELETED, LSN, OFFSET, PARTITION, SHARD, TOPIC, TableName
from afflux.sinks.reference.columns import (
    CURRENT,
    END_OFFSET,
    END_OP,
    END_TOPIC,
    SYNCED_AT,
    VALID_FROM,
    VALID_TO,
    Names,
)
from afflux.sinks.reference.effects import GONE, Effect
from afflux.sinks.reference.settle import AT, KIND, Kind
from afflux.sinks.reference.sweeps import Sweep
from afflux.sinks.sql.dialects.dialect import Dialect
from afflux.sinks.sql.dialects.replace import same, staged

_BLOCK_ROWS = 100_000


class Target:
    """One table, within one transaction. Columns are spoken of by their names within afflux.

    Args:
        connection: in the transaction.
        dialect: the database's.
        table: the table, with the columns that the database has.
        of: which target table it is, or whose rows are set aside in it.
        types: its columns, afflux's own among them.
        key: those that tell its rows apart.
        names: how afflux's own columns are called in it.
    """

    def __init__(
        self,
        connection: sa.Connection,
        dialect: Dialect,
        table: sa.Table,
        *,
        of: TableName,
        types: Mapping[str, pl.DataType],
        key: tuple[str, ...],
        names: Names,
    ) -> None:
        self._connection, self._dialect, self._table, self._names = connection, dialect, table, names
        self.of = of
        self.types = dict(types)
        self.key = key
        self.parted_by: list[str] = []

    def known(self, keys: pl.DataFrame, columns: Collection[str], *, current: bool = False) -> pl.DataFrame:
        """See `Held.known`."""
        names = [name for name in self.types if name in {*keys.columns, *columns}]
        if not keys.height:
            return pl.DataFrame(schema={name: self.types[name] for name in names})
        query = sa.select(*(self._column(name) for name in names))
        if current:
            query = query.where(self._column(CURRENT) == sa.true())
        return self._met(query, names, keys)

    def within(self, shown: pl.DataFrame) -> tuple[tuple[str, tuple[str, ...]], ...]:
        """See `Held.within`: there are no folders."""
        del shown
        return ()

    def held(self, name: str, values: pl.Series) -> pl.Series:
        """See `Held.held`."""
        return self._dialect.held(values, key_texts(self.key, self.types) if name in self.key else 0)

    def set_aside(self, kind: Kind, *, keys: pl.DataFrame | None = None, at: pl.Series | None = None) -> pl.DataFrame:
        """See `Aside.set_aside`."""
        names = list(self.types)
        query = sa.select(*(self._column(name) for name in names)).where(self._column(KIND) == str(kind))
        wanted = keys if keys is not None else None if at is None else at.alias(AT).to_frame()
        if wanted is None:
            return self._read(query, names)
        if not wanted.height:
            return pl.DataFrame(schema=self.types)
        return self._met(query, names, wanted)

    def blocks(self, rows: int = _BLOCK_ROWS) -> Iterator[pl.DataFrame]:
        """Read all rows, so many at a time."""
        query = sa.select(*(self._column(name) for name in self.types))
        return self._dialect.read(self._connection, query, self.types, rows)

    def write(self, effect: Effect) -> None:
        """Write an effect. Afterwards there is of each key what it says, and of others what its sweeps leave."""
        if effect.is_nothing:
            return
        frame, types = self._staged(effect)
        with staged(self._connection, self._dialect, frame, types) as rows:
            keep = dict(zip((f"c{n}" for n in range(len(effect.names))), effect.names, strict=True))
            if effect.key:
                key = {self._names.outer(name): f"c{effect.names.index(name)}" for name in effect.key}
                keep |= self._fill(rows, effect, key)
                self._connection.execute(self._dialect.delete(self._table, rows, same(self._table, rows, key)))
            for sweep in effect.sweeps:
                self._sweep(sweep)
            now = self._value(SYNCED_AT, int(datetime.now(UTC).timestamp() * 1e6))
            said = sa.select(*(rows.c[place] for place in keep), sa.literal(now)).where(rows.c[GONE] == sa.false())
            into = [self._names.outer(name) for name in (*keep.values(), SYNCED_AT)]
            self._connection.execute(sa.insert(self._table).from_select(into, said))

    def cut_back(self, topic: str, number: int, offset: int) -> None:
        """Take away what events from an offset on have brought, and open the versions that they have ended."""
        here = self._column(PARTITION) == number
        if VALID_TO in self.types:
            ended = here & (self._column(END_TOPIC) == topic) & (self._column(END_OFFSET) >= offset)
            again = dict.fromkeys((VALID_TO, END_OP, END_TOPIC, END_OFFSET)) | {CURRENT: sa.true()}
            self._connection.execute(sa.update(self._table).values(self._outer(again)).where(ended))
        came = here & (self._column(TOPIC) == topic) & (self._column(OFFSET) >= offset)
        self._connection.execute(sa.delete(self._table).where(came))

    def rename(self, topic: str, number: int, name: str) -> None:
        """Rename the topic that rows came by, or were ended by."""
        for column in (TOPIC, END_TOPIC):
            if column in self.types:
                wanted = (self._column(PARTITION) == number) & (self._column(column) == topic)
                self._connection.execute(sa.update(self._table).values(self._outer({column: name})).where(wanted))

    def forget_departed(self, before: datetime) -> None:
        """Of a table of rows set aside: remove those that departed long ago, and that nobody has come for."""
        old = self._column(SYNCED_AT) < self._value(SYNCED_AT, int(before.timestamp() * 1e6))
        self._connection.execute(sa.delete(self._table).where((self._column(KIND) == str(Kind.DEPARTED)) & old))

    # --- steps --------------------------------------------------------------------------------------

    def _staged(self, effect: Effect) -> tuple[pl.DataFrame, dict[str, sa.types.TypeEngine[Any]]]:
        """Give an effect's rows with places for what stays as it is, and their types in the database."""
        texts = key_texts(effect.key, self.types)
        types = {
            f"c{n}": self._dialect.declared(self.types[name], texts if name in effect.key else 0)
            for n, name in enumerate(effect.names)
        }
        absent = self._absent(effect)
        types |= {f"a{n}": self._dialect.declared(self.types[name]) for n, name in enumerate(absent)}
        marks = [GONE, *(f"m{n}" for n in effect.kept)]
        types |= {mark: self._dialect.declared(pl.Boolean()) for mark in marks}
        nothing = [pl.lit(None, self.types[name]).alias(f"a{n}") for n, name in enumerate(absent)]
        frame = effect.rows.with_columns(
            *(pl.col(f"c{n}").cast(self.types[name]) for n, name in enumerate(effect.names)), *nothing
        )
        return frame, types

    def _absent(self, effect: Effect) -> list[str]:
        """Give the columns that an effect does not speak of: rows keep what they have there."""
        return [name for name in self.types if effect.key and name not in {*effect.names, SYNCED_AT}]

    def _fill(self, rows: sa.Table, effect: Effect, key: Mapping[str, str]) -> dict[str, str]:
        """Bring the table's own values among the staged ones, wherever they stay; gives the places of absent columns."""
        absent = {f"a{n}": name for n, name in enumerate(self._absent(effect))}
        for place, name in absent.items():
            self._take(rows, place, name, key, rows.c[GONE] == sa.false())
        for n in effect.kept:
            self._take(rows, f"c{n}", effect.names[n], key, rows.c[f"m{n}"] == sa.true())
        return absent

    def _take(
        self, rows: sa.Table, place: str, name: str, key: Mapping[str, str], wanted: sa.ColumnElement[bool]
    ) -> None:
        own = sa.select(self._column(name)).where(same(self._table, rows, key)).correlate(rows).scalar_subquery()
        self._connection.execute(sa.update(rows).values({place: own}).where(wanted))

    def _sweep(self, sweep: Sweep) -> None:
        older = (self._column(SHARD) == sweep.shard) & (self._column(LSN) < sweep.lsn)
        if not sweep.sets:
            self._connection.execute(sa.delete(self._table).where(older))
            return
        older &= self._column(CURRENT if sweep.at is not None else DELETED) == (
            sa.true() if sweep.at is not None else sa.false()
        )
        sets: dict[str, object] = {
            name: sa.true() if value is True else sa.false() if value is False else self._value(name, value)
            for name, value in sweep.sets
        }
        if sweep.at is not None:
            at, since = self._value(VALID_TO, sweep.at), self._column(VALID_FROM)
            sets[VALID_TO] = sa.case((since > at, since), else_=at)
        sets[SYNCED_AT] = self._value(SYNCED_AT, int(datetime.now(UTC).timestamp() * 1e6))
        self._connection.execute(sa.update(self._table).values(self._outer(sets)).where(older))

    def _met(self, query: "sa.Select[*tuple[Any, ...]]", names: Collection[str], keys: pl.DataFrame) -> pl.DataFrame:
        """Read the rows of a query that have one of some keys."""
        numbered = {f"k{n}": name for n, name in enumerate(keys.columns)}
        texts = key_texts(self.key, self.types)
        types = {
            place: self._dialect.declared(self.types[name], texts if name in self.key else 0)
            for place, name in numbered.items()
        }
        frame = keys.unique().select(
            pl.col(name).cast(self.types[name]).alias(place) for place, name in numbered.items()
        )
        with staged(self._connection, self._dialect, frame, types) as wanted:
            met = same(self._table, wanted, {self._names.outer(name): place for place, name in numbered.items()})
            return self._read(query.select_from(wanted.join(self._table, met)), names)

    def _read(self, query: "sa.Select[*tuple[Any, ...]]", names: Collection[str]) -> pl.DataFrame:
        types = {name: self.types[name] for name in names}
        return pl.concat([pl.DataFrame(schema=types), *self._dialect.read(self._connection, query, types, _BLOCK_ROWS)])

    def _column(self, name: str) -> "sa.ColumnElement[object]":
        return self._table.c[self._names.outer(name)]

    def _outer(self, values: Mapping[str, object]) -> dict[str, object]:
        return {self._names.outer(name): value for name, value in values.items()}

    def _value(self, name: str, value: object) -> object:
        return self._dialect.value(value, self.types[name])


def key_texts(key: Collection[str], types: Mapping[str, pl.DataType]) -> int:
    """Count the texts in a key, and what is bytes: a database may want their lengths."""
    return sum(types[name] in (pl.String, pl.Binary) for name in key)

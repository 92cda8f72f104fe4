"""One table of a lake: what columns it has, which of a batch's keys it holds, and how an effect is written into it."""

from collections.abc import Collection, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import polars as pl
import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, Transaction, write_deltalake
from deltalake.schema import Schema

from afflux.sinks.batch import OFFSET, PARTITION, TOPIC
from afflux.sinks.delta.statements import literal, literals, updates, wanted
from afflux.sinks.delta.store import COMPRESSED, Store, unfolded
from afflux.sinks.reference.columns import (
    CURRENT,
    END_OFFSET,
    END_OP,
    END_TOPIC,
    SYNCED_AT,
    VALID_TO,
    Names,
    read_schema,
    schema,
)
from afflux.sinks.reference.effects import GONE, Effect
from afflux.sinks.reference.settle import AT, KIND, Kind
from afflux.types.exact import INSTANT

_BLOCK_ROWS = 100_000
_ONCE = 0
"""How often delta-rs may put a commit that rewrites files on top of one that it has not read. It sees no conflict with
what was put in order meanwhile where keys are decimal, and has rows twice (observed on 1.6.6): it is done anew instead."""
_OLD = pl.CompatLevel.oldest()
"""Arrow without string views, which delta-rs would have to copy."""


class Target:
    """One Delta table. Columns are spoken of by their names within afflux.

    Args:
        store: the lake.
        place: where it is, below the lake's path.
        table: opened.
        names: how afflux's own columns are called in it.
    """

    def __init__(self, store: Store, place: str, table: DeltaTable, names: Names) -> None:
        self._store, self._names = store, names
        self.place = place
        self.table = table
        self.types: dict[str, pl.DataType] = {}
        """Its columns, afflux's own among them."""
        self.key: tuple[str, ...] = ()
        self._read_schema()

    @property
    def name(self) -> str:
        """The table's name, `schema.table`."""
        return ".".join(unfolded(part) for part in self.place.split("/"))

    @property
    def parted_by(self) -> list[str]:
        """The columns that part it into folders."""
        return [self._names.inner(name) for name in self.table.metadata().partition_columns]

    def refresh(self) -> None:
        """Learn what others have committed."""
        before = self.table.version()
        self.table = self._store.renewed(self.table)
        if self.table.version() != before:
            self._read_schema()

    def add(self, columns: Mapping[str, pl.DataType]) -> None:
        """Add nullable columns.

        Raises:
            CommitFailedError: somebody else has committed since `refresh`.
        """
        self.table.alter.add_columns(list(Schema.from_arrow(schema(columns, (), self._names)).fields))
        self._read_schema()

    def widen(self, columns: Mapping[str, pl.DataType]) -> None:
        """Give columns types that hold all of their values: the whole table is written anew, in one commit.

        Raises:
            CommitFailedError: anybody else has committed since `refresh`; nothing was written.
        """
        types = {**self.types, **columns}
        wanted = schema(types, self.key, self._names)
        casts = [pl.col(name).cast(of) for name, of in columns.items()]
        rows = self.rows().with_columns(casts).select(list(types)).rename(self._names.outer)

        def written() -> Iterator[pa.RecordBatch]:
            for block in rows.collect_batches(chunk_size=_BLOCK_ROWS):
                yield from block.to_arrow(compat_level=_OLD).cast(wanted).to_batches()

        write_deltalake(
            self.table,
            pa.RecordBatchReader.from_batches(wanted, written()),
            mode="overwrite",
            schema_mode="overwrite",
            writer_properties=COMPRESSED,
            commit_properties=CommitProperties(max_commit_retries=_ONCE),
        )
        self._read_schema()

    def rows(self) -> pl.LazyFrame:
        """Read all rows."""
        return self._store.scan(self.table).rename(self._names.inner)

    def known(self, keys: pl.DataFrame, columns: Collection[str], *, current: bool = False) -> pl.DataFrame:
        """Read the rows that have one of some keys.

        Args:
            keys: by the names of columns; only files and row groups between the least and the greatest are read.
            columns: which to read besides.
            current: of a table of versions, the current ones alone.
        """
        names = [name for name in self.types if name in {*keys.columns, *columns}]
        if not keys.height:
            return pl.DataFrame(schema={name: self.types[name] for name in names})
        rows = self.rows()
        rows = (rows.filter(CURRENT) if current else rows).select(names)
        for name in keys.columns:
            if self.types[name] not in {pl.Boolean, pl.Binary}:
                least, greatest = pl.lit(keys[name].min(), self.types[name]), pl.lit(keys[name].max(), self.types[name])
                rows = rows.filter(pl.col(name).is_between(least, greatest))
        return rows.join(keys.unique().lazy(), on=keys.columns, how="semi").collect()

    def held(self, name: str, values: pl.Series) -> pl.Series:
        """See `Held.held`: all values of its types have a place."""
        del name
        return values

    def within(self, shown: pl.DataFrame) -> tuple[tuple[str, tuple[str, ...]], ...]:
        """See `Held.within`."""
        values = [(name, literals(shown[name])) for name in self.parted_by]
        return tuple((name, found) for name, found in values if found is not None)

    def set_aside(self, kind: Kind, *, keys: pl.DataFrame | None = None, at: pl.Series | None = None) -> pl.DataFrame:
        """See `Aside.set_aside`."""
        rows = self.rows().filter(pl.col(KIND) == kind)
        if keys is not None:
            rows = rows.join(keys.unique().lazy(), on=keys.columns, how="semi")
        if at is not None:
            rows = rows.filter(pl.col(AT).is_in(at.implode()))
        return rows.collect()

    def has(self, lane: str, number: int) -> bool:
        """Tell whether a numbered commit of a lane, or a later one, is in the table."""
        there = self.table.transaction_version(lane)
        return there is not None and there >= number

    def write(self, effect: Effect, lane: str, number: int) -> dict[str, Any]:
        """Write an effect in one commit, which says which of the lane's it is.

        Returns:
            What delta-rs counted: rows and files.

        Raises:
            CommitFailedError: somebody else has committed since `refresh`; nothing was written.
        """
        said = [Transaction(lane, number)]
        commit = CommitProperties(app_transactions=said)
        now = pl.lit(datetime.now(UTC)).cast(INSTANT).alias("now")
        rows = effect.rows.with_columns(now)
        if not effect.key:
            return self._append(effect, rows, commit)
        names = [self._quoted(name) for name in effect.names]
        values = {name: f"s.c{i}" for i, name in enumerate(names)} | {self._quoted(SYNCED_AT): "s.now"}
        kept = {names[i]: f"CASE WHEN s.m{i} THEN t.{names[i]} ELSE s.c{i} END" for i in effect.kept}
        merge = (
            self.table.merge(
                rows.to_arrow(compat_level=_OLD),
                predicate=self._met(effect),
                source_alias="s",
                target_alias="t",
                streamed_exec=False,  # the source's least and greatest keys choose the files (observed on 1.6.6)
                writer_properties=COMPRESSED,
                commit_properties=CommitProperties(app_transactions=said, max_commit_retries=_ONCE),
            )
            .when_matched_delete(f"s.{GONE}")
            .when_matched_update(values | kept)
            .when_not_matched_insert(values, predicate=f"NOT s.{GONE}")
        )
        for sweep in effect.sweeps:
            sets, older = updates(sweep, self._quoted), wanted(sweep, self._quoted)
            if sets:
                merge = merge.when_not_matched_by_source_update(sets, predicate=older)
            else:
                merge = merge.when_not_matched_by_source_delete(older)
        counts = dict(merge.execute())
        if not self.has(lane, number):
            # A merge that finds nothing to do commits nothing.
            self._add(self._arrow().empty_table(), commit)
        return counts

    def _met(self, effect: Effect) -> str:
        """Write when a row of an effect meets one of the table's."""
        met = [f"t.{self._quoted(name)} = s.c{effect.names.index(name)}" for name in effect.key]
        for name, values in effect.within if not effect.sweeps else ():
            column = f"t.{self._quoted(name)}"
            some = f"{column} IN ({', '.join(values)}) OR " if values else ""
            met.append(f"({some}{column} IS NULL)")
        return " AND ".join(met)

    def cut_back(self, topic: str, number: int, offset: int) -> None:
        """Take away what events from an offset on have brought, and open the versions that they have ended."""
        here = f"{self._quoted(PARTITION)} = {number}"
        if VALID_TO in self.types:
            ended = f"{self._quoted(END_TOPIC)} = {literal(topic)} AND {self._quoted(END_OFFSET)} >= {offset}"
            again = dict.fromkeys((VALID_TO, END_OP, END_TOPIC, END_OFFSET), "NULL") | {CURRENT: "true"}
            updates = {self._quoted(name): value for name, value in again.items()}
            self._update(f"{here} AND {ended}", updates)
        came = f"{self._quoted(TOPIC)} = {literal(topic)} AND {self._quoted(OFFSET)} >= {offset}"
        self._delete(f"{here} AND {came}")

    def rename(self, topic: str, number: int, name: str) -> None:
        """Rename the topic that rows came by, or were ended by."""
        for column in (TOPIC, END_TOPIC):
            if column in self.types:
                wanted = f"{self._quoted(PARTITION)} = {number} AND {self._quoted(column)} = {literal(topic)}"
                self._update(wanted, {self._quoted(column): literal(name)})

    def forget_departed(self, before: datetime) -> None:
        """Of a table of rows set aside: remove those that departed long ago, and that nobody has come for."""
        us = int(before.timestamp() * 1e6)
        self._delete(f"{KIND} = '{Kind.DEPARTED}' AND {self._quoted(SYNCED_AT)} < {literal(us, time=True)}")

    def mark(self, lane: str, number: int) -> None:
        """Remember a numbered commit of a lane, without any row."""
        self._add(self._arrow().empty_table(), CommitProperties(app_transactions=[Transaction(lane, number)]))

    def _update(self, wanted: str, updates: dict[str, str]) -> None:
        commit = CommitProperties(max_commit_retries=_ONCE)
        self.table.update(predicate=wanted, updates=updates, writer_properties=COMPRESSED, commit_properties=commit)

    def _delete(self, wanted: str) -> None:
        commit = CommitProperties(max_commit_retries=_ONCE)
        self.table.delete(wanted, writer_properties=COMPRESSED, commit_properties=commit)

    def _append(self, effect: Effect, rows: pl.DataFrame, commit: CommitProperties) -> dict[str, Any]:
        named = {name: rows[f"c{i}"] for i, name in enumerate(effect.names)} | {SYNCED_AT: rows["now"]}
        absent = {name: pl.lit(None, of) for name, of in self.types.items() if name not in named}
        whole = pl.DataFrame(named).with_columns(**absent).select(list(self.types))
        self._add(whole.to_arrow(compat_level=_OLD).rename_columns(self._arrow().names).cast(self._arrow()), commit)
        return {"num_target_rows_inserted": rows.height}

    def _add(self, rows: pa.Table, commit: CommitProperties) -> None:
        write_deltalake(self.table, rows, mode="append", writer_properties=COMPRESSED, commit_properties=commit)

    def _read_schema(self) -> None:
        self.types, self.key = read_schema(self._arrow(), self._names)

    def _arrow(self) -> pa.Schema:
        return pa.schema(self.table.schema().to_arrow())

    def _quoted(self, name: str) -> str:
        return '"' + self._names.outer(name).replace('"', '""') + '"'

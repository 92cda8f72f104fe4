"""The demo's embedded databases: one file in the state folder, and nothing to install."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar

import polars as pl
import sqlalchemy as sa

from afflux.demo.load import LastWord
from afflux.demo.shop import TABLES
from afflux.demo.target import Rows, Target
from afflux.sinks.batch import TableName
from afflux.sinks.sql.dialects.database import Database
from afflux.stack import Addresses
from afflux.types.exact import INSTANT
from afflux.verify.database import Databases

_SINKS = """\
sinks:
  - name: warehouse
    type: sql
    url: {url}
    batch: {{seconds: 0.5}}
"""
_TYPES = {"_shard": pl.String(), "id": pl.Int64(), "updated_at": INSTANT, "_source_ts": INSTANT, "_synced_at": INSTANT}
_BLOCK_ROWS = 100_000


class Embedded(Target):
    """See `Target`."""

    words = ""
    kind: ClassVar[str]

    def __init__(self, addresses: Addresses) -> None:
        super().__init__(addresses)
        self._url = self._address(addresses)
        self._database = Database(self._url, "warehouse")

    @classmethod
    def declare(cls, addresses: Addresses) -> Path:
        """See `Target.declare`."""
        above, _, _ = addresses.topology.read_text().partition("sinks:\n")
        made = addresses.topology.with_name(f"{cls.kind}.yaml")
        made.write_text(above + _SINKS.format(url=cls._address(addresses)))
        return made

    def counts(self) -> dict[tuple[str, TableName], int]:
        """See `Target.counts`."""
        return {
            (shard, table): count
            for table in TABLES
            for shard, count in self._read(table, "_shard").group_by("_shard").len().iter_rows()
        }

    def rows(self) -> dict[str, Rows]:
        """See `Target.rows`."""
        there = [rows for table in TABLES if (rows := self._read(table, "_shard", "_source_ts")).height]
        if len(there) < len(TABLES):
            return {}
        newest = pl.col("_source_ts").max().dt.epoch("us") / 1e6
        found = pl.concat(there).group_by("_shard").agg(pl.len(), newest)
        return {shard: Rows(count, at) for shard, count, at in found.iter_rows()}

    def heard(self, word: LastWord) -> bool:
        """See `Target.heard`."""
        at = self._database.dialect.value(word.updated_at.astimezone(UTC), INSTANT)
        wanted = {"id": word.key, "_shard": word.shard, "updated_at": at}
        met = sa.and_(*(sa.column(name) == value for name, value in wanted.items()))
        return self._read(word.table, "id", met=met).height > 0

    def freshness(self, since: datetime) -> tuple[float, float]:
        """See `Target.freshness`."""
        took = (pl.col("_synced_at") - pl.col("_source_ts")).dt.total_microseconds() / 1000
        live = [self._read(table, "updated_at", "_source_ts", "_synced_at") for table in TABLES]
        found = pl.concat(live).filter(pl.col("updated_at") >= since.astimezone(UTC)).select(took.alias("ms"))["ms"]
        median, most = (found.quantile(share, "linear") or 0.0 for share in (0.5, 0.99))
        return round(median, 1), round(most, 1)

    @property
    def sides(self) -> Databases:
        """See `Target.sides`."""
        return Databases(self._url)

    def close(self) -> None:
        """See `Target.close`."""
        super().close()
        self._database.close()

    @classmethod
    def _address(cls, addresses: Addresses) -> str:
        return f"{cls.kind}:///{addresses.topology.with_name(f'warehouse.{cls.kind}')}"

    def _read(self, table: TableName, *names: str, met: sa.ColumnElement[bool] | None = None) -> pl.DataFrame:
        """Read columns of a table; no rows where it is not there yet."""
        types = {name: _TYPES[name] for name in names}
        schema, name = self._database.place(table)
        there = sa.Table(name, sa.MetaData(), schema=schema)
        query: sa.Select[*tuple[Any, ...]] = sa.select(*(sa.column(each) for each in names)).select_from(there)
        query = query if met is None else query.where(met)
        with self._database.reading(f"read table {table}") as connection:
            found = self._database.has(connection, there)
            parts = self._database.dialect.read(connection, query, types, _BLOCK_ROWS) if found else ()
            rows: pl.DataFrame = pl.concat([pl.DataFrame(schema=types), *parts])
            return rows


class DuckDb(Embedded):
    """A DuckDB file."""

    kind = "duckdb"

    @classmethod
    def shows(cls, folder: Path) -> str:
        """See `Target.shows`."""
        query = "select _shard, id, status from orders where status = 'mine'"
        return (
            f'  python -c "import duckdb; duckdb.connect(\'{folder / "warehouse.duckdb"}\').sql(\\"{query}\\").show()"'
        )


class Sqlite(Embedded):
    """A SQLite file."""

    kind = "sqlite"

    @classmethod
    def shows(cls, folder: Path) -> str:
        """See `Target.shows`."""
        query = "select _shard, id, status from orders where status = 'mine'"
        connected = f"sqlite3.connect('{folder / 'warehouse.sqlite'}')"
        return f'  python -c "import sqlite3; print({connected}.execute(\\"{query}\\").fetchall())"'

"""The demo's lake: Delta tables in the state folder."""

from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from afflux.demo.load import LastWord
from afflux.demo.shop import TABLES
from afflux.demo.target import Rows, Target
from afflux.sinks.batch import TableName
from afflux.sinks.delta.store import Store
from afflux.sinks.delta.tables import place
from afflux.stack import Addresses
from afflux.verify.lake import Lake as Sides

_SINKS = """\
sinks:
  - name: lake
    type: delta
    path: {path}
    batch: {{seconds: 0.5}}
"""


class Lake(Target):
    """See `Target`."""

    words = ""

    def __init__(self, addresses: Addresses) -> None:
        super().__init__(addresses)
        self._store = Store(str(_folder(addresses)))

    @classmethod
    def declare(cls, addresses: Addresses) -> Path:
        """See `Target.declare`."""
        above, _, _ = addresses.topology.read_text().partition("sinks:\n")
        made = addresses.topology.with_name("lake.yaml")
        made.write_text(above + _SINKS.format(path=_folder(addresses)))
        return made

    def counts(self) -> dict[tuple[str, TableName], int]:
        """See `Target.counts`."""
        return {
            (shard, table): count
            for table, rows in self._tables()
            for shard, count in rows.group_by("_shard").agg(pl.len()).collect().iter_rows()
        }

    def rows(self) -> dict[str, Rows]:
        """See `Target.rows`."""
        there = [rows.select("_shard", "_source_ts") for _, rows in self._tables()]
        if len(there) < len(TABLES):
            return {}
        newest = pl.col("_source_ts").max().dt.epoch("us") / 1e6
        return {
            s: Rows(n, at)
            for s, n, at in pl.concat(there).group_by("_shard").agg(pl.len(), newest).collect().iter_rows()
        }

    def heard(self, word: LastWord) -> bool:
        """See `Target.heard`."""
        rows = dict(self._tables()).get(word.table)
        if rows is None:
            return False
        same = (pl.col("id") == word.key) & (pl.col("_shard") == word.shard) & (pl.col("updated_at") == word.updated_at)
        return rows.filter(same).collect().height > 0

    def freshness(self, since: datetime) -> tuple[float, float]:
        """See `Target.freshness`."""
        live = [rows.filter(pl.col("updated_at") >= since.astimezone(UTC)) for _, rows in self._tables()]
        took = (pl.col("_synced_at") - pl.col("_source_ts")).dt.total_microseconds() / 1000
        found = pl.concat([rows.select(took.alias("ms")) for rows in live]).collect()["ms"]
        median, most = (found.quantile(share, "linear") or 0.0 for share in (0.5, 0.99))
        return round(median, 1), round(most, 1)

    @property
    def sides(self) -> Sides:
        """See `Target.sides`."""
        return Sides(self._store)

    @classmethod
    def shows(cls, folder: Path) -> str:
        """See `Target.shows`."""
        orders = f"polars.scan_delta('{folder / 'lake' / 'public' / 'orders'}')"
        script = f"import polars; print({orders}.filter(status='mine').select('_shard', 'id', 'status').collect())"
        return f'  python -c "{script}"'

    def _tables(self) -> list[tuple[TableName, pl.LazyFrame]]:
        opened = ((table, self._store.open(place(table))) for table in TABLES)
        return [(table, self._store.scan(there)) for table, there in opened if there is not None]


def _folder(addresses: Addresses) -> Path:
    return addresses.topology.with_name("lake")

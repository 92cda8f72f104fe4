"""What a comparison found."""

from dataclasses import dataclass

import polars as pl

from afflux.sinks.batch import TableName
from afflux.verify.differences import FOUND_UNDER, KIND, Kind
from afflux.verify.digests import SHARD, key_columns


@dataclass(frozen=True)
class Comparison:
    """One table, compared row for row.

    Attributes:
        table: the target's table.
        key: the names of the key's columns.
        source_rows: how many rows the shards have together.
        target_rows: how many the target has.
        differences: as `differences.differences` gives them.
    """

    table: TableName
    key: tuple[str, ...]
    source_rows: int
    target_rows: int
    differences: pl.DataFrame

    @property
    def equal(self) -> bool:
        """Whether every row is on both sides, under its shard's name, with the same values."""
        return self.differences.is_empty()

    @property
    def missing(self) -> int:
        """How many rows the target lacks."""
        return self._count(Kind.MISSING)

    @property
    def extra(self) -> int:
        """How many rows the target has and no shard does."""
        return self._count(Kind.EXTRA)

    @property
    def different(self) -> int:
        """How many rows have another value in the target."""
        return self._count(Kind.DIFFERENT)

    @property
    def misplaced(self) -> int:
        """How many rows stand in the target under another shard's name."""
        return self._count(Kind.MISPLACED)

    def lines(self, most: int = 10) -> list[str]:
        """Say what was found, for people: the counts, then the first differences.

        Args:
            most: how many differences to name at most.
        """
        counts = f"{self.table}: {self.source_rows:,} rows at the source, {self.target_rows:,} in the target"
        if self.equal:
            return [f"{counts}, all equal"]
        kinds = ", ".join(f"{self._count(kind):,} {kind}" for kind in Kind if self._count(kind))
        return [f"{counts}: {kinds}", *(f"  {self._line(row)}" for row in self.differences.head(most).to_dicts())]

    def _line(self, row: dict[str, str]) -> str:
        names = zip(self.key, key_columns(self.key), strict=True)
        key = ", ".join(f"{name}={row[column]}" for name, column in names)
        under = f", in the target under {row[FOUND_UNDER]}" if row[KIND] == Kind.MISPLACED else ""
        return f"{row[KIND]:<9}  {row[SHARD]}  {key}{under}"

    def _count(self, kind: Kind) -> int:
        return self.differences.filter(pl.col(KIND) == str(kind)).height

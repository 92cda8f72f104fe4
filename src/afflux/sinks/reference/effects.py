"""What is to be written into one Delta table, once and for all: whole rows, and the keys of rows that go. Pure.

It is computed from the rows that the table had, and kept until the table has it: writing it twice leaves the same
rows as writing it once.
"""

import io
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from afflux.sinks.reference.sweeps import Sweep

GONE = "gone"
"""Column of an effect's frame: whether the row under this key goes (boolean)."""


@dataclass(frozen=True, slots=True)
class Effect:
    """What is to be written into one table.

    The frame's columns are numbered (`c0` and `m0` belong to the first name), so that no name clashes with ours.

    Attributes:
        names: the table's columns that are written.
        key: those of them that tell its rows apart.
        rows: at most one row a key: `c0` and so on in the table's types, `GONE`, and `m0` and so on where the table's
            own value stays (boolean).
        sweeps: what becomes of rows that are not among `rows`.
        within: columns that part the table into folders, and the values that they have in the table's rows of these
            keys, as statements have them: other folders are left alone.

    Without a key, rows are only added.
    """

    names: tuple[str, ...]
    key: tuple[str, ...]
    rows: pl.DataFrame
    sweeps: tuple[Sweep, ...] = ()
    within: tuple[tuple[str, tuple[str, ...]], ...] = ()

    @property
    def is_nothing(self) -> bool:
        """Whether there is nothing to write."""
        return not self.rows.height and not self.sweeps

    @property
    def kept(self) -> tuple[int, ...]:
        """The numbers of the columns of which some rows keep the table's own values."""
        return tuple(i for i in range(len(self.names)) if f"m{i}" in self.rows.columns)


def effect(
    names: Sequence[str],
    key: Sequence[str],
    types: Mapping[str, pl.DataType],
    rows: pl.DataFrame,
    gone: pl.DataFrame,
    *,
    keep: Mapping[str, pl.Series] | None = None,
    sweeps: Collection[Sweep] = (),
) -> Effect:
    """Put an effect together.

    Args:
        names: the table's columns that are written.
        key: those of them that tell its rows apart.
        types: the table's.
        rows: to be there afterwards, with the columns of `names`.
        gone: the keys of the rows to go.
        keep: masks of `rows`, by the names of columns whose values stay as they are in the table.
        sweeps: as in `Effect`.
    """
    numbered = {f"c{i}": pl.col(name).cast(types[name]) for i, name in enumerate(names)}
    masks = [keep[name].alias(f"m{i}") for i, name in enumerate(names) if keep and name in keep and keep[name].any()]
    there = rows.select(**numbered, **{GONE: pl.lit(value=False)}).with_columns(masks)
    if not key:
        return Effect(tuple(names), (), there)
    keys = {f"c{names.index(name)}": pl.col(name).cast(types[name]) for name in key}
    both = pl.concat([there, gone.select(**keys, **{GONE: pl.lit(value=True)})], how="diagonal")
    both = both.with_columns(pl.col(mask.name).fill_null(value=False) for mask in masks)
    return Effect(tuple(names), tuple(key), both, tuple(sweeps))


def write(effect: Effect) -> bytes:
    """Write an effect's rows."""
    out = io.BytesIO()
    effect.rows.write_ipc(out, compression="lz4")
    return out.getvalue()


def read(data: bytes) -> pl.DataFrame:
    """Read an effect's rows."""
    return pl.read_ipc(io.BytesIO(data))

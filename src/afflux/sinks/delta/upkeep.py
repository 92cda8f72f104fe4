"""When a table's files are put in order: from what was written since the last time. Pure.

Merging rewrites whole files, so what a batch costs depends on how many files its keys lie in, and on how large those
are. New keys come in small files, a batch each; updates of keys all over the table mix the ranges of keys that files
hold. Putting the table in order costs as much as rewriting it once: it is done when merges have rewritten that much
several times over, and less and less often where it has not helped, as with keys at random.
"""

from dataclasses import dataclass
from enum import StrEnum

from afflux.topology.sinks import Upkeep

_LEAST_FILE = 8 * 2**20
_SHARE = 64
"""A table has about this many files or more, once it is large enough: so little of it a batch of near keys rewrites."""
_REWRITTEN = 2.0
"""How many times over a table's rows are rewritten by merges, before it is put in order."""
_WASTE = 5.0
"""How many rows merges may rewrite unchanged for each that they change, and the order is still good enough."""
_HELPED = 0.5
"""The order has helped when merges now waste less than this share of what they did before."""


class Job(StrEnum):
    """What can be done to a table."""

    COMPACT = "compact"
    """Small files are put together."""
    ORDER = "order"
    """All rows are laid anew in the order of the key, or of the columns that the topology names."""


@dataclass(frozen=True, slots=True)
class Files:
    """The files of a table's newest version.

    Attributes:
        sizes: in bytes.
        rows: how many rows they hold together.
    """

    sizes: tuple[int, ...]
    rows: int

    @property
    def bytes(self) -> int:
        """All of them together."""
        return sum(self.sizes)

    def wanted(self, upkeep: Upkeep) -> int:
        """Give how large its files are made, in bytes."""
        return max(_LEAST_FILE, min(upkeep.file_bytes, self.bytes // _SHARE))

    def small(self, upkeep: Upkeep) -> int:
        """Count the files that are worth putting together."""
        return sum(size < self.wanted(upkeep) // 2 for size in self.sizes)


@dataclass
class Wear:
    """What merges have done to a table since it was last put in order, as far as this process knows."""

    changed: int = 0
    """Rows inserted, updated and deleted."""
    copied: int = 0
    """Rows rewritten as they were."""
    waste_before: float | None = None
    """Rows copied for each one changed, before the last time."""
    patience: float = 1.0
    """How much longer than usual the next time is waited for."""

    @property
    def waste(self) -> float:
        """Rows copied for each one changed."""
        return self.copied / max(1, self.changed)

    def worn(self, changed: int, copied: int) -> None:
        """Learn what a merge has done."""
        self.changed += changed
        self.copied += copied

    def ordered(self) -> None:
        """Learn that the table is in order; twice the patience where the last time has not helped."""
        before = self.waste_before
        helped = before is None or self.waste < before * _HELPED
        self.patience = 1.0 if helped else self.patience * 2
        self.waste_before = self.waste
        self.changed = self.copied = 0


def due(files: Files, wear: Wear, upkeep: Upkeep, *, can_order: bool = True) -> Job | None:
    """Tell what a table needs.

    Args:
        files: of its newest version.
        wear: what merges have done to it.
        upkeep: the topology's wishes.
        can_order: whether its rows have an order that matters.
    """
    several = files.bytes > 2 * files.wanted(upkeep)
    rewritten = wear.copied > _REWRITTEN * wear.patience * max(1, files.rows)
    if can_order and several and rewritten and wear.waste > _WASTE:
        return Job.ORDER
    if files.small(upkeep) >= upkeep.small_files:
        return Job.COMPACT
    return None

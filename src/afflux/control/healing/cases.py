"""What a shard has had, and when it is treated next: pauses that grow, and a memory of what came back (pure)."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from afflux.control.healing.causes import Finding, Remedy

CALM_SECONDS = 300.0
"""How long a shard must be well until a cause that comes back counts as new."""

ACTS = frozenset({Remedy.RESTART, Remedy.MEND, Remedy.RESYNCHRONISE})


@dataclass(frozen=True)
class Case:
    """One shard's failure. Times are by a clock that only goes forward.

    Attributes:
        finding: what is wrong, or was last.
        since: when it was first seen.
        due: when it may be treated next.
        tries: how often it was treated.
        well: since when the shard is well again; None while it is not.
    """

    finding: Finding
    since: float
    due: float
    tries: int = 0
    well: float | None = None

    @property
    def open(self) -> bool:
        """Whether the shard has it now."""
        return self.well is None

    @property
    def needs_person(self) -> bool:
        """Whether a person has to look at it: by its nature, or since treating it did not help."""
        stubborn = self.finding.remedy in ACTS and self.tries >= self.finding.cause.pace.tries
        return self.open and (self.finding.remedy is Remedy.ASK or stubborn)

    def is_due(self, now: float) -> bool:
        """Whether it is time to treat it."""
        return self.open and now >= self.due

    def tried(self, now: float, chance: Callable[[], float]) -> "Case":
        """Count a treatment, and put off the next.

        Args:
            now: the time.
            chance: gives a number from 0 to 1, so that shards which failed together do not come back together.
        """
        pace = self.finding.cause.pace
        pause = min(pace.most, pace.first * 2.0**self.tries) * (1 + chance() / 2)
        return replace(self, tries=self.tries + 1, due=now + pause)


def follow(before: Case | None, finding: Finding | None, now: float) -> Case | None:
    """Add what was found now to what was known.

    Args:
        before: the shard's last case, if it has had one lately.
        finding: what is wrong now; None where nothing is.
        now: the time.

    Returns:
        The shard's case; None where there is nothing to remember.
    """
    if finding is None:
        if before is None or (before.well is not None and now - before.well >= CALM_SECONDS):
            return None
        return before if before.well is not None else replace(before, well=now)
    if before is not None and before.finding.cause is finding.cause:
        # What a person was asked for, or what was put right, may be tried at once when that is done.
        turned = before.open and before.finding.remedy is not finding.remedy and finding.remedy in ACTS
        due = min(before.due, now + _grace(finding)) if turned else before.due
        return replace(before, finding=finding, well=None, due=due, since=before.since if before.open else now)
    return Case(finding, since=now, due=now + _grace(finding))


def _grace(finding: Finding) -> float:
    """How long the first treatment waits."""
    # What asks for a person is tried from time to time nevertheless: the person need not tell that it is mended.
    return finding.cause.pace.most if finding.remedy is Remedy.ASK else finding.cause.pace.after

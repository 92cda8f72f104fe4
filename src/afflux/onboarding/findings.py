"""What a doctor finds: what is wrong, where, and the way to mend it."""

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """How bad it is, the worst first."""

    UNSEEN = "unseen"
    """Could not be looked at."""
    ERROR = "error"
    """It keeps changes from flowing, or would lose some."""
    WARNING = "warning"
    """It works, and will hurt in circumstances that the finding names."""


@dataclass(frozen=True)
class Finding:
    """One thing found.

    Attributes:
        severity: how bad it is.
        where: the server, as `shard shard0`, `Kafka Connect`, `sink warehouse`.
        what: what is about it, in a sentence.
        fix: what to do, often a statement to run.
    """

    severity: Severity
    where: str
    what: str
    fix: str = ""

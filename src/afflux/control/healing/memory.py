"""What a supervisor has to remember of a shard, though the servers forget it: gaps that nothing shows later (pure).

A connector whose slot another reader moved on goes on as if nothing had been; so does one whose publication was gone for
a while (from PostgreSQL 18 on). Both are seen while they happen, or by comparing with what was known. It is kept in the
control topic, so that the next supervisor knows it, too; it ends when the shard is begun anew.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from afflux.control.seen.examine import Look
from afflux.control.seen.partitions import SINCE

_STATE = "known"


@dataclass(frozen=True)
class Memory:
    """What is known of one shard.

    Attributes:
        began: tells one beginning of its stream from another.
        publication: the publication's id at that time.
        gap: why changes are missing since then; empty where none are known to be.
    """

    began: str = ""
    publication: int = 0
    gap: str = ""

    def seen(self, look: Look) -> "Memory":
        """Compare with what is seen now, and return what is known from now on."""
        if look.connector is None or look.publication is None:
            return self
        began = look.connector.config.get(SINCE, "")
        fresh = self.publication == 0 or began != self.began
        return Memory(began, look.publication.id) if fresh else self

    def replaced(self, look: Look) -> bool:
        """Whether the publication is another one than at the beginning."""
        return bool(self.publication and look.publication and look.publication.id != self.publication)

    def missed(self, gap: str) -> "Memory":
        """Remember that changes are missing."""
        return replace(self, gap=gap) if gap and not self.gap else self


def entry(shard: str, memory: Memory) -> dict[str, Any]:
    """Write it as the control topic has it."""
    return {"state": _STATE, "shard": shard, **asdict(memory)}


def load(entries: Iterable[Mapping[str, Any]]) -> dict[str, Memory]:
    """Read what a control topic tells: the newest of each shard."""
    return {
        str(told["shard"]): Memory(
            str(told.get("began", "")), int(told.get("publication", 0)), str(told.get("gap", ""))
        )
        for told in entries
        if told.get("state") == _STATE and told.get("shard")
    }

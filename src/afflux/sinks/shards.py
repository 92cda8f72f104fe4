"""Shards that a sink has read from, and what becomes of the rows of those that are no more: the same for every sink."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class GoneShard:
    """A shard that the topology had, and has no more.

    Attributes:
        name: the shard's.
        prefix: of its topics.
        seen: when a worker last had it in its topology.
        decision: what becomes of its rows: `keep` or `delete`; empty while that is not decided.
        done: whether that has been done.
    """

    name: str
    prefix: str
    seen: datetime
    decision: str = ""
    done: bool = False


@dataclass(frozen=True, slots=True)
class SeenShard:
    """A shard as a sink remembers it; the attributes are those of `GoneShard`."""

    prefix: str
    seen: datetime
    decision: str = ""
    done: bool = False

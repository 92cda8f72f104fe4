"""Target keys that two shards hold at once for longer than a row takes to move: the same for every sink."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Collision:
    """A key of a target table that is in several shards.

    One version of the row is in the table, and the others are kept; it is over when all but one are deleted.

    Attributes:
        table: the target table, `schema.table`.
        key: the key's values as texts, as a JSON list.
        shards: which shards have it.
        since: the source's commit time of the newest of their versions, when it was first seen.
    """

    table: str
    key: str
    shards: tuple[str, ...]
    since: datetime


@dataclass(frozen=True, slots=True)
class Contest:
    """A contested key, and whether it has been found to last.

    Attributes:
        of: what it is, or will be, as a collision.
        lasts: whether it is one.
    """

    of: Collision
    lasts: bool = False

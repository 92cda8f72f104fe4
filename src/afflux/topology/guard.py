"""`source.guard`: how far a shard's WAL may fill before somebody is told, and what is done at last."""

from typing import Annotated, Literal

from pydantic import Discriminator, Field, Tag

from afflux.topology.part import Name, Part, Size, Time, seconds, size_bytes

Percent = Annotated[int, Field(ge=1, le=100)]
"""A share of the room there is, in percent."""


class Threshold(Part):
    """When something is said or done: whichever comes first. Never while the WAL's use shrinks."""

    within: Time
    """The room is foretold to be used up within this time."""
    used: Percent
    """So many percent of the room are in use."""

    @property
    def seconds(self) -> float:
        """`within` in seconds."""
        return seconds(self.within)

    @property
    def share(self) -> float:
        """`used` as a share of 1."""
        return self.used / 100


class Warn(Threshold):
    """When to warn."""

    within: Time = "12h"
    """The room is foretold to be used up within this time."""
    used: Percent = 50
    """So many percent of the room are in use."""


class Page(Threshold):
    """When to wake somebody."""

    within: Time = "2h"
    """The room is foretold to be used up within this time."""
    used: Percent = 80
    """So many percent of the room are in use."""


def _shards_form(value: object) -> str:
    return "shards" if isinstance(value, list) else "word"


class LastResort(Threshold):
    """When a slot is dropped to save its shard, which is then to be copied anew."""

    shards: Annotated[
        Annotated[Literal["all"], Tag("word")] | Annotated[list[Name], Field(min_length=1), Tag("shards")],
        Discriminator(_shards_form),
    ]
    """For which shards: `all`, or their names."""
    within: Time = "10m"
    """The room is foretold to be used up within this time."""
    used: Percent = 95
    """So many percent of the room are in use."""

    def covers(self, shard: str) -> bool:
        """Tell whether a shard may be saved so."""
        return self.shards == "all" or shard in self.shards


class Guard(Part):
    """How far a shard's WAL may fill before somebody is told, and what is done at last."""

    disk: Size | None = None
    """How much WAL a shard's disk holds, such as `200GiB`; the room is this or `max_slot_wal_keep_size`, the smaller."""
    warn: Warn = Warn()
    """When to warn."""
    page: Page = Page()
    """When to wake somebody."""
    last_resort: LastResort | None = None
    """When a slot is dropped to save its shard; without it none ever is."""

    @property
    def disk_bytes(self) -> int | None:
        """`disk` in bytes."""
        return None if self.disk is None else size_bytes(self.disk)

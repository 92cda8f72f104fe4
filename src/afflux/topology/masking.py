"""`tables[].columns` and `masking`: which columns are masked before anything is written, how, and where."""

from typing import Annotated, Literal

from pydantic import Field

from afflux.topology.part import Part


class ColumnRule(Part):
    """What becomes of a column on its way."""

    mask: Literal["hash", "partial", "remove"]
    """`hash`: an HMAC of the value; `partial`: its last characters alone; `remove`: nothing, NULL."""
    keep: Annotated[int, Field(ge=1)] = 4
    """With `partial`, how many characters stay at the end; a text that is no longer is masked whole."""
    where: Literal["sink", "source"] = "sink"
    """Whether the sink makes the mask, or the connector, so that the clear value never enters Kafka."""

    @property
    def written(self) -> str:
        """The mask in one word, as afflux's Connect plugin takes and marks it: `hash`, `partial:4`, `remove`."""
        return f"{self.mask}:{self.keep}" if self.mask == "partial" else self.mask


class Masking(Part):
    """What masks have in common."""

    key: str
    """The key of `hash`, as a reference: with the same key equal values have equal hashes, and joins go on working."""

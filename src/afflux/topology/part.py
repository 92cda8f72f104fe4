"""What the parts of the model are made of."""

import math
from typing import Annotated, Final

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,47}$")]
"""A name that topics, connectors and slots can carry: lower case letters, digits, `_` and `-`."""

Duration = Annotated[str, Field(pattern=r"^([1-9][0-9]*[smhd]|forever)$")]
"""A whole number and its unit, such as `45s`, `30m`, `12h` or `7d`; or `forever`."""

Time = Annotated[str, Field(pattern=r"^[1-9][0-9]*[smhd]$")]
"""A duration that ends."""

Size = Annotated[str, Field(pattern=r"^[1-9][0-9]*(MiB|GiB|TiB)$")]
"""A whole number of bytes and its unit, such as `512MiB`, `200GiB` or `2TiB`."""

_SECONDS: Final = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
_BYTES: Final = {"MiB": 2**20, "GiB": 2**30, "TiB": 2**40}


def _as_text(value: object) -> object:
    """Take `5` and `true` for the texts that Kafka's and librdkafka's properties are."""
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, int | float) else value


PropertyText = Annotated[str, BeforeValidator(_as_text), WithJsonSchema({"type": ["string", "number", "boolean"]})]


class Part(BaseModel):
    """One mapping of the file: unknown keys are errors, values do not change after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True, hide_input_in_errors=True)


def seconds(duration: Duration) -> float:
    """Give a duration's seconds, infinite for `forever`."""
    return math.inf if duration == "forever" else int(duration[:-1]) * _SECONDS[duration[-1]]


def size_bytes(size: Size) -> int:
    """Give a size's bytes."""
    return int(size[:-3]) * _BYTES[size[-3:]]

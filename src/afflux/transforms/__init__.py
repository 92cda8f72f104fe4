"""The single-message transforms, with Kafka Connect's names and keys, applied to whole frames.

A transform is one file here and one line in `_MADE_BY`.
"""

from collections.abc import Callable, Iterable
from typing import Any, Protocol

from afflux.topology.model import RegexRouter as RegexRouterConfig
from afflux.topology.model import Transform as TransformConfig
from afflux.transforms.regex_router import RegexRouter


class Transform(Protocol):
    """What a transform can do to a topic's records; each kind of effect is one method."""

    def rename(self, topic: str) -> str:
        """Give the name that a topic's records go on under."""
        ...


def _regex_router(config: RegexRouterConfig) -> Transform:
    return RegexRouter(config.regex, config.replacement)


_MADE_BY: dict[type, Callable[[Any], Transform]] = {RegexRouterConfig: _regex_router}


def build(configs: Iterable[TransformConfig]) -> list[Transform]:
    """Make the transforms of a topology, in their order.

    Raises:
        ValueError: a transform's settings are wrong; the message says which and how.
    """
    return [_MADE_BY[type(config)](config) for config in configs]

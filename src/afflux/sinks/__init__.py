"""The targets. A sink is one file (or room) here, one line in `_MADE_BY` and one in `_STATE_MADE_BY`."""

from collections.abc import Callable
from typing import Any

from afflux.sinks.base import Sink
from afflux.sinks.sql.postgresql import PostgresSink
from afflux.sinks.sql.state import SqlState
from afflux.sinks.state import SinkState
from afflux.topology.model import PostgresSink as PostgresSinkConfig
from afflux.topology.model import Sink as SinkConfig
from afflux.topology.secrets import resolve


def _postgresql(config: PostgresSinkConfig, topology: str, group: str) -> Sink:
    return PostgresSink(name=config.name, url=resolve(config.url), topology=topology, group=group)


_MADE_BY: dict[type, Callable[[Any, str, str], Sink]] = {PostgresSinkConfig: _postgresql}


def _postgresql_state(config: PostgresSinkConfig, topology: str, group: str) -> SinkState:
    return SqlState(name=config.name, url=resolve(config.url), topology=topology, group=group)


_STATE_MADE_BY: dict[type, Callable[[Any, str, str], SinkState]] = {PostgresSinkConfig: _postgresql_state}


def make_state(config: SinkConfig, topology: str, group: str) -> SinkState:
    """Make the operator's side of a sink's state; as `make_sink`."""
    return _STATE_MADE_BY[type(config)](config, topology, group)


def make_sink(config: SinkConfig, topology: str, group: str) -> Sink:
    """Make a sink from its part of the topology.

    Args:
        config: the sink's part.
        topology: the topology's name, which scopes the sink's state.
        group: the consumer group whose positions it keeps.

    Raises:
        TopologyError: a secret that it refers to is not there.
    """
    return _MADE_BY[type(config)](config, topology, group)

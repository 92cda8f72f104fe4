"""The targets. A sink is one file (or room) here, one line in `_MADE_BY` and one in `_STATE_MADE_BY`."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from afflux.errors import UsageError
from afflux.sinks.base import Sink
from afflux.sinks.sql.dialects.sink import DatabaseSink
from afflux.sinks.sql.dialects.state import DatabaseState
from afflux.sinks.sql.postgresql import PostgresSink
from afflux.sinks.sql.state import SqlState
from afflux.sinks.state import SinkState
from afflux.topology.secrets import resolve
from afflux.topology.sinks import DeltaSink as DeltaSinkConfig
from afflux.topology.sinks import PostgresSink as PostgresSinkConfig
from afflux.topology.sinks import Sink as SinkConfig
from afflux.topology.sinks import SqlSink as SqlSinkConfig


@contextmanager
def _extra(name: str) -> Iterator[None]:
    """Say which of afflux's extras is missing."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise UsageError(
            f"a sink of type {name} needs {error.name}, which is not installed", hint=f"pip install 'afflux[{name}]'"
        ) from error


def _postgresql(config: PostgresSinkConfig, topology: str, group: str) -> Sink:
    url = resolve(config.url)
    return PostgresSink(name=config.name, url=url, topology=topology, group=group, names=config.meta)


def _delta(config: DeltaSinkConfig, topology: str, group: str) -> Sink:
    with _extra("delta"):
        from afflux.sinks.delta import sink, store  # noqa: PLC0415 - its libraries are an extra
    return sink.DeltaSink(config=config, store=store.store_of(config), topology=topology, group=group)


def _sql(config: SqlSinkConfig, topology: str, group: str) -> Sink:
    url = resolve(config.url)
    return DatabaseSink(name=config.name, url=url, topology=topology, group=group, names=config.meta)


_MADE_BY: dict[type, Callable[[Any, str, str], Sink]] = {
    PostgresSinkConfig: _postgresql,
    DeltaSinkConfig: _delta,
    SqlSinkConfig: _sql,
}


def _postgresql_state(config: PostgresSinkConfig, topology: str, group: str) -> SinkState:
    url = resolve(config.url)
    return SqlState(name=config.name, url=url, topology=topology, group=group, names=config.meta)


def _delta_state(config: DeltaSinkConfig, topology: str, group: str) -> SinkState:
    with _extra("delta"):
        from afflux.sinks.delta import state, store  # noqa: PLC0415 - likewise
    return state.DeltaState(config=config, store=store.store_of(config), topology=topology, group=group)


def _sql_state(config: SqlSinkConfig, topology: str, group: str) -> SinkState:
    url = resolve(config.url)
    return DatabaseState(name=config.name, url=url, topology=topology, group=group, names=config.meta)


_STATE_MADE_BY: dict[type, Callable[[Any, str, str], SinkState]] = {
    PostgresSinkConfig: _postgresql_state,
    DeltaSinkConfig: _delta_state,
    SqlSinkConfig: _sql_state,
}


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
        UsageError: a library that it needs is not installed.
    """
    return _MADE_BY[type(config)](config, topology, group)

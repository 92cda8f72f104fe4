"""Pause, resume, stop and restart connectors, and see that they have done so."""

import time
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum

from afflux.clients.connect import Connect, Connector
from afflux.clients.servers import connect as connect_of
from afflux.control.seen.follow import LOOK_SECONDS, Progress
from afflux.control.seen.observe import WORKERS
from afflux.control.seen.status import failed
from afflux.control.wanted.settings import TOPOLOGY_MARK
from afflux.errors import ConnectError
from afflux.topology.model import Topology
from afflux.topology.names import shard_names, sink_connector

WAIT_SECONDS = 30.0
"""How long a connector may take to come to a state."""


class Verb(StrEnum):
    """What is done to a connector."""

    PAUSE = "pause"
    """Its task stays and reads nothing; the slot stays held, and keeps its changes."""
    RESUME = "resume"
    STOP = "stop"
    """Its task goes; the slot keeps its changes, and offsets can be changed."""
    RESTART = "restart"
    """What failed of it is restarted."""
    RESTART_ALL = "restart all"
    """The connector and its task are restarted, whether they failed or not."""


_DOES: dict[Verb, Callable[[Connect, str], None]] = {
    Verb.PAUSE: lambda connect, name: connect.change_state(name, "pause"),
    Verb.RESUME: lambda connect, name: connect.change_state(name, "resume"),
    Verb.STOP: lambda connect, name: connect.change_state(name, "stop"),
    Verb.RESTART: lambda connect, name: connect.restart(name),
    Verb.RESTART_ALL: lambda connect, name: connect.restart(name, only_failed=False),
}
_ENDS_IN = {Verb.PAUSE: "PAUSED", Verb.RESUME: "RUNNING", Verb.STOP: "STOPPED"}


@dataclass(frozen=True)
class Changed:
    """What became of one shard's connector.

    Args:
        shard: whose.
        connector: its name.
        before: the state that it was in: Connect's word, FAILED also for a failed task.
        after: the state that it is in.
        error: why it is not in the state that was asked for.
        hint: what to do about that.
    """

    shard: str
    connector: str
    before: str = ""
    after: str = ""
    error: str = ""
    hint: str = ""


def change_states(
    topology: Topology,
    verb: Verb,
    *,
    only: Collection[str] | None = None,
    wait: float = WAIT_SECONDS,
    report: Progress | None = None,
) -> list[Changed]:
    """Bring connectors to a state; those that are in it already are left alone.

    Args:
        topology: as loaded.
        verb: what to do.
        only: the names of the shards that are meant; None for all.
        wait: seconds for a connector to come to the state.
        report: told (shard, what happened), from several threads.

    Returns:
        What became of each; one that fails stops no other.

    Raises:
        ConnectError: Connect does not answer.
    """
    connect, tell = connect_of(topology), report or (lambda *_: None)
    connectors = connect.connectors()

    def one(shard: str, name: str) -> Changed:
        found = connectors.get(name)
        if found is None or found.config.get(TOPOLOGY_MARK) != topology.name:
            why = "there is no connector" if found is None else "it is not this topology's"
            return Changed(shard, name, error=why, hint="`connectors apply` makes what is missing.")
        try:
            return _change(connect, shard, found, verb, wait=wait, tell=tell)
        except ConnectError as error:
            return Changed(shard, name, _state(found), error=error.message, hint=error.hint)

    meant = [
        (shard.name, name)
        for shard in topology.shards
        if only is None or shard.name in only
        for name in (
            shard_names(topology, shard).connector,
            *(sink_connector(topology, shard, sink) for sink in topology.connect_sinks),
        )
    ]
    with ThreadPoolExecutor(WORKERS) as pool:
        return list(pool.map(lambda pair: one(*pair), meant))


def _change(connect: Connect, shard: str, found: Connector, verb: Verb, *, wait: float, tell: Progress) -> Changed:
    before = _state(found)
    if before == _ENDS_IN.get(verb) or (verb is Verb.RESTART and before != "FAILED"):
        return Changed(shard, found.name, before, before)
    _DOES[verb](connect, found.name)
    until = time.monotonic() + wait
    while True:
        time.sleep(LOOK_SECONDS)  # a restart, too, is shown a moment later
        now = connect.status(found.name)
        after = _state(now) if now else "gone"
        if after == _ENDS_IN.get(verb, "RUNNING"):
            tell(shard, f"{found.name} is {after}")
            return Changed(shard, found.name, before, after)
        if time.monotonic() >= until:
            why = (failed(now) if now else "") or f"it is {after} after {wait:g} s"
            return Changed(
                shard, found.name, before, after, why, "`connectors status` says more; so does its worker's log."
            )


def _state(connector: Connector) -> str:
    if failed(connector):
        return "FAILED"
    # A connector that runs is of no use before its task does.
    if connector.state == "RUNNING" and not all(task.state == "RUNNING" for task in connector.tasks or ()):
        return "STARTING"
    return "STARTING" if connector.state == "RUNNING" and not connector.tasks else connector.state

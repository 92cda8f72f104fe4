"""What a worker sees to beside the stream, every few seconds and without ever holding it up."""

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import Protocol

import structlog

from afflux.clients.servers import servers
from afflux.errors import AffluxError
from afflux.sinks import make_sink, make_state
from afflux.sinks.base import Sink as AnySink
from afflux.sinks.batch import Partition
from afflux.sinks.state import SinkState
from afflux.stream.burials import Burials
from afflux.stream.contests import Contests
from afflux.stream.fills import Fills
from afflux.stream.leavers import Leavers
from afflux.stream.resyncs import Resyncs
from afflux.topology.model import Topology
from afflux.topology.secrets import resolve
from afflux.topology.sinks import Sink

log = structlog.get_logger()

_ROUND_SECONDS = 3.0


class Chore(Protocol):
    """Something that is looked after; used by one thread."""

    def follow(self, topology: Topology) -> None:
        """Go by another topology."""
        ...

    def round(self) -> None:
        """Do what can be done now; a server that is away is asked again at the next round."""
        ...

    def close(self) -> None:
        """Let go of servers."""
        ...


class Chores:
    """Looks after chores on a thread of its own, one after the other.

    Args:
        chores: which. One that fails keeps no other from its turn.
        state: what they share of the target.
    """

    def __init__(self, chores: Sequence[Chore], state: SinkState) -> None:
        self._chores = chores
        self._state = state
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="chores")
        self._round: Future[None] | None = None
        self._next = 0.0
        self._said: dict[Chore, str] = {}

    def follow(self, topology: Topology) -> None:
        """Go by another topology."""
        for chore in self._chores:
            self._thread.submit(chore.follow, topology)
        self._next = 0.0

    def turn(self) -> None:
        """Begin a round when it is time; never waits.

        Raises:
            Exception: a fault in a chore.
        """
        if self._round is not None and self._round.done():
            ended, self._round = self._round, None
            ended.result()
        if self._round is None and time.monotonic() >= self._next:
            self._next = time.monotonic() + _ROUND_SECONDS
            self._round = self._thread.submit(self._all)

    def finish(self, seconds: float) -> None:
        """Do a last round, and wait a little for it."""
        with suppress(TimeoutError):
            self._thread.submit(self._all).result(seconds)

    def close(self) -> None:
        """End, behind a round that goes on."""
        for chore in self._chores:
            self._thread.submit(chore.close)
        self._thread.submit(self._state.close)
        self._thread.shutdown()

    def _all(self) -> None:
        for chore in self._chores:
            try:
                chore.round()
            except AffluxError as error:
                if self._said.get(chore) != error.message:
                    log.warning("chore waits", reason=error.message, hint=error.hint)
                self._said[chore] = error.message
            else:
                self._said.pop(chore, None)


def chores_of(
    topology: Topology,
    sink: Sink,
    group: str,
    ends_of: Callable[[str], Mapping[Partition, int]],
    others: Sequence[Chore] = (),
) -> Chores:
    """Give the chores of a worker.

    Args:
        topology: the declared whole, its shards resolved.
        sink: which of its sinks.
        group: the sink's consumer group.
        ends_of: gives the read-committed end of each partition of a topic now.
        others: more of them.
    """
    state = make_state(sink, topology.name, group)

    def target() -> AnySink:
        return make_sink(sink, topology.name, group)

    to = servers(topology)
    anew = Resyncs(topology, state, target, to.notifications, ends_of)
    return Chores(
        [
            anew,
            Fills(topology, state, to),
            Contests(topology, state),
            Leavers(topology, state, target, ends_of),
            Burials(sink.dead_letters, state, sink.name, to.topics, _resolved(topology.kafka.properties)),
            *others,
        ],
        state,
    )


def _resolved(properties: Mapping[str, str]) -> dict[str, str]:
    return {key: resolve(value) for key, value in properties.items()}

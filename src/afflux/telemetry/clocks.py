"""How far the shards' clocks are off from this machine's, so that it is not taken for lag.

Measured as NTP does: the shard's time is compared with the middle of the question's way there and back, and of a few
questions the quickest counts. It can't be off by more than half of that way.
"""

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import psycopg
import structlog

from afflux.clients.postgres import Login, connect
from afflux.clients.postgres_errors import source_error
from afflux.clients.servers import login
from afflux.errors import SourceError
from afflux.telemetry import metrics
from afflux.topology.model import Topology

log = structlog.get_logger()

_QUESTIONS = 3
_AGAIN_SECONDS = 300.0
"""How often each shard is asked."""
_ROUNDS = 60
"""In so many rounds all shards are asked, a few in each."""
_NOTABLE_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Clock:
    """A shard's clock.

    Attributes:
        ahead: by how many seconds it is ahead of this machine's; negative when it is behind.
        within: how exact that is, in seconds.
    """

    ahead: float
    within: float


def read_clock(at: Login) -> Clock:
    """Compare a shard's clock with this machine's.

    Raises:
        SourceError: the shard can't be asked.
    """
    try:
        with connect(at, "afflux clock") as connection:
            return compare(lambda: _ask(connection))
    except psycopg.Error as error:
        raise source_error(at.where, at.user, error) from None


def compare(ask: Callable[[], float], now: Callable[[], float] = time.time) -> Clock:
    """Compare a clock that can be asked with this machine's.

    Args:
        ask: gives the other clock's time, in seconds since 1970.
        now: gives this machine's.
    """
    found = []
    for _ in range(_QUESTIONS):
        before = now()
        told = ask()
        after = now()
        found.append(Clock(told - (before + after) / 2, max(0.0, after - before) / 2))
    return min(found, key=lambda clock: clock.within)


class Clocks:
    """The clocks of a topology's shards, looked at now and then: a chore of the sink.

    Args:
        topology: the declared whole.
    """

    def __init__(self, topology: Topology) -> None:
        self._topology = topology
        self._asked: dict[str, float] = {}
        self._ahead: dict[str, float] = {}

    @property
    def ahead(self) -> Mapping[str, float]:
        """By how many seconds shards' clocks are ahead, as far as they could be asked."""
        return self._ahead

    def follow(self, topology: Topology) -> None:
        """Go by another topology."""
        self._topology = topology
        gone = self._asked.keys() - {shard.name for shard in topology.shards}
        for shard in gone & self._ahead.keys():
            metrics.CLOCK_AHEAD.remove(shard)
        self._ahead = {shard: ahead for shard, ahead in self._ahead.items() if shard not in gone}
        self._asked = {shard: at for shard, at in self._asked.items() if shard not in gone}

    def round(self) -> None:
        """Ask some of the shards whose turn it is; one that does not answer has its turn again like the others."""
        due = sorted(self._topology.shards, key=lambda shard: self._asked.get(shard.name, -math.inf))
        for shard in due[: math.ceil(len(due) / _ROUNDS)]:
            if time.monotonic() - self._asked.get(shard.name, -math.inf) < _AGAIN_SECONDS:
                return
            self._asked[shard.name] = time.monotonic()
            try:
                clock = read_clock(login(self._topology, shard))
            except SourceError as error:
                log.debug("clock not known", shard=shard.name, reason=error.message)
                continue
            if abs(clock.ahead) - clock.within > _NOTABLE_SECONDS:
                log.warning("clock differs", shard=shard.name, ahead_seconds=round(clock.ahead, 3))
            self._ahead = {**self._ahead, shard.name: clock.ahead}
            metrics.CLOCK_AHEAD.labels(shard.name).set(clock.ahead)

    def close(self) -> None:
        """Nothing is kept open."""


def _ask(connection: psycopg.Connection) -> float:
    row = connection.execute("SELECT extract(epoch FROM clock_timestamp())::float8").fetchone()
    return float(row[0]) if row else math.nan

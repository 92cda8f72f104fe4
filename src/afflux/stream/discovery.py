"""Which of a topology's topics exist: the broker is asked beside the main loop, now and then."""

import time
from collections.abc import Collection, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol

import structlog

from afflux.errors import KafkaError
from afflux.stream.subscription import Declared, message_topics, wanted_topics
from afflux.topology.model import Topology

log = structlog.get_logger()

_ASK_SECONDS = 3.0


class Asked(Protocol):
    """What is asked: `clients.topics.Topics`."""

    def names(self) -> set[str]:
        """Give the names of all topics."""
        ...

    def ids(self, names: Iterable[str], /) -> dict[str, str]:
        """Give the ids of topics."""
        ...


@dataclass(frozen=True, slots=True)
class _Found:
    topics: frozenset[str]
    ids: dict[str, str]


class Discovery:
    """Follows which topics there are, and which of them were made anew.

    Args:
        topics: the broker's.

    Attributes:
        known: whether the broker has told the topics of the topology as it is now.
        away: what the broker said when it was last asked in vain; empty when it answers.
    """

    def __init__(self, topics: Asked) -> None:
        self._topics = topics
        self._beside = ThreadPoolExecutor(1, thread_name_prefix="beside")
        self._asking: Future[_Found] | None = None
        self._next = 0.0
        self._ids: dict[str, str] = {}
        self._suspects: set[str] = set()
        self.known = False
        self.away = ""

    def turn(self, topology: Topology, declared: Declared, *, patiently: bool) -> frozenset[str] | None:
        """Give the topology's topics each time that the broker has told them.

        Args:
            topology: the declared whole.
            declared: the same, by topic.
            patiently: come back without them while the broker is being asked.

        Raises:
            KafkaError: the broker said something that waiting will not mend.
        """
        if self._asking is None and time.monotonic() >= self._next:
            self._asking = self._beside.submit(self._ask, topology, declared)
        if self._asking is None or (patiently and not self._asking.done()):
            return None
        asking, self._asking = self._asking, None
        self._next = time.monotonic() + _ASK_SECONDS
        try:
            found = asking.result()
        except KafkaError as error:
            if not error.transient:
                raise
            self.away = error.message
            log.warning("waiting", reason=error.message)
            return None
        self.away, self.known = "", True
        self._suspects |= {topic for topic, of in found.ids.items() if of != self._ids.get(topic, of)}
        return found.topics

    def soon(self) -> None:
        """Ask at the next turn, for what is known, or is being asked, is of another topology."""
        self._next, self._asking, self.known = 0.0, None, False

    def ids_of(self, topics: Collection[str]) -> dict[str, str]:
        """Ask for the ids of topics now; what they are compared with from now on."""
        ids = self._topics.ids(topics)
        self._ids = {**self._ids, **ids}
        return ids

    def suspects(self) -> set[str]:
        """Give the topics that have another id than before, since the last call."""
        suspects, self._suspects = self._suspects, set()
        return suspects

    def close(self) -> None:
        """Ask no more."""
        self._beside.shutdown(cancel_futures=True)

    def _ask(self, topology: Topology, declared: Declared) -> _Found:
        existing = self._topics.names()
        topics = wanted_topics(declared, existing) | (message_topics(topology) & existing)
        return _Found(topics, self._topics.ids(topics))

"""The life of a change: consume -> decode -> route -> fold -> apply -> remember the position.

Consuming is `intake.py`; decoding, routing and folding are `prepare.py`; applying is the sink's. Here
they run on two threads of one batch each, so that while one batch is written the next one is decoded.
Nothing here knows Kafka's groups.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import TypeVar

import structlog
from tenacity import RetryCallState, Retrying, retry_if_exception, stop_when_event_set, wait_random_exponential
from tenacity.nap import sleep_using_event

from afflux import faults
from afflux.errors import IncompleteError, Overtaken, RefusedError, ServerError, TableError
from afflux.sinks.base import Sink
from afflux.sinks.batch import Batch, Mark, Partition
from afflux.stream import astray
from afflux.stream.intake import Raw
from afflux.stream.measure import Measure
from afflux.stream.prepare import Prepared, Preparer
from afflux.telemetry import metrics
from afflux.telemetry.traces import Step

log = structlog.get_logger()

Result = TypeVar("Result")

_IN_FLIGHT = 2
"""One batch that is decoded, and one that is written."""


class Pipeline:
    """Takes gathered messages through to the target.

    Args:
        preparer: decodes, routes and folds.
        sink: applies; used by one thread of this pipeline alone.
        ids_of: gives the broker's ids of topics.
        measure: measures what has become durable.
    """

    def __init__(
        self,
        preparer: Preparer,
        sink: Sink,
        ids_of: Callable[[Collection[str]], Mapping[str, str]],
        measure: Measure | None = None,
    ) -> None:
        self._preparer = preparer
        self._measure = measure or Measure(dict)
        self._sink = sink
        self._ids_of = ids_of
        self._remembered: frozenset[str] = frozenset()
        """The stopped topics that the target knows of."""
        self._preparing = ThreadPoolExecutor(1, thread_name_prefix="prepare")
        self._applying = ThreadPoolExecutor(1, thread_name_prefix="apply")
        self._in_flight: deque[Future[Batch]] = deque()
        self._give_up = threading.Event()
        self.waiting_for = ""
        """What a step is waiting for, in words; empty when nothing."""

    def open(self) -> "Future[None]":
        """Open the sink, waiting for its server as long as it takes."""
        return self._applying.submit(self._patiently, self._open)

    def claim(self, partitions: Iterable[Partition]) -> "Future[dict[Partition, int]]":
        """Take partitions over, behind the batches in flight.

        Args:
            partitions: asked for at each attempt, so that what has been taken away meanwhile is left alone.
        """
        return self._applying.submit(self._patiently, lambda: self._claim(partitions))

    def look(self, suspects: Collection[str] = ()) -> "Future[frozenset[Partition]]":
        """Look in the target for what people want: topics to stop or to read on, and positions to go back to.

        Args:
            suspects: topics that may have been made anew; those that were are stopped.

        Returns:
            The partitions whose positions somebody has changed.
        """
        return self._applying.submit(self._patiently, lambda: self._look(suspects))

    def pass_marks(self, marks: Collection[Mark], shards: Collection[str]) -> "Future[list[Mark]]":
        """Move watermarks, behind the batches in flight; see `Sink.pass_marks`."""
        return self._applying.submit(self._patiently, lambda: self._sink.pass_marks(marks, shards))

    def submit(self, raw: Raw) -> None:
        """Send gathered messages on their way; `full` says when not to."""
        prepared = self._preparing.submit(self._prepare, Prepared(raw))
        self._in_flight.append(self._applying.submit(self._apply, prepared))

    @property
    def full(self) -> bool:
        """Whether as many batches are in flight as may be."""
        return len(self._in_flight) >= _IN_FLIGHT

    @property
    def oldest(self) -> "Future[Batch] | None":
        """The batch that will be durable next."""
        return self._in_flight[0] if self._in_flight else None

    def durable(self) -> Iterable[Batch]:
        """Give the batches that have become durable since the last call.

        Raises:
            AffluxError: one of them could not be; those behind it were dropped.
        """
        while self._in_flight and self._in_flight[0].done():
            yield self._in_flight.popleft().result()

    def drain(self, seconds: float) -> None:
        """Wait until nothing is in flight; after a time, drop what could not be written."""
        deadline = time.monotonic() + seconds
        for flight in list(self._in_flight):
            if not _settled(flight, max(0.0, deadline - time.monotonic())):
                self._give_up.set()
                _settled(flight, None)
        self._give_up.clear()

    def drop(self) -> None:
        """Forget batches in flight that failed, or would be behind one that did."""
        self._give_up.set()
        for flight in self._in_flight:
            flight.cancel()
            _settled(flight, None)
        self._in_flight.clear()
        self._give_up.clear()

    def close(self) -> None:
        """Let go of the sink and end the threads."""
        self._give_up.set()
        self._applying.submit(self._sink.close)
        self._preparing.shutdown(cancel_futures=True)
        self._applying.shutdown()

    def _open(self) -> None:
        self._sink.open()
        self._know()

    def _claim(self, partitions: Iterable[Partition]) -> dict[Partition, int]:
        wanted = list(partitions)
        ids = self._ids_of({partition.topic for partition in wanted})
        self._remember_stops()
        offsets = self._sink.claim(wanted, ids) if wanted else {}
        # What another worker had seen to until now is in the target alone.
        self._know()
        self._stop_recreated(ids)
        return offsets

    def _know(self) -> None:
        stopped = self._sink.stopped_tables()
        self._preparer.know(stopped, self._sink.open_dead_letters(), self._sink.emptied())
        self._remembered = frozenset(stopped)

    def _stop_recreated(self, ids: Mapping[str, str]) -> None:
        for topic in self._sink.recreated(ids) - self._preparer.stopped.keys():
            self._preparer.stop(astray.recreated(topic))
        self._remember_stops()

    def _look(self, suspects: Collection[str]) -> frozenset[Partition]:
        self._stop_recreated(self._ids_of(suspects) if suspects else {})
        stopped = self._sink.stopped_tables()
        self._preparer.follow(stopped, self._remembered)
        self._remembered = frozenset(stopped)
        return self._sink.rewound()

    def _prepare(self, prepared: Prepared) -> Prepared:
        faults.passing("consumed")
        begun = time.time()
        with metrics.PREPARE_SECONDS.time():
            self._patiently(lambda: self._preparer.prepare(prepared))
        prepared.steps.append(Step("prepare", begun, time.time()))
        return prepared

    def _apply(self, preparing: "Future[Prepared]") -> Batch:
        prepared = preparing.result()
        started = time.monotonic()
        while not self._is_durable(prepared):
            pass
        self._preparer.durable(prepared)
        lasted = time.monotonic() - started
        prepared.steps.append(Step("apply", time.time() - lasted, time.time()))
        self._measure.durable(prepared, lasted)
        return prepared.batch

    def _is_durable(self, prepared: Prepared) -> bool:
        """Apply a batch; when it can't be, leave out what is to blame, and say that it is to be tried again."""
        if prepared.version != self._preparer.version:
            self._prepare(prepared)
        self._remember_stops()
        if not prepared.batch.spans:
            return True
        try:
            self._patiently(lambda: self._sink.apply(prepared.batch))
        except Overtaken as overtaken:
            log.info("dead letters closed meanwhile", reason=overtaken.message)
            self._preparer.release(prepared, self._patiently(self._sink.open_dead_letters))
        except RefusedError as refused:
            self._preparer.bury_refused(prepared, refused)
        except TableError as error:
            if not (isinstance(error, IncompleteError) and self._preparer.complete(prepared, error)):
                self._preparer.stop(error)
        else:
            return True
        return False

    def _remember_stops(self) -> None:
        stopped = self._preparer.stopped
        for topic in stopped.keys() - self._remembered:
            self._patiently(partial(self._sink.stop_table, topic, stopped[topic]))
            self._remembered |= {topic}

    def _patiently(self, step: Callable[[], Result]) -> Result:
        """Do a step, and do it again with growing pauses for as long as a server is away."""
        attempts = Retrying(
            retry=retry_if_exception(lambda error: isinstance(error, ServerError) and error.transient),
            wait=wait_random_exponential(multiplier=0.2, max=10),
            stop=stop_when_event_set(self._give_up),
            sleep=sleep_using_event(self._give_up),
            before_sleep=self._say_waiting,
            reraise=True,
        )
        try:
            return attempts(step)
        finally:
            self.waiting_for = ""

    def _say_waiting(self, state: RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        self.waiting_for = str(error)
        metrics.RETRIES.inc()
        log.warning("waiting", attempt=state.attempt_number, reason=str(error))


def _settled(flight: "Future[Batch]", seconds: float | None) -> bool:
    """Wait for a batch without taking its result; False when it is still under way."""
    ended = threading.Event()
    flight.add_done_callback(lambda _: ended.set())
    return ended.wait(seconds)

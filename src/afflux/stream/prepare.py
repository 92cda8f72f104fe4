"""From gathered messages to a batch: decode, route, fold, and what to do with events that can't be.

The policy, one line a kind of error:

    a server is away              wait and try again, for as long as it takes (`pipeline.py`)
    no event, not of its schema   dead letter
    a value the target refuses    dead letter
    an event without values that the target has never had, or that a dead one may have changed
                                  completed by the row at its shard (`completing.py`); where that can't be,
                                  stop the table, or dead letter, held behind the dead one (`holding.py`)
    too many dead letters   stop the table, keep its position (`deaths.py`)
    an unknown schema id, a type, a key or a table that can't be   stop the table, keep its position
    a registry that lost its ids, a fault in afflux   stop the daemon
"""

import threading
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import structlog
from tenacity import Retrying, retry_if_exception, stop_after_delay, wait_random_exponential

from afflux import faults
from afflux.errors import IncompleteError, PoisonError, RefusedError, SourceError, TableError
from afflux.sinks.batch import (
    HELD,
    MOVED_AT,
    Batch,
    DeadLetter,
    Emptied,
    EventKey,
    LetterId,
    Partition,
    Span,
    TableChanges,
)
from afflux.stream.completing import Completed, Completer, complete
from afflux.stream.deaths import Deaths
from afflux.stream.decoded import Decoded
from afflux.stream.decoder import Decoder
from afflux.stream.folder import fold
from afflux.stream.holding import judge, place
from afflux.stream.intake import Raw
from afflux.stream.overtaken import emptied, newest, without_overtaken
from afflux.stream.sealed import Sealed, seal
from afflux.telemetry import metrics
from afflux.telemetry.traces import Step

log = structlog.get_logger()

_SHARD_SECONDS = 15.0
"""How long a shard is asked that does not answer, before its table goes on without."""


@dataclass(slots=True)
class Prepared:
    """A batch, and what it was made of, so that it can be made again without an event or a table."""

    raw: Raw
    batch: Batch = field(default_factory=lambda: Batch({}))
    messages: list[Any] = field(default_factory=list)
    """The messages that went into the batch, in order of arrival."""
    dead: dict[LetterId, DeadLetter] = field(default_factory=dict)
    waits: dict[LetterId, EventKey] = field(default_factory=dict)
    """Of the held ones among the dead, the key of what they wait for."""
    cut: dict[Partition, int] = field(default_factory=dict)
    """Where partitions are read no further, for there would be too many dead letters."""
    completed: Completed = field(default_factory=Completed)
    """What was read at the shards for events that left values out."""
    version: int = -1
    """The preparer's state that the batch was made in."""
    steps: list[Step] = field(default_factory=list)
    """What was done with it so far."""


class Preparer:
    """Makes batches, and remembers which topics are stopped and which keys have open dead letters.

    Args:
        decoder: decodes and routes.
        ends_of: gives the read-committed end of each partition of a topic now.
        deaths: says when a topic has too many dead letters; None where any number is right.
        completer: reads at the shards what events left out; None where that may not be.
        sealed: tells of which topics no dead letter may hold anything that an event has said.
    """

    def __init__(
        self,
        decoder: Decoder,
        ends_of: Callable[[str], Mapping[Partition, int]],
        deaths: Deaths | None = None,
        completer: Completer | None = None,
        sealed: Sealed = lambda _topic: False,
    ) -> None:
        self._sealed = sealed
        self.decoder = decoder
        self.completer = completer
        self._ends_of = ends_of
        self._deaths = deaths
        self.stopped: dict[str, str] = {}
        """The topics that are not read on, with the reasons."""
        self.version = 0
        """Counts what makes batches that are prepared already wrong: burials and stops."""
        self._open: dict[EventKey, set[LetterId]] = {}
        """Every open dead letter that has a key; some that are closed meanwhile may be among them."""
        self._emptied: dict[Emptied, int] = {}
        """The commit times of the newest truncates."""
        self._lock = threading.Lock()

    def know(
        self,
        stopped: Mapping[str, str],
        letters: Mapping[LetterId, EventKey],
        truncated: Mapping[Emptied, int] | None = None,
    ) -> None:
        """Start from what the target remembers."""
        self.stopped = dict(stopped)
        self._emptied = newest(self._emptied, truncated or {})
        self.know_letters(letters)

    def know_letters(self, letters: Mapping[LetterId, EventKey]) -> None:
        """Start from the open dead letters that the target remembers."""
        known: dict[EventKey, set[LetterId]] = defaultdict(set)
        for letter, key in letters.items():
            known[key].add(letter)
        with self._lock:
            self._open = dict(known)
            self.version += 1

    def prepare(self, prepared: Prepared) -> Prepared:
        """Make the batch of gathered messages, without what is dead or stopped.

        Raises:
            DecodeError: nothing can be trusted; nothing was written.
            RegistryError: the registry does not answer.
        """
        while True:
            for letter in prepared.dead.values():
                self._remember(letter)
            prepared.version = self.version
            prepared.messages = [m for m in prepared.raw.messages if self._is_wanted(m, prepared)]
            try:
                if self._make(prepared):
                    return prepared
            except PoisonError as poison:
                for sequence, reason in sorted(poison.reasons.items()):
                    self.bury(prepared, sequence, poison.kind, reason)
            except TableError as error:
                self.stop(error)

    def _make(self, prepared: Prepared) -> bool:
        """Make the batch; where events have to wait behind dead letters, bury them and say that it is to be made again."""
        decoded = self._decoded(prepared)
        faults.passing("decoded")
        truncated = emptied(decoded)
        decoded, overtaken = without_overtaken(decoded, newest(self._emptied, truncated))
        judged = judge(prepared.messages, decoded, self._letters())
        if judged.held and self._read_back(prepared, decoded, judged.held):
            return False
        for sequence, key in judged.held.items():
            prepared.waits[place(prepared.messages[sequence])] = key
            self.bury(prepared, sequence, HELD, _HELD_REASON)
        if judged.held:
            return False
        tables = fold(decoded)
        faults.passing("folded")
        batch = Batch(
            spans=self._spans(prepared),
            tables=tuple(self._guarded(changes) for changes in tables),
            superseded=judged.superseded,
            truncated=judged.truncated,
            emptied=truncated,
            events=sum(part.rows.height + len(part.truncates) for part in decoded),
        )
        if overtaken:
            log.info("rows of a snapshot were overtaken by a truncate", rows=overtaken)
        self._emptied = newest(self._emptied, truncated)
        read = [letter for letter in prepared.dead.values() if self._is_read(letter.id, prepared)]
        dead = [replace(letter, superseded=batch.supersedes(letter.id, letter.event_key)) for letter in read]
        prepared.batch = replace(batch, dead=tuple(dead), awaited=_awaited(prepared, dead))
        return True

    def complete(self, prepared: Prepared, incomplete: IncompleteError) -> bool:
        """Read at the shards what the events of a batch left out and the target has never had.

        Returns:
            Whether the batch is to be made again; False where nothing more can be read.
        """
        decoded = self._decoded(prepared)
        done = self._read_back(prepared, decoded, incomplete.events)
        if done:
            prepared.version = -1
        return done

    def _decoded(self, prepared: Prepared) -> list[Decoded]:
        return complete(self.decoder.decode(prepared.messages), prepared.messages, prepared.completed)

    def _read_back(self, prepared: Prepared, decoded: Sequence[Decoded], events: Collection[int]) -> bool:
        new = [event for event in events if place(prepared.messages[event]) not in prepared.completed]
        if self.completer is None or not new:
            return False
        try:
            attempts = Retrying(
                retry=retry_if_exception(lambda error: isinstance(error, SourceError) and error.transient),
                wait=wait_random_exponential(multiplier=0.5, max=5),
                stop=stop_after_delay(_SHARD_SECONDS),
                reraise=True,
            )
            counts = attempts(self.completer.read, decoded, prepared.messages, new, prepared.completed)
        except SourceError as error:
            log.warning("rows can't be completed", events=len(new), reason=error.message, hint=error.hint)
            return False
        for shard, rows in counts.items():
            metrics.COMPLETED.labels(shard).inc(rows)
        log.info("rows completed from their shards", rows=counts, gone=len(prepared.completed.gone))
        return True

    def bury(self, prepared: Prepared, sequence: int, kind: str, reason: str) -> None:
        """Make a dead letter of the message with this place in the batch's order of arrival.

        Where that is one too many, its topic is stopped there instead.
        """
        message = prepared.messages[sequence]
        at = place(message)
        headers = tuple((name, value) for name, value in message.headers() or ())
        letter = DeadLetter(*at, message.key(), message.value(), headers, kind=kind, reason=reason)
        if self._sealed(at.partition.topic):
            letter = seal(letter)
        self.version += 1
        too_many = self._deaths.count(letter) if self._deaths else ""
        if too_many:
            prepared.cut[at.partition] = min(at.offset, prepared.cut.get(at.partition, at.offset))
            if at.partition.topic not in self.stopped:
                self.stop(TableError(too_many, topic=at.partition.topic, hint=_MANY_HINT))
        else:
            prepared.dead[at] = letter
            self._remember(letter)
            log.warning("dead letter", id=str(at), kind=kind, reason=letter.reason)

    def bury_refused(self, prepared: Prepared, refused: RefusedError) -> None:
        """Make dead letters of the messages whose rows the target refuses."""
        for sequence, reason in sorted(refused.reasons.items()):
            self.bury(prepared, sequence, "refused by the target", reason)

    def stop(self, error: TableError) -> None:
        """Read no further the topics that an error is about.

        Raises:
            TableError: there are none to stop, so that nothing less than everything can be.
        """
        topics = {error.topic} if error.topic else self.decoder.topics_of(error.table)
        new = topics - self.stopped.keys()
        if not new:
            raise error
        self.version += 1
        for topic in sorted(new):
            self.stopped = {**self.stopped, topic: f"{error.message} ({error.hint})" if error.hint else error.message}
            log.error("table stopped", topic=topic, reason=error.message, hint=error.hint)

    def follow(self, told: Mapping[str, str], knew: Collection[str]) -> None:
        """Stop and resume topics as the target says, for a person or another daemon.

        Args:
            told: the topics that are stopped there, with the reasons.
            knew: those that were.
        """
        for topic in self.stopped.keys() & knew - told.keys():
            self.resume(topic)
        new = {topic: reason for topic, reason in told.items() if topic not in self.stopped}
        if new:
            self.stopped = {**self.stopped, **new}
            self.version += 1
            for topic, reason in sorted(new.items()):
                log.warning("table stopped", topic=topic, reason=reason)

    def resume(self, topic: str) -> None:
        """Read a stopped topic on."""
        self.stopped = {name: reason for name, reason in self.stopped.items() if name != topic}
        if self._deaths:
            self._deaths.forget(topic)
        self.version += 1
        log.info("table resumed", topic=topic)

    def durable(self, prepared: Prepared) -> None:
        """Forget the open dead letters that a batch has superseded, now that it is durable."""
        batch = prepared.batch
        if batch.superseded or batch.truncated:
            with self._lock:
                left = {k: {at for at in ids if not batch.supersedes(at, k)} for k, ids in self._open.items()}
                self._open = {key: letters for key, letters in left.items() if letters}

    def release(self, prepared: Prepared, letters: Mapping[LetterId, EventKey]) -> None:
        """Let a batch's held events go, for the dead letters before them are open no more; judge them again.

        Args:
            prepared: the batch.
            letters: the open dead letters that the target remembers.
        """
        for at in prepared.waits:
            prepared.dead.pop(at, None)
        prepared.waits.clear()
        self.know_letters(letters)

    def _guarded(self, changes: TableChanges) -> TableChanges:
        """Say what other partitions may still bring: rows older than a truncate, other halves of key changes."""
        moved = not changes.rows[MOVED_AT].is_null().all()
        if not changes.truncates and not moved:
            return changes
        topics = self.decoder.topics_of(str(changes.table)) | {truncate.topic for truncate in changes.truncates}
        ends = {topic: self._ends_of(topic) for topic in topics}
        several = {topic: tuple(found.items()) if len(found) > 1 else () for topic, found in ends.items()}
        guarded = tuple(replace(t, until=several[t.topic]) for t in changes.truncates)
        return replace(changes, truncates=guarded, several=any(several.values()))

    def _is_wanted(self, message: Any, prepared: Prepared) -> bool:
        if not self.stopped and not prepared.dead:
            return True
        at = place(message)
        return at not in prepared.dead and self._is_read(at, prepared)

    def _is_read(self, at: LetterId, prepared: Prepared) -> bool:
        return at.offset < prepared.cut.get(at.partition, 0 if at.partition.topic in self.stopped else at.offset + 1)

    def _spans(self, prepared: Prepared) -> dict[Partition, Span]:
        """Give how positions move: not in stopped topics, and where one is stopped in the batch, up to there."""
        spans = {
            partition: Span(span.start, min(span.end, prepared.cut.get(partition, span.end)))
            for partition, span in prepared.raw.spans.items()
            if partition in prepared.cut or partition.topic not in self.stopped
        }
        return {partition: span for partition, span in spans.items() if span.end > span.start}

    def _letters(self) -> dict[EventKey, frozenset[LetterId]]:
        with self._lock:
            return {key: frozenset(letters) for key, letters in self._open.items()}

    def _remember(self, letter: DeadLetter) -> None:
        """Count a letter among the open ones; batches that were made without it have to be made again."""
        key = letter.event_key
        if key is not None:
            with self._lock:
                letters = self._open.setdefault(key, set())
                if letter.id not in letters:
                    letters.add(letter.id)
                    self.version += 1


_HELD_REASON = "it leaves out unchanged values that an earlier dead letter of its key may have changed"
_MANY_HINT = "look at them by `afflux dead-letters list`, mend the cause, then `afflux tables resume`"


def _awaited(prepared: Prepared, dead: Sequence[DeadLetter]) -> dict[EventKey, LetterId]:
    """Give the keys whose dead letters in the target the held events wait for, and the first of those events."""
    first: dict[EventKey, LetterId] = {}
    still = sorted((letter.id, letter.event_key) for letter in dead if not letter.superseded)
    for at, _ in still:
        key = prepared.waits.get(at)
        if key is not None and not any(of == key and before.is_before(at) for before, of in still):
            first.setdefault(key, at)
    return first

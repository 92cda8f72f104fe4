"""From gathered messages to a batch: decode, route, fold, and what to do with events that can't be.

The policy, one line a kind of error:

    a server is away              wait and try again, for as long as it takes (`pipeline.py`)
    no event, not of its schema   dead letter
    a value the target refuses    dead letter
    an event that needs the values of a dead one   dead letter, held behind it
    an unknown schema id, a type, a key or a table that can't be   stop the table, keep its position
    a registry that lost its ids, a fault in afflux   stop the daemon
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import polars as pl
import structlog

from afflux import faults
from afflux.errors import PoisonError, TableError
from afflux.sinks.base import (
    DELETED,
    MOVED_AT,
    SEQUENCE,
    Batch,
    DeadLetter,
    EventKey,
    Partition,
    TableChanges,
    unchanged,
)
from afflux.stream.decoder import Decoder
from afflux.stream.folder import fold
from afflux.stream.intake import Raw

log = structlog.get_logger()

HELD = "held"
"""The kind of a dead letter that is in order itself, and waits for an earlier one of its key."""


@dataclass(slots=True)
class Prepared:
    """A batch, and what it was made of, so that it can be made again without an event or a table."""

    raw: Raw
    batch: Batch = field(default_factory=lambda: Batch({}))
    messages: list[Any] = field(default_factory=list)
    """The messages that went into the batch, in order of arrival."""
    dead: dict[tuple[Partition, int], DeadLetter] = field(default_factory=dict)
    version: int = -1
    """The preparer's state that the batch was made in."""


class Preparer:
    """Makes batches, and remembers which topics are stopped and which keys have open dead letters.

    Args:
        decoder: decodes and routes.
        ends_of: gives the read-committed end of each partition of a topic now.
    """

    def __init__(self, decoder: Decoder, ends_of: Callable[[str], Mapping[Partition, int]]) -> None:
        self.decoder = decoder
        self._ends_of = ends_of
        self.stopped: dict[str, str] = {}
        """The topics that are not read on, with the reasons."""
        self.version = 0
        """Counts what makes batches that are prepared already wrong: burials and stops."""
        self._open: dict[EventKey, int] = {}

    def know(self, stopped: Mapping[str, str], open_keys: frozenset[EventKey]) -> None:
        """Start from what the target remembers."""
        self.stopped = dict(stopped)
        self._open = dict.fromkeys(open_keys, self.version)
        self.version += 1

    def prepare(self, prepared: Prepared) -> Prepared:
        """Make the batch of gathered messages, without what is dead or stopped.

        Raises:
            DecodeError: nothing can be trusted; nothing was written.
            RegistryError: the registry does not answer.
        """
        while True:
            prepared.version = self.version
            prepared.messages = [m for m in prepared.raw.messages if self._is_wanted(m, prepared)]
            try:
                decoded = self.decoder.decode(prepared.messages)
                faults.passing("decoded")
                tables = fold(decoded)
                faults.passing("folded")
                self._see_that_none_is_held(prepared, tables)
            except PoisonError as poison:
                for sequence, reason in poison.reasons.items():
                    self.bury(prepared, sequence, poison.kind, reason)
            except TableError as error:
                self.stop(error)
            else:
                last = self._last_good(prepared)
                prepared.batch = Batch(
                    spans={p: span for p, span in prepared.raw.spans.items() if p.topic not in self.stopped},
                    tables=tuple(self._guarded(changes) for changes in tables),
                    dead=tuple(_judged(letter, last) for letter in prepared.dead.values() if self._is_read(letter)),
                    superseded=frozenset(last),
                    events=sum(part.rows.height + len(part.truncates) for part in decoded),
                )
                return prepared

    def bury(self, prepared: Prepared, sequence: int, kind: str, reason: str) -> None:
        """Make a dead letter of the message with this place in the batch's order of arrival."""
        message = prepared.messages[sequence]
        partition, offset = Partition(message.topic(), message.partition()), message.offset()
        headers = tuple((name, value) for name, value in message.headers() or ())
        letter = DeadLetter(partition, offset, message.key(), message.value(), headers, kind=kind, reason=reason)
        prepared.dead[partition, offset] = letter
        self.version += 1
        self._open[_key_of(letter)] = self.version
        place = {"topic": partition.topic, "partition": partition.number, "offset": offset}
        log.warning("dead letter", **place, kind=kind, reason=reason)

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
            self.stopped[topic] = error.message
            log.error("table stopped", topic=topic, reason=error.message, hint=error.hint)

    def resume(self, topic: str) -> None:
        """Read a stopped topic on."""
        self.stopped.pop(topic, None)
        self.version += 1
        log.info("table resumed", topic=topic)

    def durable(self, prepared: Prepared) -> None:
        """Forget the open dead letters that a batch has superseded, now that it is durable."""
        still = {_key_of(letter) for letter in prepared.batch.dead if not letter.superseded}
        for key in prepared.batch.superseded - still:
            if self._open.get(key, 0) <= prepared.version:
                self._open.pop(key, None)

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
        if message.topic() in self.stopped:
            return False
        place = Partition(message.topic(), message.partition())
        return not prepared.dead or (place, message.offset()) not in prepared.dead

    def _is_read(self, letter: DeadLetter) -> bool:
        return letter.partition.topic not in self.stopped

    def _of_open_keys(self, prepared: Prepared) -> dict[int, EventKey]:
        """Find the events whose key has an open dead letter, by their place in the order of arrival."""
        if not self._open:
            return {}
        events = ((n, m) for n, m in enumerate(prepared.messages) if m.value() is not None)
        keys = ((n, EventKey(m.topic(), m.key() or b"")) for n, m in events)
        return {number: key for number, key in keys if key in self._open}

    def _see_that_none_is_held(self, prepared: Prepared, tables: Sequence[TableChanges]) -> None:
        """Find the events that leave out values which a dead letter of their key may have changed.

        Raises:
            PoisonError: there are some; they wait behind that one.
        """
        of_open = self._of_open_keys(prepared)
        held: dict[int, str] = {}
        for changes in tables if of_open else ():
            masks = [unchanged(c.name) for c in changes.columns if unchanged(c.name) in changes.rows.columns]
            if masks:
                incomplete = changes.rows.filter(pl.any_horizontal(masks) & ~pl.col(DELETED))[SEQUENCE]
                held.update(dict.fromkeys((n for n in incomplete if n in of_open), _HELD_REASON))
        if held:
            raise PoisonError(HELD, held)

    def _last_good(self, prepared: Prepared) -> dict[EventKey, int]:
        """Give the keys with open dead letters of which the batch has an event that says all of the row, with its offset."""
        return {key: prepared.messages[n].offset() for n, key in self._of_open_keys(prepared).items()}


_HELD_REASON = "it leaves out unchanged values that an earlier dead letter of its key may have changed"


def _key_of(letter: DeadLetter) -> EventKey:
    return EventKey(letter.partition.topic, letter.key or b"")


def _judged(letter: DeadLetter, last: Mapping[EventKey, int]) -> DeadLetter:
    """Mark a dead letter that a later event of its key in the same batch has made irrelevant."""
    return replace(letter, superseded=last.get(_key_of(letter), -1) > letter.offset)

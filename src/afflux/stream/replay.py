"""Dead letters tried again: decode -> route -> fold -> apply, as on the day they came.

What a replay promises:

- Letters are applied in order of offset, and all open ones of a key together, for they belong together: one
  that leaves values out waits behind an earlier one that fails again.
- The rows and the letters' change from open to replayed commit in one transaction (`Sink.apply`).
- Nothing that is gone comes back. A letter is open only while no later event of its key has said all of the
  row: the daemon that applies such an event supersedes the letter in the same transaction. So positions in
  the WAL need not be compared, and are not.
- It is safe beside daemons and other replays: `sinks.letters.close` says how they wait for each other.
- A letter that fails again stays open, with its new reason.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar

from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_random_exponential

from afflux.errors import IncompleteError, Overtaken, RefusedError, ServerError, TableError
from afflux.sinks.base import Sink
from afflux.sinks.batch import HELD, DeadLetter, EventKey, LetterId, Partition, event_key
from afflux.sinks.state import LetterFilter, LetterHead, SinkState
from afflux.stream.completing import Completer
from afflux.stream.decoded import Message
from afflux.stream.decoder import Decoder
from afflux.stream.intake import Raw
from afflux.stream.prepare import Prepared, Preparer
from afflux.stream.sealed import Again, Sealed, is_event_of, is_sealed

Result = TypeVar("Result")

_MOST = 1000
"""Letters in one transaction."""
_MOST_BYTES = 64 * 1024 * 1024
_ATTEMPTS = 6


class Replay:
    """Tries dead letters of one sink again.

    Args:
        decoder: decodes and routes.
        sink: applies; open, and nobody else's.
        state: the same sink's state.
        ends_of: gives the read-committed end of each partition of a topic now.
        completer: reads at the shards what events left out; None where that may not be.
        sealed: tells of which topics no dead letter may hold anything that an event has said.
        again: reads the events of such letters anew.
    """

    def __init__(
        self,
        decoder: Decoder,
        sink: Sink,
        state: SinkState,
        ends_of: Callable[[str], Mapping[Partition, int]],
        completer: Completer | None = None,
        *,
        sealed: Sealed = lambda _topic: False,
        again: Again = lambda _letters: {},
    ) -> None:
        self._preparer = _Unstoppable(decoder, ends_of, completer=completer, sealed=sealed)
        self._again = again
        self.gone: set[LetterId] = set()
        """Sealed letters that could not be tried, for Kafka has their events no more."""
        self._sink = sink
        self._state = state

    def wanted(self, letters: Collection[LetterId]) -> list[LetterHead]:
        """Give the open letters that have to be tried if some are, in order.

        Those of the same keys belong together; and the held ones of the same topics, whatever their keys, may
        wait for one of them.
        """
        heads = self._open_in({letter.partition.topic for letter in letters})
        chosen = {head.id for head in heads if head.id in letters or head.kind == HELD}
        keys = {key for head in heads if head.id in chosen and (key := _key(head)) is not None}
        return [head for head in heads if head.id in chosen or _key(head) in keys]

    def run(self, letters: Sequence[LetterHead]) -> Iterator[int]:
        """Try letters again, in order of offset.

        Args:
            letters: what `wanted` gave.

        Yields:
            How many are dealt with, now and then. What has become of each is in the sink's state.

        Raises:
            DecodeError: the registry has lost its ids.
            ServerError: a server is away, or refuses.
        """
        done = 0
        for part in _parts(letters):
            self._try([head.id for head in part])
            done += len(part)
            yield done

    def _try(self, letters: Sequence[LetterId]) -> None:
        """Apply letters in one transaction; where a table can't take them, in halves, the first one first."""
        while still := self._still_open(letters):
            messages = self._messages(still)
            still = [at for at in still if at in messages]
            if not still:
                return
            prepared = Prepared(Raw(list(messages.values())))
            try:
                _patiently(partial(self._apply, prepared, frozenset(still)))
            except Overtaken:
                continue
            except TableError as error:
                if len(still) > 1:
                    self._try(still[: len(still) // 2])
                    letters = still[len(still) // 2 :]
                    continue
                prepared.messages = list(prepared.raw.messages)
                self._preparer.bury(prepared, 0, "its table can't take it", error.message)
                with suppress(Overtaken):
                    _patiently(partial(self._apply, prepared, frozenset(still)))
            return

    def _messages(self, letters: Sequence[LetterId]) -> dict[LetterId, Message]:
        """Give letters as the messages that they were; of the sealed ones those that are in Kafka still."""
        whole = self._state.whole(letters)
        closed = [at for at, letter in whole.items() if is_sealed(letter)]
        read = self._again(closed) if closed else {}
        found: dict[LetterId, Message] = {}
        for at, letter in whole.items():
            if not is_sealed(letter):
                found[at] = _Message(letter)
            elif at in read and is_event_of(letter, read[at]):
                found[at] = read[at]
            else:
                self.gone.add(at)
        return found

    def _apply(self, prepared: Prepared, letters: frozenset[LetterId]) -> None:
        """Apply letters without those that the target refuses."""
        while True:
            batch = self._preparer.prepare(prepared).batch
            try:
                self._sink.apply(replace(batch, replayed=letters))
            except RefusedError as refused:
                self._preparer.bury_refused(prepared, refused)
            except IncompleteError as incomplete:
                if not self._preparer.complete(prepared, incomplete):
                    raise
            else:
                return

    def _still_open(self, letters: Sequence[LetterId]) -> list[LetterId]:
        """Choose the letters that are open still, and let them wait for those before them which are, too."""
        wanted = frozenset(letters)
        heads = self._open_in({letter.partition.topic for letter in letters})
        before = {head.id: key for head in heads if head.id < letters[0] and (key := _key(head)) is not None}
        self._preparer.know_letters(before)
        return [head.id for head in heads if head.id in wanted and head.id not in self.gone]

    def _open_in(self, topics: Collection[str]) -> list[LetterHead]:
        return self._state.letters(LetterFilter(topics=topics))


def _parts(letters: Sequence[LetterHead]) -> Iterator[list[LetterHead]]:
    """Cut letters into what is applied in one transaction."""
    part: list[LetterHead] = []
    for head in letters:
        if part and (len(part) >= _MOST or sum(h.size for h in part) + head.size > _MOST_BYTES):
            yield part
            part = []
        part.append(head)
    if part:
        yield part


class _Unstoppable(Preparer):
    """Stops no table: what a table can't take fails alone."""

    def stop(self, error: TableError) -> None:
        """Let the replay deal with it.

        Raises:
            TableError: always.
        """
        raise error


@dataclass(frozen=True, slots=True)
class _Message:
    """A dead letter as the message that it was."""

    letter: DeadLetter

    def topic(self) -> str:
        return self.letter.partition.topic

    def partition(self) -> int:
        return self.letter.partition.number

    def offset(self) -> int:
        return self.letter.offset

    def key(self) -> bytes | None:
        return self.letter.key

    def value(self) -> bytes | None:
        return self.letter.value

    def headers(self) -> list[tuple[str, bytes | None]]:
        return list(self.letter.headers)


def _key(head: LetterHead) -> EventKey | None:
    return event_key(head.id.partition.topic, head.key)


def _patiently(step: Callable[[], Result]) -> Result:
    """Do a step, and do it again a few times where a server is away or others were in the way."""
    attempts = Retrying(
        retry=retry_if_exception(lambda error: isinstance(error, ServerError) and error.transient),
        wait=wait_random_exponential(multiplier=0.2, max=5),
        stop=stop_after_attempt(_ATTEMPTS),
        reraise=True,
    )
    return attempts(step)

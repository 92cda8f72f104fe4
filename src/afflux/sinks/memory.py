"""A target in memory: the contract of a sink in its shortest form, for tests and as an example.

Several sinks may share one `Memory`, as several workers share one warehouse.
"""

from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, datetime

from afflux.errors import Fenced
from afflux.sinks import memory_log, memory_resyncs, memory_rows
from afflux.sinks.base import Sink
from afflux.sinks.batch import Batch, DeadLetter, Emptied, EventKey, LetterId, Mark, Mode, Partition, Truncate
from afflux.sinks.letters import close, concerns
from afflux.sinks.memory_store import KeptLetter, Memory
from afflux.sinks.resyncs import ResyncState
from afflux.sinks.state import REWOUND, LetterState, Watermark

__all__ = ["Memory", "MemorySink"]

_WRITERS = {Mode.UPSERT: memory_rows.write, Mode.APPEND: memory_log.append, Mode.HISTORY: memory_log.keep_versions}


class MemorySink(Sink):
    """Applies batches to a `Memory`."""

    def __init__(self, memory: Memory, name: str = "memory") -> None:
        self.name = name
        self._memory = memory
        self._epochs: dict[Partition, int] = {}

    def open(self) -> None:
        """See `Sink.open`."""

    def close(self) -> None:
        """See `Sink.close`."""

    def claim(
        self, partitions: Iterable[Partition], topic_ids: Mapping[str, str] | None = None
    ) -> dict[Partition, int]:
        """See `Sink.claim`."""
        memory, offsets = self._memory, {}
        with memory.lock:
            for partition in partitions:
                self._epochs[partition] = memory.epochs[partition] = memory.epochs.get(partition, 0) + 1
                memory.owners[partition] = self.name
                if (topic_ids or {}).get(partition.topic):
                    memory.topic_ids.setdefault(partition, (topic_ids or {})[partition.topic])
                offsets[partition] = memory.offsets.setdefault(partition, 0)
        return offsets

    def recreated(self, topic_ids: Mapping[str, str]) -> frozenset[str]:
        """See `Sink.recreated`."""
        known = self._memory.topic_ids.items()
        return frozenset(p.topic for p, of in known if topic_ids.get(p.topic) and topic_ids[p.topic] != of)

    def rewound(self) -> frozenset[Partition]:
        """See `Sink.rewound`."""
        return frozenset(partition for partition, owner in self._memory.owners.items() if owner.startswith(REWOUND))

    def open_dead_letters(self) -> dict[LetterId, EventKey]:
        """See `Sink.open_dead_letters`."""
        return {at: key for at, letter in self._memory.dead.items() if (key := letter.event_key) is not None}

    def emptied(self) -> dict[Emptied, int]:
        """See `Sink.emptied`."""
        return dict(self._memory.emptied)

    def stop_table(self, topic: str, reason: str) -> None:
        """See `Sink.stop_table`."""
        self._memory.stopped[topic] = reason

    def stopped_tables(self) -> dict[str, str]:
        """See `Sink.stopped_tables`."""
        return dict(self._memory.stopped)

    def pass_marks(self, marks: Collection[Mark], shards: Collection[str]) -> list[Mark]:
        """See `Sink.pass_marks`."""
        memory, now = self._memory, datetime.now(UTC)
        with memory.lock:
            none_yet = {shard: Watermark(shard, None, None, now) for shard in shards}
            memory.watermarks = {shard: memory.watermarks.get(shard, new) for shard, new in none_yet.items()}
            passed = [mark for mark in marks if all(_reached(memory, mark, p, end) for p, end in mark.ends.items())]
            for mark in passed:
                known = memory.watermarks.get(mark.shard)
                topics = {partition.topic for partition in mark.ends}
                dead = sum(letter.partition.topic in topics for letter in memory.dead)
                left_out = tuple(sorted(topic for topic in topics if _left_out(memory, topic)))
                if known and (known.time is None or known.time <= mark.time):
                    memory.watermarks[mark.shard] = Watermark(mark.shard, mark.time, mark.lsn, now, left_out, dead)
            return passed

    def apply(self, batch: Batch) -> None:
        """See `Sink.apply`."""
        memory = self._memory
        with memory.lock:
            before = memory.copied()
            try:
                self._apply(batch)
            except BaseException:
                vars(memory).update(before)
                raise

    def _apply(self, batch: Batch) -> None:
        memory = self._memory
        if any(memory.epochs.get(p) != self._epochs.get(p) for p in batch.spans):
            raise Fenced("another worker has claimed a partition of this batch")
        if batch.spans and all(memory.offsets[p] == span.end for p, span in batch.spans.items()):
            return
        if any(memory.offsets[p] != span.start for p, span in batch.spans.items()):
            raise Fenced("a position was changed by somebody else")
        still_open = {at: letter.event_key for at, letter in memory.dead.items()}
        closed = close(batch, {at: key for at, key in still_open.items() if concerns(batch, at, key)})
        memory_resyncs.close(memory.resyncs, memory.offsets, batch.resynced)
        for of, time in batch.emptied.items():
            memory.emptied[of] = max(time, memory.emptied.get(of, 0))
        for changes in batch.tables:
            _WRITERS[changes.keeping.mode](memory, changes)
        memory.set_state(closed.superseded, LetterState.SUPERSEDED)
        memory.set_state(closed.applied, LetterState.REPLAYED)
        for letter in batch.dead:
            _keep(memory, letter)
        memory.offsets.update({p: span.end for p, span in batch.spans.items()})
        memory.truncations = [(name, t) for name, t in memory.truncations if _may_come(memory, t)]


def _reached(memory: Memory, mark: Mark, partition: Partition, end: int) -> bool:
    """Tell whether the target stands at the end that a mark has in a partition, or does not read it on."""
    known, resync = memory.topic_ids.get(partition), memory.resyncs.get(partition.topic)
    same = known is None or mark.topic_ids.get(partition.topic, known) == known
    whole = same and not (resync and resync.open)
    return _left_out(memory, partition.topic) or (whole and memory.offsets.get(partition, 0) >= end)


def _left_out(memory: Memory, topic: str) -> bool:
    """Tell whether no watermark speaks of a topic: it is stopped, or could not be read anew."""
    resync = memory.resyncs.get(topic)
    return topic in memory.stopped or (resync is not None and resync.state is ResyncState.FAILED)


def _may_come(memory: Memory, truncate: Truncate) -> bool:
    """Tell whether rows older than a truncate may still come, by a partition or from the dead letters."""
    dead = any(letter.partition == p and letter.offset < end for p, end in truncate.until for letter in memory.dead)
    return dead or any(memory.offsets.get(p, 0) < end for p, end in truncate.until)


def _keep(memory: Memory, letter: DeadLetter) -> None:
    now = datetime.now(UTC)
    first = memory.letters[letter.id].first_seen if letter.id in memory.letters else now
    state = LetterState.SUPERSEDED if letter.superseded else LetterState.OPEN
    told = letter.id in memory.letters and memory.letters[letter.id].told
    memory.letters[letter.id] = KeptLetter(letter, state, first, now, told)

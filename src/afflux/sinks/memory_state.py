"""The operator's side of a target in memory."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from afflux.sinks import memory_collisions, memory_log, memory_resyncs, memory_shards
from afflux.sinks.batch import DeadLetter, LetterId, Partition
from afflux.sinks.collisions import Collision
from afflux.sinks.memory import Memory
from afflux.sinks.resyncs import Resync
from afflux.sinks.shards import GoneShard
from afflux.sinks.state import REWOUND, LetterFilter, LetterHead, LetterState, SinkState, Standing, Stop, Watermark

_NEVER = datetime.fromtimestamp(0, UTC)
"""Memory does not keep the times of positions and stops."""


class MemoryState(SinkState):
    """The state of a `Memory`."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory

    def positions(self) -> list[Standing]:
        """See `SinkState.positions`."""
        memory = self._memory
        return [
            Standing(p, offset, memory.topic_ids.get(p, ""), memory.epochs[p], memory.owners[p], _NEVER)
            for p, offset in sorted(memory.offsets.items())
        ]

    def watermarks(self) -> list[Watermark]:
        """See `SinkState.watermarks`."""
        return [known for _, known in sorted(self._memory.watermarks.items())]

    def rewind(
        self, to: Mapping[Partition, int], topic_ids: Mapping[str, str], by: str, shards: Collection[str] = ()
    ) -> None:
        """See `SinkState.rewind`."""
        memory = self._memory
        with memory.lock:
            for shard in memory.watermarks.keys() & set(shards):
                memory.watermarks[shard] = replace(memory.watermarks[shard], time=None, lsn=None)
            for partition, offset in to.items():
                found = topic_ids.get(partition.topic)
                other = found is not None and memory.topic_ids.get(partition, found) != found
                of = [at for at in memory.dead if at.partition == partition and (other or at.offset >= offset)]
                memory.set_state(of, LetterState.SUPERSEDED)
                if other:
                    memory_log.set_aside(memory, partition, memory.topic_ids[partition])
                memory_log.cut_back(memory, partition, offset)
                memory.offsets[partition] = offset
                memory.epochs[partition] += 1
                memory.owners[partition] = REWOUND + by
                if found is not None:
                    memory.topic_ids[partition] = found

    def stops(self) -> list[Stop]:
        """See `SinkState.stops`."""
        return [Stop(topic, reason, _NEVER) for topic, reason in sorted(self._memory.stopped.items())]

    def stop(self, topics: Collection[str], reason: str) -> None:
        """See `SinkState.stop`."""
        for topic in topics:
            self._memory.stopped.setdefault(topic, reason)

    def resume(self, topics: Collection[str]) -> None:
        """See `SinkState.resume`."""
        for topic in topics:
            self._memory.stopped.pop(topic, None)

    def letters(self, wanted: LetterFilter) -> list[LetterHead]:
        """See `SinkState.letters`."""
        heads = [
            LetterHead(at, of.key, of.kind, of.reason, kept.state, kept.first_seen, kept.last_seen, len(of.value))
            for at, kept in sorted(self._memory.letters.items(), key=lambda item: item[0])
            if (of := kept.letter)
        ]
        return [head for head in heads if _is_wanted(head, wanted)]

    def whole(self, letters: Collection[LetterId]) -> dict[LetterId, DeadLetter]:
        """See `SinkState.whole`."""
        return {at: self._memory.letters[at].letter for at in sorted(letters) if at in self._memory.letters}

    def discard(self, letters: Collection[LetterId]) -> frozenset[LetterId]:
        """See `SinkState.discard`."""
        with self._memory.lock:
            were = frozenset(letters) & self._memory.dead.keys()
            self._memory.set_state(were, LetterState.DISCARDED)
        return were

    def untold_letters(self, most: int) -> list[DeadLetter]:
        """See `SinkState.untold_letters`."""
        kept = sorted(self._memory.letters.values(), key=lambda kept: (kept.first_seen, kept.letter.id))
        return [each.letter for each in kept if not each.told][:most]

    def tell_letters(self, letters: Collection[LetterId]) -> None:
        """See `SinkState.tell_letters`."""
        known = self._memory.letters
        known.update({at: replace(known[at], told=True) for at in letters if at in known})

    def forget_letters(self, before: datetime) -> int:
        """See `SinkState.forget_letters`."""
        known = self._memory.letters
        old = [at for at, kept in known.items() if kept.state is not LetterState.OPEN and kept.last_seen < before]
        for at in old:
            del known[at]
        return len(old)

    def ask_resyncs(self, resyncs: Collection[Resync]) -> None:
        """See `SinkState.ask_resyncs`."""
        memory_resyncs.ask(self._memory.resyncs, resyncs)

    def resyncs(self) -> list[Resync]:
        """See `SinkState.resyncs`."""
        return memory_resyncs.listed(self._memory.resyncs, self._memory.offsets)

    def resync_read(self, resync: Resync, ends: Mapping[Partition, int]) -> None:
        """See `SinkState.resync_read`."""
        memory_resyncs.read(self._memory.resyncs, resync, ends)

    def resync_failed(self, resync: Resync, reason: str) -> None:
        """See `SinkState.resync_failed`."""
        memory_resyncs.fail(self._memory.resyncs, resync, reason)

    def judge_contests(self, window: timedelta, shards: Collection[str]) -> list[Collision]:
        """See `SinkState.judge_contests`."""
        return memory_collisions.judge(self._memory, window, shards)

    def collisions(self) -> list[Collision]:
        """See `SinkState.collisions`."""
        return memory_collisions.listed(self._memory)

    def note_shards(self, shards: Mapping[str, str]) -> list[GoneShard]:
        """See `SinkState.note_shards`."""
        return memory_shards.note(self._memory, shards)

    def decide_shard(self, shard: str, decision: str, unseen: timedelta) -> bool:
        """See `SinkState.decide_shard`."""
        return memory_shards.decide(self._memory, shard, decision, unseen)

    def close_shard(self, shard: str, topics: Collection[str]) -> None:
        """See `SinkState.close_shard`."""
        memory_shards.close(self._memory, shard, topics)

    def close(self) -> None:
        """See `SinkState.close`."""


def _is_wanted(head: LetterHead, wanted: LetterFilter) -> bool:
    return (
        (wanted.states is None or head.state in wanted.states)
        and (wanted.topics is None or head.id.partition.topic in wanted.topics)
        and (wanted.kind is None or head.kind == wanted.kind)
        and (wanted.since is None or head.first_seen >= wanted.since)
        and (wanted.until is None or head.first_seen < wanted.until)
    )

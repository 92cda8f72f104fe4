"""The operator's side of a lake's state: the reference's own, on the state that the ledger keeps."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import TypeVar

from afflux.errors import NoStateError
from afflux.sinks.base import DeadLetter, LetterId, Partition
from afflux.sinks.delta.ledger import Ledger
from afflux.sinks.delta.store import Store, errors
from afflux.sinks.memory_state import MemoryState
from afflux.sinks.resyncs import Resync
from afflux.sinks.shards import GoneShard
from afflux.sinks.state import LetterFilter, LetterHead, SinkState, Standing, Stop, Watermark

Result = TypeVar("Result")


class DeltaState(SinkState):
    """The state that a sink of a topology keeps in a lake.

    Args:
        name: the sink's name in the topology, for messages.
        store: the lake.
        topology: the topology's name.
        group: the consumer group.
    """

    def __init__(self, *, name: str, store: Store, topology: str, group: str) -> None:
        self._name = name
        self._ledger = Ledger(store, topology, group)
        self._reference = MemoryState(self._ledger.memory)
        self._is_open = False

    def positions(self) -> list[Standing]:
        """See `SinkState.positions`."""
        found = self._read("read positions", lambda state: state.positions())
        return [replace(s, updated=self._ledger.time_of("offsets", s.partition)) for s in found]

    def watermarks(self) -> list[Watermark]:
        """See `SinkState.watermarks`."""
        return self._read("read watermarks", lambda state: state.watermarks())

    def rewind(
        self, to: Mapping[Partition, int], topic_ids: Mapping[str, str], by: str, shards: Collection[str] = ()
    ) -> None:
        """See `SinkState.rewind`."""
        self._change("rewind", lambda state: state.rewind(to, topic_ids, by, shards))

    def stops(self) -> list[Stop]:
        """See `SinkState.stops`."""
        found = self._read("read which tables are stopped", lambda state: state.stops())
        return [replace(stop, since=self._ledger.time_of("stopped", stop.topic)) for stop in found]

    def stop(self, topics: Collection[str], reason: str) -> None:
        """See `SinkState.stop`."""
        self._change("stop tables", lambda state: state.stop(topics, reason))

    def resume(self, topics: Collection[str]) -> None:
        """See `SinkState.resume`."""
        self._change("resume tables", lambda state: state.resume(topics))

    def letters(self, wanted: LetterFilter) -> list[LetterHead]:
        """See `SinkState.letters`."""
        return self._read("read dead letters", lambda state: state.letters(wanted))

    def whole(self, letters: Collection[LetterId]) -> dict[LetterId, DeadLetter]:
        """See `SinkState.whole`."""
        return self._read("read dead letters", lambda state: state.whole(letters))

    def discard(self, letters: Collection[LetterId]) -> frozenset[LetterId]:
        """See `SinkState.discard`."""
        return self._change("discard dead letters", lambda state: state.discard(letters))

    def ask_resyncs(self, resyncs: Collection[Resync]) -> None:
        """See `SinkState.ask_resyncs`."""
        self._change("ask for resynchronisations", lambda state: state.ask_resyncs(resyncs))

    def resyncs(self) -> list[Resync]:
        """See `SinkState.resyncs`."""
        return self._read("read resynchronisations", lambda state: state.resyncs())

    def resync_read(self, resync: Resync, ends: Mapping[Partition, int]) -> None:
        """See `SinkState.resync_read`."""
        self._change("remember that a table was read", lambda state: state.resync_read(resync, ends))

    def resync_failed(self, resync: Resync, reason: str) -> None:
        """See `SinkState.resync_failed`."""
        self._change("remember that a table could not be read", lambda state: state.resync_failed(resync, reason))

    def note_shards(self, shards: Mapping[str, str]) -> list[GoneShard]:
        """See `SinkState.note_shards`."""
        return self._change("note shards", lambda state: state.note_shards(shards))

    def decide_shard(self, shard: str, decision: str, unseen: timedelta) -> bool:
        """See `SinkState.decide_shard`."""
        return self._change("decide of a shard", lambda state: state.decide_shard(shard, decision, unseen))

    def close_shard(self, shard: str, topics: Collection[str]) -> None:
        """See `SinkState.close_shard`."""
        self._change("forget a shard", lambda state: state.close_shard(shard, topics))

    def close(self) -> None:
        """See `SinkState.close`."""
        self._is_open = False

    def _read(self, doing: str, step: Callable[[MemoryState], Result]) -> Result:
        with errors(self._name, doing):
            self._open()
            self._ledger.refresh()
            return step(self._reference)

    def _change(self, doing: str, step: Callable[[MemoryState], Result]) -> Result:
        with errors(self._name, doing):
            self._open()
            return self._ledger.change(lambda _: step(self._reference))

    def _open(self) -> None:
        if not self._is_open and not self._ledger.open(make=False):
            raise NoStateError(
                f"sink {self._name!r} has no state yet: nothing was ever applied to this target",
                hint="`afflux run` makes it when it starts",
            )
        self._is_open = True

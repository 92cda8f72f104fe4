"""The operator's side of a state that is kept as records: the reference's own, on the memory that they make."""

from abc import abstractmethod
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Protocol, TypeVar

import polars as pl

from afflux.sinks.batch import SHARD, SOURCE_TS, DeadLetter, LetterId, Partition, TableName
from afflux.sinks.collisions import Collision
from afflux.sinks.memory import Memory
from afflux.sinks.memory_state import MemoryState
from afflux.sinks.reference.batch import Held
from afflux.sinks.resyncs import Resync
from afflux.sinks.shards import GoneShard
from afflux.sinks.state import LetterFilter, LetterHead, SinkState, Standing, Stop, Watermark
from afflux.types.exact_text import exact_text

Result = TypeVar("Result")


class Kept(Protocol):
    """Where the state is kept."""

    memory: Memory
    """The state, without rows."""

    def time_of(self, kind: str, key: object) -> datetime:
        """Tell when an entry of the state last changed."""


def load_contested(memory: Memory, table: TableName, hidden: pl.DataFrame, shown: Held) -> None:
    """Put the versions of a table's contested rows into a memory, keys as texts.

    Args:
        memory: the state.
        table: which.
        hidden: its contested rows that are set aside.
        shown: the table itself.
    """
    key = [name for name in shown.key if name != SHARD]
    names = [*key, SHARD, SOURCE_TS]
    both = pl.concat([hidden.select(names), shown.known(hidden.select(key), names).select(names)])
    versions = memory.tables.setdefault(table, {})
    texts = both.select(exact_text(both[name]) for name in key).rows()
    for text, shard, at in zip(texts, both[SHARD], both[SOURCE_TS].to_physical(), strict=True):
        versions.setdefault(text, {})[shard] = {"_shard": shard, "_source_ts": at}


class ReferenceState(SinkState):
    """The state that a sink of a topology keeps as records.

    Args:
        kept: where.
    """

    def __init__(self, kept: Kept) -> None:
        self._kept = kept
        self._reference = MemoryState(kept.memory)

    @abstractmethod
    def _read(self, doing: str, step: Callable[[MemoryState], Result]) -> Result:
        """Look at the newest state.

        Args:
            doing: what it is for, for messages.
            step: looks.
        """

    @abstractmethod
    def _change(self, doing: str, step: Callable[[MemoryState], Result]) -> Result:
        """Change the newest state, and commit that; `step` may be called several times."""

    @abstractmethod
    def _load_contested(self) -> None:
        """Put the versions of contested rows into the state's memory, keys as texts, within a change."""

    def positions(self) -> list[Standing]:
        """See `SinkState.positions`."""
        found = self._read("read positions", lambda state: state.positions())
        return [replace(s, updated=self._kept.time_of("offsets", s.partition)) for s in found]

    def watermarks(self) -> list[Watermark]:
        """See `SinkState.watermarks`."""
        return self._read("read watermarks", lambda state: state.watermarks())

    def stops(self) -> list[Stop]:
        """See `SinkState.stops`."""
        found = self._read("read which tables are stopped", lambda state: state.stops())
        return [replace(stop, since=self._kept.time_of("stopped", stop.topic)) for stop in found]

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

    def untold_letters(self, most: int) -> list[DeadLetter]:
        """See `SinkState.untold_letters`."""
        return self._read("read dead letters", lambda state: state.untold_letters(most))

    def tell_letters(self, letters: Collection[LetterId]) -> None:
        """See `SinkState.tell_letters`."""
        self._change("remember told dead letters", lambda state: state.tell_letters(letters))

    def forget_letters(self, before: datetime) -> int:
        """See `SinkState.forget_letters`."""
        return self._change("forget dead letters", lambda state: state.forget_letters(before))

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

    def collisions(self) -> list[Collision]:
        """See `SinkState.collisions`."""
        return self._read("read collisions", lambda state: state.collisions())

    def judge_contests(self, window: timedelta, shards: Collection[str]) -> list[Collision]:
        """See `SinkState.judge_contests`."""

        def judge(state: MemoryState) -> list[Collision]:
            self._load_contested()
            return state.judge_contests(window, shards)

        return self._change("judge contested rows", judge)

"""The operator's side of a lake's state: the reference's own, on the state that the ledger keeps."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TypeVar

import polars as pl

from afflux.errors import NoStateError, SinkError
from afflux.sinks.base import SHARD, SOURCE_TS, DeadLetter, LetterId, Mode, Partition, TableName
from afflux.sinks.collisions import Collision
from afflux.sinks.delta.ledger import ASIDE, TABLES, Ledger
from afflux.sinks.delta.pledges import Cut, Pledges
from afflux.sinks.delta.store import Store, errors
from afflux.sinks.delta.tables import Tables
from afflux.sinks.memory import Memory
from afflux.sinks.memory_state import MemoryState
from afflux.sinks.reference.settle import KIND, Kind
from afflux.sinks.resyncs import Resync
from afflux.sinks.shards import GoneShard
from afflux.sinks.state import LetterFilter, LetterHead, SinkState, Standing, Stop, Watermark
from afflux.topology.sinks import DeltaSink as Config
from afflux.types.exact_text import exact_text

Result = TypeVar("Result")


class DeltaState(SinkState):
    """The state that a sink of a topology keeps in a lake.

    Args:
        config: the sink's part of the topology.
        store: the lake.
        topology: the topology's name.
        group: the consumer group.
    """

    def __init__(self, *, config: Config, store: Store, topology: str, group: str) -> None:
        self._name = config.name
        self._ledger = Ledger(store, topology, group)
        self._reference = MemoryState(self._ledger.memory)
        self._tables = Tables(store, self._ledger.place, config)
        self._pledges = Pledges(store, self._ledger, self._tables.at)
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
        with errors(self._name, "rewind"):
            self._open()
            for _ in self._ledger.attempts():
                self._ledger.refresh()
                former = {p: self._ledger.memory.topic_ids.get(p, "") for p in to}
                places = [p for p, mode in self._ledger.others(TABLES).items() if mode in {Mode.APPEND, Mode.HISTORY}]
                self._pledges.await_others(places)
                self._reference.rewind(to, topic_ids, by, shards)
                cuts = [
                    Cut(partition, offset, f"{partition.topic}@{former[partition]}" if other else "")
                    for partition, offset in to.items()
                    for other in [former[partition] not in {"", topic_ids.get(partition.topic, former[partition])}]
                ]
                pledge = self._pledges.cut(places, cuts)
                if self._ledger.commit(self._pledges.records(pledge)):
                    self._pledges.committed()
                    if pledge is not None:
                        self._pledges.redeem(pledge)
                    return
            raise SinkError(f"sink {self._name!r}: the state is changed by others all the time", transient=True)

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

    def judge_contests(self, window: timedelta, shards: Collection[str]) -> list[Collision]:
        """See `SinkState.judge_contests`."""
        with errors(self._name, "judge contested rows"):
            self._open()

            def judge(_: Memory) -> list[Collision]:
                self._load_contested()
                return self._reference.judge_contests(window, shards)

            return self._ledger.change(judge)

    def collisions(self) -> list[Collision]:
        """See `SinkState.collisions`."""
        return self._read("read collisions", lambda state: state.collisions())

    def close(self) -> None:
        """See `SinkState.close`."""
        self._is_open = False

    def _load_contested(self) -> None:
        """Put the versions of contested rows into the state's memory, keys as texts."""
        for place, mode in self._ledger.others(TABLES).items():
            if mode != ASIDE:
                continue
            aside, shown = self._tables.at(place), self._tables.at(place.removeprefix(f"{self._ledger.place}/aside/"))
            key = [name for name in shown.key if name != SHARD]
            hidden = aside.rows().filter(pl.col(KIND) == Kind.CONTESTED).select(*key, SHARD, SOURCE_TS).collect()
            both = pl.concat([hidden, shown.known(hidden.select(key), [*key, SHARD, SOURCE_TS]).select(hidden.columns)])
            versions = self._ledger.memory.tables.setdefault(TableName(*shown.name.split(".", 1)), {})
            texts = both.select(exact_text(both[name]) for name in key).rows()
            for text, shard, at in zip(texts, both[SHARD], both[SOURCE_TS].to_physical(), strict=True):
                versions.setdefault(text, {})[shard] = {"_shard": shard, "_source_ts": at}

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

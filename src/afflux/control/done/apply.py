"""Run a plan: what all shards share first, then each shard's actions in order, the shards side by side.

Connectors that run and get another config come one after the other: the first alone, and the rest, some at a time,
only once that one streams again. What fails stops its own shard and no other. Every action may be run again.
"""

import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import TypeVar

from afflux.clients.servers import Servers
from afflux.control.done.carry import carry_out
from afflux.control.planned.actions import (
    Action,
    CopyTables,
    CreateConnector,
    RemoveConnector,
    RestartConnector,
    SetConnector,
    StartConnector,
)
from afflux.control.planned.plan import Plan
from afflux.control.seen.copies import plain
from afflux.control.seen.follow import SETTLED, Progress, Watcher
from afflux.control.seen.observe import WORKERS
from afflux.control.seen.scans import Copying
from afflux.control.seen.status import Verdict
from afflux.control.wanted.settings import TWICE_HINT
from afflux.errors import AffluxError
from afflux.topology.model import Shard, Topology
from afflux.topology.names import shard_names

PARALLEL = 4
"""Connectors that restart at once."""
_EARLIER = "an action before it failed"
_TWICE = "exactly-once source support"
"""What Connect says when a connector requires it, and the worker has it switched off."""
_T = TypeVar("_T")
_R = TypeVar("_R")


@dataclass(frozen=True)
class Outcome:
    """What became of an action: done, or why not."""

    action: Action
    error: str = ""
    hint: str = ""
    skipped: str = ""
    """Why it was not tried."""

    @property
    def done(self) -> bool:
        """Whether it was carried out."""
        return not self.error and not self.skipped


@dataclass(frozen=True)
class _Made:
    """A shard whose actions were carried out, but for the copies."""

    shard: Shard
    outcomes: list[Outcome]
    copies: Sequence[Action]
    restarted: bool
    reader: int | None
    """The server's process that sent to the connector before it was restarted; it does not count any more."""
    settled: Collection[Verdict]
    """Verdicts that will not change by themselves."""


@dataclass(frozen=True)
class _Done:
    """What became of one shard."""

    shard: Shard
    outcomes: list[Outcome]
    flows: bool
    """Whether its stream flows, as far as it was waited for."""


@dataclass(frozen=True)
class Run:
    """One run of a plan.

    Args:
        topology: the plan's.
        to: its servers.
        wait: seconds for all shards to stream, counted from the last action; a first copy that takes longer goes on.
        progress: told of every action and wait.
        parallel: connectors that restart at once.
    """

    topology: Topology
    to: Servers
    wait: float
    progress: Progress
    parallel: int = PARALLEL
    watcher: Watcher = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "watcher", Watcher(self.topology, self.to, self.progress))

    def carry_out(self, plan: Plan) -> list[Outcome]:
        """Carry a plan out, and wait until the shards that no problem keeps from it stream and have their copies.

        Returns:
            What became of each action.
        """
        shared = self._in_order(plan.of(""))
        if not all(outcome.done for outcome in shared):
            return [*shared, *_skipped((a for a in plan.actions if a.shard), "what all shards share was not done")]
        gone = self._in_order([a for a in plan.actions if isinstance(a, RemoveConnector) and a.shard not in plan.clear])
        shards = [shard for shard in self.topology.shards if shard.name in plan.clear]
        rolled = [shard for shard in shards if any(map(_restarts, plan.of(shard.name)))]
        try:
            done = self._at_once([shard for shard in shards if shard not in rolled], plan)
            done += self._one_first(rolled, plan)
        except BaseException:  # Ctrl-C above all: the threads are waited for, so they must not wait
            self.watcher.stopped.set()
            raise
        outcomes = self._copied([*chain.from_iterable(each.outcomes for each in done)])
        return [*shared, *gone, *outcomes]

    def _at_once(self, shards: Sequence[Shard], plan: Plan) -> list[_Done]:
        """Make shards side by side; then wait for all of them together."""
        made = self._side_by_side(WORKERS, lambda shard: self._make(shard, plan.of(shard.name)), shards)
        until = time.monotonic() + self.wait
        return self._side_by_side(WORKERS, lambda one: self._follow(one, until), made)

    def _one_first(self, shards: Sequence[Shard], plan: Plan) -> list[_Done]:
        """Give running connectors their new config: the first one alone, the others once that one streams."""

        def whole(shard: Shard) -> _Done:
            return self._follow(self._make(shard, plan.of(shard.name)), time.monotonic() + self.wait)

        first, rest = list(shards[:1]), list(shards[1:])
        done = [whole(shard) for shard in first]
        if self.wait and rest and not all(each.flows for each in done):
            why = f"{first[0].name} does not stream with its new config"
            self.progress("", f"{why}: the other {len(rest)} keep theirs")
            return [*done, *(_Done(each, _skipped(plan.of(each.name), why), flows=False) for each in rest)]
        return [*done, *self._side_by_side(self.parallel, whole, rest)]

    def _side_by_side(self, most: int, do: Callable[[_T], _R], each: Sequence[_T]) -> list[_R]:
        if not each:
            return []
        with ThreadPoolExecutor(most) as pool:
            try:
                return list(pool.map(do, each))
            except BaseException:
                self.watcher.stopped.set()
                pool.shutdown(wait=False, cancel_futures=True)
                raise

    def _make(self, shard: Shard, actions: tuple[Action, ...]) -> _Made:
        restarts = any(isinstance(action, SetConnector | RestartConnector) for action in actions)
        starts = any(isinstance(action, CreateConnector | StartConnector) for action in actions)
        before = self.watcher.look(shard).reader if restarts else None
        copies = [action for action in actions if isinstance(action, CopyTables)]
        outcomes = self._in_order([action for action in actions if action not in copies])
        return _Made(shard, outcomes, copies, restarts, before, SETTLED - {Verdict.PAUSED} if starts else SETTLED)

    def _follow(self, made: _Made, until: float) -> _Done:
        """Wait for a shard's stream, and have its new tables copied."""
        if not all(outcome.done for outcome in made.outcomes):
            return _Done(made.shard, [*made.outcomes, *_skipped(made.copies, _EARLIER)], flows=False)
        status = self.watcher.stream(
            made.shard, until, restarted=made.restarted, old_reader=made.reader, settled=made.settled
        )
        stale = made.reader is not None and status.reader == made.reader
        flows = not stale and status.verdict in {Verdict.STREAMING, Verdict.PAUSED}
        # A connector that still has its old tables would take the signal, and lose it on them.
        copies = self._in_order(made.copies) if flows else _skipped(made.copies, "the stream does not flow yet")
        return _Done(made.shard, [*made.outcomes, *copies], flows=flows)

    def _copied(self, outcomes: list[Outcome]) -> list[Outcome]:
        """Wait for the copies that were asked for; what failed is asked for once more, in the surer way."""
        asked = [o.action for o in outcomes if o.done and isinstance(o.action, CopyTables)]
        if not asked or not self.wait:
            return outcomes
        until = time.monotonic() + self.wait
        try:
            bad = self._await(asked, until)
            again = [replace(copy, signal=copy.signal.again(tables)) for copy, tables in bad]
            if again and not self.watcher.stopped.is_set():
                bad = self._await(self._side_by_side(self.parallel, self._ask_again, again), until)
        except AffluxError as error:
            self.progress("", f"can't see how far the copies are: {error.message}")
            return outcomes
        failed = {copy.topic_prefix: tables for copy, tables in bad}
        return [_judged(outcome, failed) for outcome in outcomes]

    def _await(self, asked: Sequence[CopyTables], until: float) -> list[tuple[CopyTables, tuple[str, ...]]]:
        """Wait for copies; returns those that failed, with their tables."""
        sent = self.to.signals.sent().signals
        copying = [Copying(sent[copy.signal.id]) for copy in asked]
        self.watcher.copies(copying, [copy.shard for copy in asked], until)
        bad = [
            (copy, tuple(t for t in copy.signal.tables if (scan := each.scans[plain(t)]).ended and not scan.good))
            for copy, each in zip(asked, copying, strict=True)
        ]
        return [(copy, tables) for copy, tables in bad if tables]

    def _ask_again(self, copy: CopyTables) -> CopyTables:
        shard = next(shard for shard in self.topology.shards if shard.name == copy.shard)
        if self.watcher.look(shard).verdict is Verdict.FAILED:
            self.to.connect.restart(shard_names(self.topology, shard).connector)
            self.progress(shard.name, "restart its connector, which the copy took with it")
            self.watcher.stream(shard, time.monotonic() + self.wait)
        carry_out(self.topology, self.to, copy)
        self.progress(shard.name, f"{copy.words}, while its changes wait")
        return copy

    def _in_order(self, actions: Iterable[Action]) -> list[Outcome]:
        outcomes: list[Outcome] = []
        waiting = list(actions)
        while waiting and not self.watcher.stopped.is_set():
            action = waiting.pop(0)
            try:
                carry_out(self.topology, self.to, action)
            except AffluxError as error:
                self.progress(action.shard, f"can't {action.words}: {error.message}")
                hint = error.hint or (TWICE_HINT if _TWICE in error.message else "")
                return [*outcomes, Outcome(action, error.message, hint), *_skipped(waiting, _EARLIER)]
            self.progress(action.shard, action.words)
            outcomes.append(Outcome(action))
        return [*outcomes, *_skipped(waiting, "it was stopped")]


def _restarts(action: Action) -> bool:
    return isinstance(action, SetConnector) and action.running


def _skipped(actions: Iterable[Action], why: str) -> list[Outcome]:
    return [Outcome(action, skipped=why) for action in actions]


def _judged(outcome: Outcome, failed: Mapping[str, tuple[str, ...]]) -> Outcome:
    action = outcome.action
    if not isinstance(action, CopyTables) or action.topic_prefix not in failed:
        return outcome
    bad = ", ".join(plain(table) for table in failed[action.topic_prefix] if table in action.signal.tables)
    hint = "Its worker's log says why; `connectors apply` asks for them again."
    return Outcome(action, f"the rows of {bad} could not be copied", hint) if bad else outcome

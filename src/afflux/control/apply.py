"""Run a plan: what all shards share first, then each shard's actions in order, the shards side by side.

What fails stops its own shard and no other. Every action may be run again.
"""

import time
from collections.abc import Callable, Collection, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import chain
from threading import Event

from afflux.clients.connect import Connect, Connector
from afflux.clients.postgres import session
from afflux.clients.servers import Servers, login
from afflux.control.actions import (
    Action,
    CopyTables,
    CreateConnector,
    CreateTopics,
    FreeSubjects,
    NoteTables,
    RestartConnector,
    SetConnector,
    SetPublication,
    SetTopic,
    StartConnector,
)
from afflux.control.neighbours import UNFINISHED
from afflux.control.observe import WORKERS, look
from afflux.control.plan import Plan
from afflux.control.status import ShardStatus, Verdict
from afflux.control.world import Problem
from afflux.errors import AffluxError, ConnectError
from afflux.topology.model import Shard, Topology
from afflux.topology.names import shard_names

Progress = Callable[[str, str], None]
"""Told (shard, what is happening or happened), from several threads; the empty shard is the topology as a whole."""

LOOK_SECONDS = 0.5
"""Between two looks at a stream that is waited for."""
FAILURE_SECONDS = 3.0
"""How long Connect may go on showing a failure that a restart has overcome."""
TOLD = frozenset({Verdict.STARTING, Verdict.SNAPSHOT})
"""Verdicts on the way to a stream that are worth a line; others come and go while a connector starts."""
SETTLED = frozenset({Verdict.STREAMING, Verdict.PAUSED, Verdict.LOST})


@dataclass(frozen=True)
class Outcome:
    """What became of an action: done, or why not."""

    action: Action
    error: str = ""
    hint: str = ""
    skipped: bool = False
    """Not tried, because an action before it failed."""

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
    reader: int | None
    """The server's process that sent to the connector before it was restarted; it does not count any more."""
    settled: Collection[Verdict]
    """Verdicts that will not change by themselves."""


@dataclass(frozen=True)
class Run:
    """One run of a plan.

    Args:
        topology: the plan's.
        to: its servers.
        wait: seconds for all shards to stream, counted from the last action; a first copy that takes longer goes on.
        progress: told of every action and wait.
    """

    topology: Topology
    to: Servers
    wait: float
    progress: Progress
    stopped: Event = field(default_factory=Event, init=False)

    def carry_out(self, plan: Plan) -> list[Outcome]:
        """Carry a plan out, and wait until the shards that no problem keeps from it stream.

        Returns:
            What became of each action.
        """
        shared = self._in_order(None, plan.of(""))
        if not all(outcome.done for outcome in shared):
            return [*shared, *_skipped(action for action in plan.actions if action.shard)]
        blocked = {problem.shard for problem in plan.problems}
        shards = [shard for shard in self.topology.shards if shard.name not in blocked]
        with ThreadPoolExecutor(WORKERS) as pool:
            try:
                made = list(pool.map(lambda shard: self._make(shard, plan.of(shard.name)), shards))
                until = time.monotonic() + self.wait
                copied = list(pool.map(lambda done: self._follow(done, until), made))
            except BaseException:  # Ctrl-C above all: the pool's threads are waited for, so they must not wait
                self.stopped.set()
                pool.shutdown(wait=False, cancel_futures=True)
                raise
        return [*shared, *(outcome for done in made for outcome in done.outcomes), *chain.from_iterable(copied)]

    def _make(self, shard: Shard, actions: tuple[Action, ...]) -> _Made:
        restarts = any(isinstance(action, SetConnector | RestartConnector) for action in actions)
        starts = any(isinstance(action, CreateConnector | StartConnector) for action in actions)
        before = self._look(shard).reader if restarts else None
        copies = [action for action in actions if isinstance(action, CopyTables)]
        outcomes = self._in_order(shard, [action for action in actions if action not in copies])
        return _Made(shard, outcomes, copies, before, SETTLED - {Verdict.PAUSED} if starts else SETTLED)

    def _follow(self, made: _Made, until: float) -> list[Outcome]:
        """Wait for a shard's stream, and have its new tables copied."""
        if not all(outcome.done for outcome in made.outcomes):
            return _skipped(made.copies)
        status = self._await_stream(made, until)
        stale = made.reader is not None and status.reader == made.reader
        if stale or status.verdict not in {Verdict.STREAMING, Verdict.PAUSED}:
            # A connector that still has its old tables would take the signal, and lose it on them.
            return _skipped(made.copies)
        return self._in_order(made.shard, made.copies)

    def _in_order(self, shard: Shard | None, actions: Iterable[Action]) -> list[Outcome]:
        outcomes: list[Outcome] = []
        waiting = list(actions)
        while waiting and not self.stopped.is_set():
            action = waiting.pop(0)
            try:
                self._do(shard, action)
            except AffluxError as error:
                self.progress(action.shard, f"can't {action.words}: {error.message}")
                return [*outcomes, Outcome(action, error.message, error.hint), *_skipped(waiting)]
            self.progress(action.shard, action.words)
            outcomes.append(Outcome(action))
        return [*outcomes, *_skipped(waiting)]

    def _do(self, shard: Shard | None, action: Action) -> None:
        match action:
            case CreateTopics(topics=topics):
                self.to.topics.create(topics)
            case SetTopic(topic=name, new=settings):
                self.to.topics.configure(name, settings)
            case FreeSubjects(rules=rules):
                for subject in rules:
                    self.to.registry.set_compatibility(subject, "NONE")
            case SetPublication(old=old, new=new) if shard is not None:
                with session(login(self.topology, shard)) as source:
                    set_to = source.create_publication if old is None else source.set_publication
                    set_to(new.name, sorted(new.tables))
            case NoteTables(topic_prefix=prefix, name=name, new=new):
                self.to.signals.note(prefix, connector=name, config=new)
            case CopyTables(topic_prefix=prefix, signal=signal):
                self.to.signals.snapshot(prefix, id=signal.id, tables=signal.tables, blocking=signal.blocking)
            case _:
                _change_connector(self.to.connect, action)

    def _await_stream(self, made: _Made, until: float) -> ShardStatus:
        """Look again and again until the shard streams, has failed for good, or the time is over."""
        told: Verdict | None = None
        failing_since: float | None = None
        while True:
            status, now = self._look(made.shard), time.monotonic()
            failing_since = (failing_since or now) if status.verdict is Verdict.FAILED else None
            stale = made.reader is not None and status.reader == made.reader
            failed = failing_since is not None and now - failing_since >= FAILURE_SECONDS
            if now >= until or failed or (status.verdict in made.settled and not stale):
                self.progress(made.shard.name, _words(status))
                return status
            if status.verdict is not told and not stale and status.verdict in TOLD:
                told = status.verdict
                self.progress(made.shard.name, _words(status))
            if self.stopped.wait(LOOK_SECONDS):
                return status

    def _look(self, shard: Shard) -> ShardStatus:
        connect = self.to.connect
        connector: Connector | Problem | None
        try:
            connector = connect.status(shard_names(self.topology, shard).connector)
        except ConnectError as error:
            connector = Problem(shard.name, "Kafka Connect", error.message, error.hint)
        return look(self.topology, shard, connect, connector)


def _change_connector(connect: Connect, action: Action) -> None:
    match action:
        case CreateConnector(name=name, config=config, forget=True):
            connect.create_stopped(name, {**config, UNFINISHED: "true"})
            _forget(connect, name)
            connect.put_config(name, dict(config))
            connect.change_state(name, "resume")
        case CreateConnector(name=name, config=config) | SetConnector(name=name, new=config):
            connect.put_config(name, dict(config))
        case StartConnector(name=name):
            connect.change_state(name, "resume")
        case RestartConnector(name=name):
            connect.restart(name)
        case _:
            raise NotImplementedError(action.kind)


def _forget(connect: Connect, name: str) -> None:
    try:
        connect.delete_offsets(name)
    except ConnectError:
        now = connect.status(name)
        if now is None or now.state == "STOPPED":
            raise
        # Another process makes this connector at the same time, and has started it: it forgot them before that.


def _skipped(actions: Iterable[Action]) -> list[Outcome]:
    return [Outcome(action, skipped=True) for action in actions]


def _words(status: ShardStatus) -> str:
    return f"{status.verdict}: {status.detail}" if status.detail else str(status.verdict)

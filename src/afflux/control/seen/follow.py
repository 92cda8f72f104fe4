"""Wait until what was begun has come to its end: a stream that flows, a table whose rows are copied."""

import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from threading import Event

from afflux.clients.connect import Connector
from afflux.clients.servers import Servers
from afflux.control.seen.look import look
from afflux.control.seen.scans import Copying, Scan, hear_all
from afflux.control.seen.status import ShardStatus, Verdict, failed
from afflux.control.seen.world import Problem
from afflux.errors import ConnectError
from afflux.topology.model import Shard, Topology
from afflux.topology.names import shard_names

Progress = Callable[[str, str], None]
"""Told (shard, what is happening or happened), from several threads; the empty shard is the topology as a whole."""

LOOK_SECONDS = 0.5
"""Between two looks at what is waited for."""
STEADY_SECONDS = 1.0
"""How long a restarted connector must read: a new config may restart its task twice (observed)."""
FAILURE_SECONDS = 3.0
"""How long Connect may go on showing a failure that a restart has overcome."""
TOLD = frozenset({Verdict.STARTING, Verdict.SNAPSHOT})
"""Verdicts on the way to a stream that are worth a line; others come and go while a connector starts."""
SETTLED = frozenset({Verdict.STREAMING, Verdict.PAUSED, Verdict.LOST})
"""Verdicts that will not change by themselves."""
SETTLE_SECONDS = 15.0
"""How long a stream that was seen to flow may be between two tasks: Connect's workers share them out anew, and a new
connector's slot is read while it is made, and then again after the first copy (observed)."""
PASSING = frozenset({Verdict.STARTING, Verdict.STUCK, Verdict.MISSING})
"""Verdicts of a stream between two tasks; Connect does not list a connector that was made a moment ago (observed)."""
TASKS_SECONDS = 3.0
"""Between two looks at the tasks that make copies; Connect tells of all connectors at once."""
STEP = 0.1
"""The part of a table's copy that is worth a line."""


@dataclass(frozen=True)
class Watcher:
    """Waits for streams and copies of a topology, and tells of them.

    Args:
        topology: as loaded.
        to: its servers.
        progress: told of what changes.
        stopped: set to wait no longer.
    """

    topology: Topology
    to: Servers
    progress: Progress
    stopped: Event = field(default_factory=Event)

    def look(self, shard: Shard) -> ShardStatus:
        """Look at a shard's stream."""
        connector: Connector | Problem | None
        try:
            connector = self.to.connect.status(shard_names(self.topology, shard).connector)
        except ConnectError as error:
            connector = Problem(shard.name, "Kafka Connect", error.message, error.hint)
        return look(self.topology, shard, self.to.connect, connector)

    def stream(
        self,
        shard: Shard,
        until: float,
        *,
        restarted: bool = False,
        old_reader: int | None = None,
        settled: Collection[Verdict] = SETTLED,
    ) -> ShardStatus:
        """Look again and again until a shard streams, has failed for good, or the time is over.

        Args:
            shard: which.
            until: the time, by `time.monotonic`.
            restarted: whether its connector was restarted a moment ago, so that a reader may be on its way out.
            old_reader: the server's process that sent to the connector before that, which does not count.
            settled: verdicts that will not change by themselves.
        """
        told: Verdict | None = None
        failing_since: float | None = None
        steady: tuple[int | None, float] = (None, 0.0)
        while True:
            status, now = self.look(shard), time.monotonic()
            steady = steady if status.reader == steady[0] else (status.reader, now)
            failing_since = (failing_since or now) if status.verdict is Verdict.FAILED else None
            unsteady = status.verdict is Verdict.STREAMING and now - steady[1] < STEADY_SECONDS
            stale = restarted and (unsteady or (old_reader is not None and status.reader == old_reader))
            fails = failing_since is not None and now - failing_since >= FAILURE_SECONDS
            if now >= until or fails or (status.verdict in settled and not stale):
                self.progress(shard.name, _words(status))
                return status
            if status.verdict is not told and not stale and status.verdict in TOLD:
                told = status.verdict
                self.progress(shard.name, _words(status))
            if self.stopped.wait(LOOK_SECONDS):
                return status

    def copies(self, copying: Sequence[Copying], shards: Sequence[str], until: float) -> None:
        """Listen until copies have ended, or the time is over; those that went well are noted as ended.

        Args:
            copying: what is waited for; it changes with what is told.
            shards: of each, whose it is.
            until: the time, by `time.monotonic`.
        """
        if not copying:
            return
        asked = time.monotonic()
        told: dict[tuple[str, str], Scan] = {}
        noted: set[str] = set()
        with self.to.notifications.following(min(each.sent.at for each in copying), steps=True) as news:
            while True:
                hear_all(copying, news())
                if time.monotonic() - asked >= TASKS_SECONDS:
                    self._lose(copying)
                    asked = time.monotonic()
                for each, shard in zip(copying, shards, strict=True):
                    self._tell(each, shard, told)
                    if each.good and each.sent.id not in noted:
                        self.to.signals.note_end(each.sent.id)
                        noted.add(each.sent.id)
                over = time.monotonic() >= until or all(each.ended for each in copying)
                if over or self.stopped.wait(LOOK_SECONDS):
                    return

    def _lose(self, copying: Sequence[Copying]) -> None:
        """What a failed task had not begun, or had to read at once, it does not go on with."""
        waiting = [each for each in copying if not each.ended]
        if not waiting:
            return
        try:
            connectors = self.to.connect.connectors().values()
        except ConnectError:
            return  # asked again in a moment
        broken = {connector.config.get("topic.prefix") for connector in connectors if failed(connector)}
        for each in waiting:
            if each.sent.topic_prefix in broken:
                each.lose()

    def _tell(self, copying: Copying, shard: str, told: dict[tuple[str, str], Scan]) -> None:
        for table, scan in copying.scans.items():
            before = told.get((copying.sent.id, table), Scan())
            further = (scan.part or 0.0) - (before.part or 0.0) >= STEP
            if scan.good and not before.ended:
                self.progress(shard, f"copied {scan.rows} rows of {table}")
            elif scan.ended and not before.ended:
                self.progress(shard, f"the copy of {table} failed: {scan.status}")
            elif further:
                self.progress(shard, f"copying {table}: {scan.part:.0%}")
            else:
                continue
            told[copying.sent.id, table] = scan


def settled(look: Callable[[], Sequence[ShardStatus]], seconds: float) -> Sequence[ShardStatus]:
    """Look at streams again and again until none of them is between two tasks, or the time is over.

    Args:
        look: says what each shard's stream is doing.
        seconds: for that long at most; with 0 it looks once.
    """
    until = time.monotonic() + seconds
    while True:
        statuses = look()
        if time.monotonic() >= until or not any(status.verdict in PASSING for status in statuses):
            return statuses
        time.sleep(LOOK_SECONDS)


def _words(status: ShardStatus) -> str:
    return f"{status.verdict}: {status.detail}" if status.detail else str(status.verdict)

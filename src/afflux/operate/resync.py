"""Tables read anew, for people: asked for, and followed to the end."""

import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from afflux.control.verbs.reread import Reread, reread
from afflux.errors import UsageError
from afflux.operate.desk import Desk
from afflux.operate.positions import begin_anew
from afflux.operate.tables import topics_of
from afflux.person import person
from afflux.sinks.resyncs import Resync, ResyncState

_LOOK_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Resyncing:
    """One table of one shard that is read anew.

    Attributes:
        table: the target table; empty for one that the topology does not have any more.
        shard: whose rows.
        state: asked, read, done or failed.
        asked: when, and by whom.
        by: who asked.
        closed: when it was done or had failed.
        reason: why it has failed.
        topic: the topic.
        id: its own.
    """

    table: str
    shard: str
    state: str
    asked: datetime | None
    by: str
    closed: datetime | None
    reason: str
    topic: str
    id: str


def ask(
    desk: Desk, names: Sequence[str], shards: Collection[str], *, incremental: bool, tell: Callable[[str, str], None]
) -> list[Reread]:
    """Have tables read anew, and the sinks remove what is at the shards no more.

    A position that its topic does not hold any more is set to the topic's start, and the table is read on: all that
    was missed comes with the rest.

    Args:
        desk: the sink.
        names: target tables, or topics; all there are, where there are none.
        shards: their names; all, where there are none.
        incremental: read between the shards' changes where the tables allow it; else these wait meanwhile.
        tell: is told (shard, what happened).

    Raises:
        UsageError: a name is neither a target table nor a topic, or a shard is not the topology's.
        ServerError: a server that all shards share does not answer.
    """
    known = {shard.name for shard in desk.topology.shards}
    unknown = sorted(set(shards) - known)
    if unknown:
        raise UsageError(f"there is no shard {unknown[0]!r}", hint=f"there are {', '.join(sorted(known))}")
    wanted = topics_of(desk, names)
    topics = {topic for topic in wanted if desk.declared.shards_of(topic) & (set(shards) or known)}
    asked = reread(desk.topology, topics, by=person(), shards=shards, report=tell, incremental=incremental)
    heard = {asking.shard for asking in asked if asking.id}
    anew = begin_anew(desk, {topic for topic in topics if desk.declared.shards_of(topic) & heard})
    for topic in sorted(anew):
        tell(desk.declared.shard_of(topic) or "", f"{topic} is read from its start on, for its position was lost")
    desk.state.resume(anew)
    return asked


def overview(desk: Desk) -> list[Resyncing]:
    """Give what is, and what last was, read anew, in order of topics."""
    return [_shown(desk, resync) for resync in desk.state.resyncs()]


def follow(desk: Desk, ids: Collection[str], seconds: float, tell: Callable[[str, str], None]) -> list[Resyncing]:
    """Wait until what was asked for is done or has failed.

    Args:
        desk: the sink.
        ids: of what was asked for.
        seconds: how long at most.
        tell: is told (shard, what happened).

    Returns:
        How far each has come.
    """
    until = time.monotonic() + seconds
    said: dict[str, ResyncState] = {}
    while True:
        found = [resync for resync in desk.state.resyncs() if resync.id in ids]
        for resync in found:
            if said.get(resync.topic, ResyncState.ASKED) is not resync.state:
                tell(resync.shard, f"{resync.source}: {_WORDS[resync.state]}")
            said[resync.topic] = resync.state
        if not any(resync.open for resync in found) or time.monotonic() > until:
            return [_shown(desk, resync) for resync in found]
        time.sleep(_LOOK_SECONDS)


_WORDS = {
    ResyncState.ASKED: "asked for",
    ResyncState.READ: "read; its rows are on their way",
    ResyncState.DONE: "done; what was at the shard no more is gone",
    ResyncState.FAILED: "failed",
}


def _shown(desk: Desk, resync: Resync) -> Resyncing:
    target = desk.declared.target_of(resync.topic)
    return Resyncing(
        table="" if target is None else str(target),
        shard=resync.shard,
        state=str(resync.state),
        asked=resync.asked,
        by=resync.by,
        closed=resync.closed,
        reason=resync.reason,
        topic=resync.topic,
        id=resync.id,
    )

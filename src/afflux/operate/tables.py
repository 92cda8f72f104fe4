"""The tables of a sink for people: which there are, which are stopped and why."""

from collections import Counter, defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from afflux.errors import KafkaError, UsageError
from afflux.operate.desk import Desk
from afflux.person import person
from afflux.sinks.state import LetterFilter, Standing
from afflux.stream.subscription import message_topics, wanted_topics


@dataclass(frozen=True, slots=True)
class TableState:
    """One shard's part of a target table, which is one topic.

    Attributes:
        table: the target table; empty for a topic that the topology does not have any more.
        topic: the topic.
        state: `running`, or `stopped`.
        dead_letters: how many are open.
        position: the next offset, one a partition.
        behind: offsets between that and the topic's end; None where the broker does not say.
        since: since when it is stopped.
        reason: why.
        resync: how far its last resynchronisation is: asked, read, done or failed; empty where there was none.
    """

    table: str
    topic: str
    state: str
    dead_letters: int
    position: list[int]
    behind: int | None
    since: datetime | None
    reason: str
    resync: str = ""


def overview(desk: Desk) -> list[TableState]:
    """Give the state of each table that the sink has ever read or been told of."""
    stops = {stop.topic: stop for stop in desk.state.stops()}
    resyncs = {resync.topic: resync for resync in desk.state.resyncs()}
    standings: dict[str, list[Standing]] = defaultdict(list)
    for standing in desk.state.positions():
        standings[standing.partition.topic].append(standing)
    dead = Counter(head.id.partition.topic for head in desk.state.letters(LetterFilter()))
    # Heartbeats' topics have positions too, and no table.
    topics = (standings.keys() - message_topics(desk.topology)) | stops.keys() | dead.keys()
    ranges = desk.ranges(topics)
    found = []
    for topic in topics:
        target, stop = desk.declared.target_of(topic), stops.get(topic)
        lags = [max(0, held.end - s.next_offset) for s in standings[topic] if (held := ranges.get(s.partition))]
        found.append(
            TableState(
                table="" if target is None else str(target),
                topic=topic,
                state="running" if stop is None else "stopped",
                dead_letters=dead[topic],
                position=[standing.next_offset for standing in standings[topic]],
                behind=sum(lags) if lags else None,
                since=None if stop is None else stop.since,
                reason="" if stop is None else stop.reason,
                resync=str(resyncs[topic].state) if topic in resyncs else "",
            )
        )
    return sorted(found, key=lambda table: (table.table, table.topic))


def stop(desk: Desk, names: Sequence[str], reason: str) -> list[str]:
    """Let tables be read no further, until they are resumed; daemons honour it within seconds.

    Args:
        desk: the sink.
        names: target tables, or topics.
        reason: why, for whoever finds it stopped.

    Returns:
        The topics.

    Raises:
        UsageError: a name is neither a target table nor a topic.
    """
    topics = sorted(topics_of(desk, names))
    desk.state.stop(topics, f"by {person()}: {reason}" if reason else f"by {person()}")
    return topics


def resume(desk: Desk, names: Sequence[str]) -> list[str]:
    """Let stopped tables be read on from their positions.

    Args:
        desk: the sink.
        names: target tables, or topics; all that are stopped, where there are none.

    Returns:
        The topics that were stopped.

    Raises:
        UsageError: a name is neither a target table nor a topic.
    """
    stopped = {stop.topic for stop in desk.state.stops()}
    topics = sorted(stopped & topics_of(desk, names) if names else stopped)
    desk.state.resume(topics)
    return topics


def topics_of(desk: Desk, names: Collection[str]) -> set[str]:
    """Give the topics of target tables and topics; where there are none, of all that the topology has.

    Raises:
        UsageError: a name is neither.
    """
    known = {standing.partition.topic for standing in desk.state.positions()}
    known |= {stop.topic for stop in desk.state.stops()}
    known |= {head.id.partition.topic for head in desk.state.letters(LetterFilter(states=None))}
    try:
        known |= wanted_topics(desk.declared, desk.topics.names())
    except KafkaError as error:
        desk.notes.append(error.message)
    targets = {topic: str(desk.declared.target_of(topic)) for topic in known}
    if not names:
        return {topic for topic in known if desk.declared.target_of(topic) is not None}
    found: set[str] = set()
    for name in names:
        named = {topic for topic, target in targets.items() if name in (topic, target)}
        if not named:
            there = ", ".join(sorted({*targets.values()} - {"None"})) or "none"
            raise UsageError(f"no target table or topic {name!r} is known", hint=f"the tables are: {there}")
        found |= named
    return found

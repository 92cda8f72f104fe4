"""The positions of a sink for people: where it stands, and going back."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

from afflux.errors import UsageError
from afflux.operate.desk import Desk
from afflux.person import person
from afflux.sinks.batch import Partition, Span
from afflux.sinks.state import Standing


@dataclass(frozen=True, slots=True)
class Position:
    """Where a sink stands in a partition.

    Attributes:
        topic: the topic.
        partition: the partition's number.
        next_offset: the first offset that is not in the target yet.
        start: the first offset that the partition holds; None where the broker does not say.
        end: the end of its committed records; likewise.
        lag: offsets between the position and the end; likewise.
        epoch: how often it has been taken over.
        owner: who did last.
        updated: when it last moved or was taken over.
        topic_id: the broker's id of the topic that the position is in.
    """

    topic: str
    partition: int
    next_offset: int
    start: int | None
    end: int | None
    lag: int | None
    epoch: int
    owner: str
    updated: datetime
    topic_id: str


@dataclass(frozen=True, slots=True)
class Move:
    """A position that was changed.

    Attributes:
        topic: the topic.
        partition: the partition's number.
        was: the next offset until now.
        now: the next offset from now on.
    """

    topic: str
    partition: int
    was: int
    now: int


def overview(desk: Desk) -> list[Position]:
    """Give where the sink stands, beside what the broker holds."""
    standings = desk.state.positions()
    ranges = desk.ranges({standing.partition.topic for standing in standings})
    return [_beside(standing, ranges.get(standing.partition)) for standing in standings]


def rewind(
    desk: Desk,
    topic: str,
    *,
    partition: int | None = None,
    offset: str | None = None,
    time: datetime | None = None,
    skip: bool = False,
) -> list[Move]:
    """Change where the sink reads on in a topic.

    The epoch is bumped: a daemon that is at work on the partition is refused, joins its group anew, and
    begins from there. Open dead letters from there on are superseded, for their events come again.

    Args:
        desk: the sink.
        topic: which.
        partition: of it, this one; None for all.
        offset: the next offset: a number, `start` or `end`.
        time: instead, the first event that was written at this time or later.
        skip: whether events may be left out, which going forward does.

    Returns:
        What was changed.

    Raises:
        UsageError: there is no such position, or the topic does not hold the offset.
        KafkaError: the broker does not answer.
    """
    if (offset is None) == (time is None):
        raise UsageError("say where to: give --offset or --time")
    standings = [s for s in desk.state.positions() if s.partition.topic == topic]
    standings = [s for s in standings if partition is None or s.partition.number == partition]
    if not standings:
        which = topic if partition is None else f"{topic}, partition {partition}"
        raise UsageError(
            f"the sink has no position in topic {which}", hint="`afflux positions show` lists those it has"
        )
    held = {Partition(*place): Span(*span) for place, span in desk.topics.ranges([topic]).items()}
    if not held:
        raise UsageError(f"the broker has no topic {topic}", hint="`connectors apply` makes the topics of the topology")
    ids = desk.topics.ids([topic])
    to = {s.partition: _offset(s.partition, held, offset) for s in standings} if offset is not None else {}
    if time is not None:
        found = desk.topics.offsets_at([topic], int(time.timestamp() * 1000))
        to = {s.partition: found.get(s.partition, held[s.partition].end) for s in standings if s.partition in held}
    for standing in standings:
        if not skip and standing.partition in to:
            other = bool(standing.topic_id) and ids.get(topic, standing.topic_id) != standing.topic_id
            _see_that_nothing_is_skipped(standing, to[standing.partition], held[standing.partition], other=other)
    changed = {s.partition for s in standings if ids.get(topic) != s.topic_id or to.get(s.partition) != s.next_offset}
    shards = set(desk.declared.shards_of(topic)) if changed & to.keys() else set()
    desk.state.rewind({partition: to[partition] for partition in changed & to.keys()}, ids, person(), shards)
    return [Move(*s.partition, s.next_offset, to[s.partition]) for s in standings if s.partition in to]


def begin_anew(desk: Desk, topics: Collection[str]) -> set[str]:
    """Set positions that their topics do not hold, or that are in another topic of the same name, to the start.

    What was deleted before it was applied is not in the topic any more: that is for those who have it read anew.

    Args:
        desk: the sink.
        topics: which may be meant.

    Returns:
        The topics that had such positions.

    Raises:
        KafkaError: the broker does not answer.
    """
    held = {Partition(*place): Span(*span) for place, span in desk.topics.ranges(topics).items()}
    ids = desk.topics.ids(topics)
    to = {
        standing.partition: span.start
        for standing in desk.state.positions()
        if (span := held.get(standing.partition)) is not None
        and (
            not span.start <= standing.next_offset <= span.end
            or (standing.topic_id and ids.get(standing.partition.topic, standing.topic_id) != standing.topic_id)
        )
    }
    if to:
        shards = {shard for place in to for shard in desk.declared.shards_of(place.topic)}
        desk.state.rewind(to, ids, person(), shards)
    return {partition.topic for partition in to}


def _offset(partition: Partition, held: Mapping[Partition, Span], wanted: str) -> int:
    span = held.get(partition)
    if span is None:
        raise UsageError(f"topic {partition.topic} has no partition {partition.number} any more")
    words = {"start": span.start, "end": span.end}
    if wanted in words:
        return words[wanted]
    if not wanted.isdecimal():
        raise UsageError(f"--offset {wanted!r} is no offset", hint="give a number, start or end")
    if not span.start <= int(wanted) <= span.end:
        raise UsageError(
            f"topic {partition.topic}, partition {partition.number} holds no offset {wanted}: "
            f"it begins at {span.start} and ends at {span.end}"
        )
    return int(wanted)


def _see_that_nothing_is_skipped(standing: Standing, to: int, held: Span, *, other: bool) -> None:
    """Refuse to go forward over events that are there and were never applied.

    What retention has deleted can't be had anyway; and a topic that was made anew begins at its start.
    """
    first = held.start if other else max(standing.next_offset, held.start)
    if to > first:
        place = f"topic {standing.partition.topic}, partition {standing.partition.number}"
        raise UsageError(
            f"{place}: {to} is ahead of {first}; the events between would never be applied",
            hint="--skip does it nevertheless: rows stay as they are until later events of theirs come",
        )


def _beside(standing: Standing, held: Span | None) -> Position:
    return Position(
        topic=standing.partition.topic,
        partition=standing.partition.number,
        next_offset=standing.next_offset,
        start=None if held is None else held.start,
        end=None if held is None else held.end,
        lag=None if held is None else max(0, held.end - standing.next_offset),
        epoch=standing.epoch,
        owner=standing.owner,
        updated=standing.updated,
        topic_id=standing.topic_id,
    )

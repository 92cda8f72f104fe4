"""What the page remembers of the past hour, so much and no more (pure): rates, lags, ages and WAL, by look."""

from collections import deque
from dataclasses import asdict, dataclass
from typing import Any, Final

from afflux.monitor.overview import Overview
from afflux.monitor.topics import TopicsReading

SECONDS: Final = 3600.0
POINTS: Final = 360
"""Of the whole: one a look, every ten seconds."""
SHARD_POINTS: Final = 120
"""Of each shard: one every half a minute."""


@dataclass(frozen=True, slots=True)
class Moment:
    """A topology, or one shard of it, at one look; None: not known.

    Attributes:
        at: seconds since 1970.
        came: events a second that came into Kafka since the look before.
        applied: events a second by which the slowest sink went on meanwhile.
        lag: events in Kafka that it has not applied.
        age: how old the target is, in seconds.
        wal: bytes of WAL that slots keep.
    """

    at: float
    came: float | None
    applied: float | None
    lag: int | None
    age: float | None
    wal: int | None


class Hour:
    """Remembers looks; what it holds is bounded by the number of the topology's shards."""

    def __init__(self) -> None:
        self._whole: deque[Moment] = deque(maxlen=POINTS)
        self._shards: dict[str, deque[Moment]] = {}
        self._counts: tuple[float, dict[str, int]] = (0.0, {})
        self._now: dict[str, Moment] = {}

    def add(self, found: Overview, topics: TopicsReading | None) -> None:
        """Take in a look.

        Args:
            found: what it came to.
            topics: what it saw of Kafka; None when the broker did not answer.
        """
        at = found.at.timestamp()
        counts = _counts(topics)
        before, held = self._counts
        seconds = at - before if held and topics is not None else 0.0
        now: dict[str, Moment] = {}
        for shard in found.shards:
            last = self._now.get(shard.shard)
            came = _rate(counts.get(shard.shard), held.get(shard.shard), seconds)
            caught = (
                None if last is None or last.lag is None or shard.lag_events is None else last.lag - shard.lag_events
            )
            applied = None if came is None or caught is None else max(0.0, came + caught / seconds)
            now[shard.shard] = Moment(
                at, came, applied, shard.lag_events, shard.age_seconds, shard.wal_retained_bytes
            )  # fmt: skip
        self._now = now
        if topics is not None:
            self._counts = at, counts
        self._forget(at)
        self._whole.append(_sum(at, list(now.values())))
        self._shards = {name: self._shards.get(name, deque(maxlen=SHARD_POINTS)) for name in now}
        for name, moment in now.items():
            points = self._shards[name]
            if not points or at - points[-1].at >= SECONDS / SHARD_POINTS - 1:
                points.append(moment)

    def now(self, shard: str) -> Moment | None:
        """Give a shard at the last look."""
        return self._now.get(shard)

    @property
    def last(self) -> Moment | None:
        """The whole at the last look."""
        return self._whole[-1] if self._whole else None

    def past(self, shard: str | None = None) -> list[dict[str, Any]]:
        """Give the moments of the past hour, oldest first: of the whole, or of a shard; none of one that is not known."""
        return [asdict(moment) for moment in (self._whole if shard is None else self._shards.get(shard, ()))]

    def _forget(self, at: float) -> None:
        for points in (self._whole, *self._shards.values()):
            while points and (at - points[0].at > SECONDS or points[-1].at > at):
                points.popleft()


def _counts(topics: TopicsReading | None) -> dict[str, int]:
    """Give all offsets that were ever given, by shard."""
    counts: dict[str, int] = {}
    for topic in topics.topics.values() if topics else ():
        counts[topic.shard] = counts.get(topic.shard, 0) + topic.offsets
    return counts


def _rate(now: int | None, before: int | None, seconds: float) -> float | None:
    """Give a rate; None where it is not known, or where the topics were made anew meanwhile."""
    if now is None or before is None or seconds <= 0 or now < before:
        return None
    return (now - before) / seconds


def _sum(at: float, shards: list[Moment]) -> Moment:
    came, applied, lags, wal = (
        [value for moment in shards if (value := getattr(moment, name)) is not None]
        for name in ("came", "applied", "lag", "wal")
    )
    ages = [moment.age for moment in shards]
    return Moment(
        at=at,
        came=sum(came) if came else None,
        applied=sum(applied) if applied else None,
        lag=sum(lags) if lags else None,
        age=max((age for age in ages if age is not None), default=None) if None not in ages else None,
        wal=sum(wal) if wal else None,
    )

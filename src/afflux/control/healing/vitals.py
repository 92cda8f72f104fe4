"""Signs of life of one shard's stream, from look to look (pure).

A connector that really streams brings its heartbeats to Kafka, and those that it wrote in the shard come back through
the slot. Each is a topic whose end grows: no clock but this process's own is needed to see that.
"""

from dataclasses import dataclass, replace

OFFSETS_SECONDS = 60.0
"""A connector may confirm its slot so long after its last heartbeat: Connect's default for storing offsets."""


@dataclass(frozen=True)
class Signs:
    """What was seen of a stream at one look.

    Args:
        at: when, in seconds, by a clock that only goes forward.
        state: what it is doing, as a text that changes when that does.
        streams: whether its slot is read.
        beats: the end of the topic of heartbeats; None where it is not known.
        marks: the end of the topic of the messages that were written in the shard; likewise.
        flushed: what the slot's reader has confirmed.
        reader: the server's process that sends from the slot.
    """

    at: float
    state: str
    streams: bool
    beats: int | None = None
    marks: int | None = None
    flushed: int | None = None
    reader: int | None = None


@dataclass(frozen=True)
class Vitals:
    """When the signs of life were last seen to move.

    Attributes:
        signs: of the last look.
        began: when the stream began to do what it does.
        beat: when a heartbeat has last arrived, or the stream began.
        mark: when a message has last come through the slot, or the stream began.
        flush: when the slot was last confirmed further.
        reader: the process by which heartbeats have come.
        proven: whether a heartbeat was seen to arrive while the stream did what it does now.
    """

    signs: Signs
    began: float
    beat: float
    mark: float
    flush: float
    reader: int | None = None
    proven: bool = False

    @property
    def since(self) -> float:
        """How long the stream has been doing what it does."""
        return self.signs.at - self.began

    @property
    def silent(self) -> float:
        """How long no heartbeat has arrived from a slot that is read."""
        return self.signs.at - self.beat if self.signs.streams else 0.0

    @property
    def mute(self) -> float:
        """How long no message has come through a slot that is read, while heartbeats arrived."""
        return self.signs.at - self.mark if self.signs.streams and self.beat > self.mark else 0.0

    @property
    def taken(self) -> bool:
        """Whether another reader than the connector has the slot, as far as can be seen."""
        another = self.reader is not None and self.signs.reader != self.reader
        return self.signs.streams and (another or self.flush > self.beat + OFFSETS_SECONDS)


def follow(before: Vitals | None, now: Signs) -> Vitals:
    """Add a look to what was known.

    Args:
        before: after the last look; None at the first.
        now: what was seen.
    """
    if before is None:
        return Vitals(now, now.at, now.at, now.at, now.at)
    same = before.signs.state == now.state
    beats = _grew(before.signs.beats, now.beats)
    vitals = replace(
        before,
        signs=replace(
            now,
            beats=before.signs.beats if now.beats is None else now.beats,
            marks=before.signs.marks if now.marks is None else now.marks,
        ),
        flush=now.at if _grew(before.signs.flushed, now.flushed) else before.flush,
        began=before.began if same else now.at,
        beat=now.at if beats else before.beat,
        mark=now.at if _grew(before.signs.marks, now.marks) else before.mark,
        reader=now.reader if beats and now.streams else before.reader,
        proven=now.streams and (beats or (same and before.proven)),
    )
    if now.streams and not before.signs.streams:
        # Before, none could come; what is late counts from here on.
        return replace(vitals, beat=now.at, mark=now.at, flush=now.at)
    return vitals


def _grew(old: int | None, new: int | None) -> bool:
    return old is not None and new is not None and new > old

"""What a batch does to the dead letters that are open: the same for every sink. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from afflux.errors import Overtaken
from afflux.sinks.batch import Batch, EventKey, LetterId


@dataclass(frozen=True, slots=True)
class Closed:
    """The dead letters that a batch closes.

    Attributes:
        superseded: those that a later event has made irrelevant.
        applied: those that the batch has applied.
    """

    superseded: frozenset[LetterId]
    applied: frozenset[LetterId]


def close(batch: Batch, still_open: Mapping[LetterId, EventKey | None]) -> Closed:
    """Judge the open dead letters by a batch.

    A daemon that supersedes a dead letter and a replay that applies it must not both win in the wrong
    order. So a sink calls this in the batch's own transaction, having locked the rows of all the letters
    that the batch may concern (`concerns`) and before it writes any row of a table:

    - Where the daemon is first, the replay waits for its commit, then finds the letter closed and is
      overtaken: it writes nothing and looks again.
    - Where the replay is first, the daemon waits, and its later event is written over the replayed one.
    - Of two replays of one letter, the second is overtaken.
    - A daemon that leaves an event out because it waits behind a dead letter finds it closed if a replay
      or a person was first, and prepares its batch again, with that event; if the daemon is first, the
      replay finds the event among the held ones.

    Args:
        batch: what is being applied.
        still_open: of the letters that the batch concerns, those that are open, with their keys.

    Returns:
        The letters to close. Those of `batch.dead` are to be written besides.

    Raises:
        Overtaken: a letter that the batch counts on is open no more.
    """
    gone = batch.replayed - still_open.keys()
    if gone:
        raise Overtaken(f"dead letter {min(gone)} is open no more")
    for key, place in batch.awaited.items():
        if not any(of == key and letter.is_before(place) for letter, of in still_open.items()):
            raise Overtaken(f"the dead letters that event {place} waits for are open no more")
    return Closed(
        superseded=frozenset(
            letter
            for letter, key in still_open.items()
            if letter not in batch.replayed and batch.supersedes(letter, key)
        ),
        applied=batch.replayed - {letter.id for letter in batch.dead},
    )


def concerns(batch: Batch, letter: LetterId, key: EventKey | None) -> bool:
    """Tell whether an open dead letter matters for a batch, so that `close` has to know of it."""
    return (
        letter in batch.replayed
        or key in batch.superseded
        or key in batch.awaited
        or letter.offset < batch.truncated.get(letter.partition, -1)
    )

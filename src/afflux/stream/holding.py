"""Which events wait behind dead letters of their key, and which make those irrelevant. Pure.

An event that says all of its row makes the dead letters before it irrelevant: replaying those would bring
back what is gone. An event that leaves values out may lack what a dead letter has changed: it waits behind.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import polars as pl

from afflux.sinks.batch import LSN, SEQUENCE, SHARD, EventKey, LetterId, Mode, Partition, event_key, unchanged
from afflux.stream.decoded import BORN, DEPARTS, Decoded, Message
from afflux.stream.sealed import sealed_key


@dataclass(frozen=True, slots=True)
class Judged:
    """What a batch's events are to the open dead letters.

    Attributes:
        held: the events that wait, by their place in the order of arrival, with the key of what they wait for.
        superseded: keys whose dead letters before the given event no longer matter.
        truncated: partitions with a truncate, and its offset.
    """

    held: Mapping[int, EventKey] = field(default_factory=dict)
    superseded: Mapping[EventKey, LetterId] = field(default_factory=dict)
    truncated: Mapping[Partition, int] = field(default_factory=dict)


def judge(
    messages: Sequence[Message], decoded: Sequence[Decoded], letters: Mapping[EventKey, Collection[LetterId]]
) -> Judged:
    """Judge a batch's events, one by one and before they are folded.

    Args:
        messages: the batch's messages, in their order of arrival.
        decoded: their events.
        letters: the open dead letters by key, those among the batch's own messages included.
    """
    # Where every change is kept, none makes another irrelevant, nor needs its values.
    decoded = [part for part in decoded if part.keeping.mode is not Mode.APPEND]
    truncated: dict[Partition, int] = {}
    # A truncate is of one shard's rows: where others' events are in its topic, their dead letters matter on.
    for truncate in (truncate for part in decoded if not part.shared for truncate in part.truncates):
        at = place(messages[truncate.sequence])
        truncated[at.partition] = max(at.offset, truncated.get(at.partition, 0))
    keys = _keys(messages, letters) if letters else {}
    complete = _complete(decoded, keys) if keys else {}
    if not complete:
        return Judged(truncated=truncated)
    said: dict[EventKey, LetterId] = {}
    waiting: dict[EventKey, list[int]] = defaultdict(list)
    for sequence in sorted(complete):
        key, at = keys[sequence], place(messages[sequence])
        if complete[sequence]:
            said[key] = at
            waiting.pop(key, None)
        elif any(_matters(letter, at, said.get(key)) for letter in letters[key]):
            waiting[key].append(sequence)
    held = {sequence: key for key, sequences in waiting.items() for sequence in sequences}
    superseded = {key: at for key, at in said.items() if any(letter.is_before(at) for letter in letters[key])}
    return Judged({**_arrivals(decoded, held), **held}, superseded, truncated)


def place(message: Message) -> LetterId:
    """Give where a message was read."""
    return LetterId(Partition(message.topic(), message.partition()), message.offset())


def _matters(letter: LetterId, event: LetterId, said: LetterId | None) -> bool:
    """Tell whether a dead letter may have changed what an event leaves out: no event between says all of the row."""
    return letter.is_before(event) and (said is None or not letter.is_before(said))


def _keys(messages: Sequence[Message], letters: Collection[EventKey]) -> dict[int, EventKey]:
    """Find the messages whose keys have dead letters."""
    found = {}
    for number, message in enumerate(messages):
        for spelled in (message.key(), sealed_key(message.key())):
            key = event_key(message.topic(), spelled)
            if key is not None and key in letters:
                found[number] = key
    return found


def _complete(decoded: Sequence[Decoded], wanted: Collection[int]) -> dict[int, bool]:
    """Tell of the wanted events that are changes of rows whether they leave nothing to be known of their key's row.

    A delete does, unless the row lives on under another key, and its new event leaves values out.
    """
    found: dict[int, bool] = {}
    for part in decoded:
        rows = part.rows.filter(pl.col(SEQUENCE).is_in(list(wanted)))
        if rows.height:
            events = rows.select(SEQUENCE, DEPARTS, SHARD, LSN, incomplete=_masked(rows))
            for sequence, departs, shard, lsn, incomplete in events.iter_rows():
                found[sequence] = _arrives_whole(decoded, shard, lsn) if departs else not incomplete
    return found


def _arrives_whole(decoded: Sequence[Decoded], shard: str, lsn: int) -> bool:
    """Tell whether a row that changed its key is in the batch under its new one, whole."""
    births = [_births(part, shard, lsn) for part in decoded]
    return any(b.height for b in births) and not any(b.select(_masked(b)).to_series().any() for b in births)


def _arrivals(decoded: Sequence[Decoded], held: Mapping[int, EventKey]) -> dict[int, EventKey]:
    """Find the incomplete rows under new keys whose old keys' deletes wait: they wait with them."""
    arrivals: dict[int, EventKey] = {}
    for part in decoded:
        departing = part.rows.filter(pl.col(DEPARTS) & pl.col(SEQUENCE).is_in(list(held)))
        for sequence, shard, lsn in departing.select(SEQUENCE, SHARD, LSN).iter_rows():
            for other in decoded:
                births = _births(other, shard, lsn)
                arrivals.update(dict.fromkeys(births.filter(_masked(births))[SEQUENCE], held[sequence]))
    return arrivals


def _births(part: Decoded, shard: str, lsn: int) -> pl.DataFrame:
    return part.rows.filter(pl.col(BORN) & (pl.col(SHARD) == shard) & (pl.col(LSN) == lsn))


def _masked(rows: pl.DataFrame) -> pl.Expr:
    """Whether a row leaves any value out."""
    prefix = unchanged("")
    masks = [name for name in rows.columns if name.startswith(prefix)]
    return pl.any_horizontal(masks).fill_null(value=False) if masks else pl.lit(value=False)

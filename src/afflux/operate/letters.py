"""Dead letters for people: found, read, tried again, given up."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from afflux.errors import UsageError
from afflux.operate.desk import Desk
from afflux.operate.reading import Reader, in_hex, key_text
from afflux.operate.tables import topics_of
from afflux.sinks.batch import HELD, DeadLetter, LetterId, Partition
from afflux.sinks.state import LetterFilter, LetterHead, LetterState
from afflux.stream.completing import completer
from afflux.stream.decoder import Decoder
from afflux.stream.replay import Replay
from afflux.stream.router import Router
from afflux.stream.sealed import HASH, is_sealed
from afflux.stream.subscription import prefixes


@dataclass(frozen=True, slots=True)
class Wish:
    """Which dead letters a person means.

    Attributes:
        ids: these, `topic:partition:offset`; with them nothing else counts.
        tables: of these topics or target tables; of all, where there are none.
        key: with this key, as `list` writes it, or its bytes in hex.
        kind: of this kind.
        states: in one of these states; in any, where it is None.
        since: first seen at this time or later.
        until: first seen before this time.
    """

    ids: Sequence[str] = ()
    tables: Sequence[str] = ()
    key: str | None = None
    kind: str | None = None
    states: Sequence[LetterState] | None = field(default=(LetterState.OPEN,))
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """A dead letter, for people.

    Attributes:
        id: `topic:partition:offset`.
        table: the target table.
        key: its key, in hex where it can't be read.
        kind: what is wrong, in a word or two.
        state: what has become of it.
        first_seen: when it was first written.
        last_seen: when it was last tried, or its state changed.
        reason: the error's text.
    """

    id: str
    table: str
    key: str
    kind: str
    state: str
    first_seen: datetime
    last_seen: datetime
    reason: str


def find(desk: Desk, wish: Wish) -> list[Found]:
    """Find dead letters, in order of topic, partition and offset.

    Raises:
        UsageError: an id is none, or a table is not known.
    """
    reader = Reader(desk.registry)
    found = [_found(desk, head, reader.key(head.key)) for head in _heads(desk, wish, reader)]
    if reader.away:
        desk.notes.append(f"keys are shown as bytes: {reader.away}")
    return found


def show(desk: Desk, ids: Sequence[str]) -> list[dict[str, Any]]:
    """Give all there is of dead letters, their keys and values decoded where that can be done.

    Raises:
        UsageError: an id is none, or not among the dead letters.
    """
    reader = Reader(desk.registry)
    heads = {head.id: head for head in _heads(desk, Wish(ids=ids), reader)}
    shown = []
    whole = desk.state.whole(heads.keys())
    kept = desk.kept_until([at for at, letter in whole.items() if is_sealed(letter)])
    for at, letter in whole.items():
        if is_sealed(letter):
            shown.append(
                _shown_sealed(_found(desk, heads[at], reader.key(letter.key)), letter, kept.get(at, "no more"))
            )
            continue
        key, key_problem = reader.read(letter.key)
        value, value_problem = reader.read(letter.value)
        found = _found(desk, heads[at], key_text(key, letter.key))
        shown.append(
            {
                "id": found.id,
                "table": found.table,
                "state": found.state,
                "kind": found.kind,
                "reason": found.reason,
                "first_seen": found.first_seen.isoformat(),
                "last_seen": found.last_seen.isoformat(),
                "headers": {
                    name: None if text is None else text.decode(errors="backslashreplace")
                    for name, text in letter.headers
                },
                "key": key if not key_problem else {"bytes": in_hex(letter.key or b""), "problem": key_problem},
                "value": value if not value_problem else {"bytes": in_hex(letter.value), "problem": value_problem},
            }
        )
    return shown


def _shown_sealed(found: Found, letter: DeadLetter, until: str) -> dict[str, Any]:
    """Give what there is of a dead letter that holds nothing of its event."""
    return {
        "id": found.id,
        "table": found.table,
        "state": found.state,
        "kind": found.kind,
        "reason": found.reason,
        "first_seen": found.first_seen.isoformat(),
        "last_seen": found.last_seen.isoformat(),
        "sha256": (dict(letter.headers)[HASH] or b"").decode(),
        "in_kafka_until": until,
    }


def replay(desk: Desk, wish: Wish, tell: Callable[[int, int], None]) -> list[Found]:
    """Try open dead letters again; see `stream.replay` for what is promised.

    Args:
        desk: the sink.
        wish: which; besides them, what belongs together with them.
        tell: is told how many are dealt with, and of how many.

    Returns:
        All that were tried, with what has become of them: an open one has failed again.

    Raises:
        UsageError: one is of a table that the topology does not have, or an id is none.
    """
    reader = Reader(desk.registry)
    chosen = [head.id for head in _heads(desk, wish, reader) if head.state is LetterState.OPEN]
    undeclared = sorted({at.partition.topic for at in chosen if desk.declared.table_of(at.partition.topic) is None})
    if undeclared:
        raise UsageError(
            f"topic {undeclared[0]} is not in the topology any more: its dead letters have no table to go to",
            hint="add the table to the topology, leave these out with --table, or discard them",
        )
    if not chosen:
        return []
    sink = desk.make_sink()
    sink.open()
    try:
        decoder = Decoder(desk.registry.schema, Router(desk.topology), prefixes(desk.topology))
        reads_back = completer(desk.topology, desk.registry.schema)
        trial = Replay(decoder, sink, desk.state, desk.ends_of, reads_back, sealed=desk.is_sealed, again=desk.again)
        tried = trial.wanted(chosen)
        for done in trial.run(tried):
            tell(done, len(tried))
        if trial.gone:
            desk.notes.append(
                f"{len(trial.gone)} of a table with masked columns can't be tried: Kafka has deleted their events "
                f"(the first is {min(trial.gone)}); `afflux tables resync` reads the table anew"
            )
    finally:
        sink.close()
    return find(desk, Wish(ids=[str(head.id) for head in tried], states=None))


def discard(desk: Desk, ids: Sequence[str]) -> int:
    """Give open dead letters up; returns how many there were.

    Raises:
        UsageError: an id is none, or not among the dead letters.
    """
    return len(desk.state.discard([head.id for head in _heads(desk, Wish(ids=ids), Reader(desk.registry))]))


def held_behind(desk: Desk, ids: Sequence[str]) -> int:
    """Count the open dead letters that wait behind others of the same keys.

    Raises:
        UsageError: an id is none, or not among the dead letters.
    """
    given = _heads(desk, Wish(ids=ids), Reader(desk.registry))
    keys = {(head.id.partition.topic, head.key) for head in given}
    heads = desk.state.letters(LetterFilter(topics={topic for topic, _ in keys}))
    others = [head for head in heads if head.kind == HELD and head.id not in {head.id for head in given}]
    return sum((head.id.partition.topic, head.key) in keys for head in others)


def parse_id(text: str) -> LetterId:
    """Read a dead letter's id.

    Raises:
        UsageError: it is none.
    """
    found = _ID.fullmatch(text)
    if found is None:
        shown = text if len(text) <= _LONGEST_ID else f"{text[:_LONGEST_ID]}…"
        raise UsageError(f"{shown!r} is no dead letter's id", hint="it is topic:partition:offset, as `list` shows it")
    return LetterId(Partition(found[1], int(found[2])), int(found[3]))


_ID: Final = re.compile(r"([A-Za-z0-9._-]{1,249}):([0-9]{1,9}):([0-9]{1,18})")
"""What Kafka lets a topic be called, and numbers that every database takes."""
_LONGEST_ID: Final = 300


def _heads(desk: Desk, wish: Wish, reader: Reader) -> list[LetterHead]:
    if wish.ids:
        wanted = [parse_id(text) for text in wish.ids]
        topics = {at.partition.topic for at in wanted}
        heads = {head.id: head for head in desk.state.letters(LetterFilter(states=None, topics=topics))}
        missing = [at for at in wanted if at not in heads]
        if missing:
            raise UsageError(f"there is no dead letter {missing[0]}", hint="`afflux dead-letters list --state all`")
        return [heads[at] for at in sorted(set(wanted))]
    topics_wanted = topics_of(desk, wish.tables) if wish.tables else None
    heads_found = desk.state.letters(LetterFilter(wish.states, topics_wanted, wish.kind, wish.since, wish.until))
    if wish.key is None:
        return heads_found
    return [head for head in heads_found if head.key is not None and wish.key in _spellings(head.key, reader)]


def _spellings(key: bytes, reader: Reader) -> set[str]:
    return {reader.key(key), in_hex(key), key.hex()}


def _found(desk: Desk, head: LetterHead, key: str) -> Found:
    topic = head.id.partition.topic
    target = desk.declared.target_of(topic)
    return Found(
        id=str(head.id),
        table="" if target is None else str(target),
        key=key,
        kind=head.kind,
        state=str(head.state),
        first_seen=head.first_seen,
        last_seen=head.last_seen,
        reason=head.reason,
    )

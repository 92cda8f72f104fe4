"""Events that could not be applied, kept with their bytes: rows of `afflux.dead_letters`."""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import psycopg

from afflux.sinks.batch import WIRE_HEADER, Batch, DeadLetter, EventKey, LetterId, Partition, event_key
from afflux.sinks.letters import close
from afflux.sinks.state import LetterState

_SCOPE = "topology = %(topology)s AND consumer_group = %(group)s"

_WRITE = """
INSERT INTO afflux.dead_letters AS d (topology, consumer_group, topic, partition, "offset", key, value, headers, kind, reason, state)
VALUES (%(topology)s, %(group)s, %(topic)s, %(partition)s, %(offset)s, %(key)s, %(value)s, %(headers)s, %(kind)s, %(reason)s, %(state)s)
ON CONFLICT (topology, consumer_group, topic, partition, "offset") DO UPDATE SET key = EXCLUDED.key,
  value = EXCLUDED.value, headers = EXCLUDED.headers, kind = EXCLUDED.kind, reason = EXCLUDED.reason,
  state = EXCLUDED.state, last_seen = now()"""

_OPEN = f"""
SELECT topic, partition, "offset", key FROM afflux.dead_letters WHERE {_SCOPE} AND state = 'open' AND key IS NOT NULL"""  # noqa: S608 - no value is in it

_LOCK = f"""
SELECT topic, partition, "offset", key FROM afflux.dead_letters
WHERE {_SCOPE} AND state = 'open' AND (
  (topic, partition, "offset") IN (SELECT * FROM unnest(%(topics)s::text[], %(partitions)s::integer[], %(offsets)s::bigint[]))
  OR (topic, substring(key FROM {WIRE_HEADER + 1})) IN (SELECT * FROM unnest(%(key_topics)s::text[], %(keys)s::bytea[]))
  OR EXISTS (SELECT FROM unnest(%(cut_topics)s::text[], %(cut_partitions)s::integer[], %(cut_offsets)s::bigint[]) AS cut (t, p, o)
             WHERE topic = t AND partition = p AND "offset" < o))
ORDER BY topic, partition, "offset" FOR UPDATE"""  # noqa: S608 - likewise

_SET_STATE = f"""
UPDATE afflux.dead_letters SET state = %(state)s, last_seen = now()
WHERE {_SCOPE} AND state = 'open' AND (topic, partition, "offset")
  IN (SELECT * FROM unnest(%(topics)s::text[], %(partitions)s::integer[], %(offsets)s::bigint[]))
RETURNING topic, partition, "offset\""""  # noqa: S608 - likewise


_UNTOLD = f"""
SELECT topic, partition, "offset", key, value, headers, kind, reason FROM afflux.dead_letters
WHERE {_SCOPE} AND NOT told ORDER BY first_seen, topic, partition, "offset" LIMIT %(most)s"""  # noqa: S608 - likewise

_TELL = f"""
UPDATE afflux.dead_letters SET told = true WHERE {_SCOPE} AND (topic, partition, "offset")
  IN (SELECT * FROM unnest(%(topics)s::text[], %(partitions)s::integer[], %(offsets)s::bigint[]))"""  # noqa: S608 - likewise

_OLD = f"DELETE FROM afflux.dead_letters WHERE {_SCOPE} AND state <> 'open' AND last_seen < %(before)s"  # noqa: S608 - likewise


class DeadLetters:
    """The dead letters of one consumer group of one topology.

    Args:
        scope: the topology and the group, as parameters of statements.
    """

    def __init__(self, scope: Mapping[str, str]) -> None:
        self._scope = scope

    def open(self, connection: psycopg.Connection) -> dict[LetterId, EventKey]:
        """Give the open dead letters that have a key."""
        return {at: key for at, key in _ids(connection.execute(_OPEN, self._scope)).items() if key is not None}

    def write(self, connection: psycopg.Connection, batch: Batch) -> None:
        """Write a batch's dead letters, and close those that it makes irrelevant or applies.

        Comes before any row of a table is written, in the same transaction: `letters.close` says why.
        Rows are locked in one order, so that a daemon and replays wait for each other and do not deadlock.

        Raises:
            Overtaken: a dead letter that the batch counts on is open no more.
        """
        if batch.superseded or batch.truncated or batch.awaited or batch.replayed:
            closed = close(batch, self._locked(connection, batch))
            self.set_state(connection, closed.superseded, LetterState.SUPERSEDED)
            self.set_state(connection, closed.applied, LetterState.REPLAYED)
        if batch.dead:
            connection.cursor().executemany(_WRITE, [{**self._scope, **_row(letter)} for letter in batch.dead])

    def set_state(
        self, connection: psycopg.Connection, letters: Collection[LetterId], state: LetterState
    ) -> frozenset[LetterId]:
        """Say what has become of dead letters; returns those that were open until now."""
        if not letters:
            return frozenset()
        done = connection.execute(_SET_STATE, {**self._scope, **arrays(letters), "state": str(state)})
        return frozenset(LetterId(Partition(topic, number), offset) for topic, number, offset in done)

    def untold(self, connection: psycopg.Connection, most: int) -> list[DeadLetter]:
        """See `SinkState.untold_letters`."""
        rows = connection.execute(_UNTOLD, {**self._scope, "most": most})
        return [_letter(row) for row in rows]

    def tell(self, connection: psycopg.Connection, letters: Collection[LetterId]) -> None:
        """See `SinkState.tell_letters`."""
        connection.execute(_TELL, {**self._scope, **arrays(letters)})

    def forget(self, connection: psycopg.Connection, before: datetime) -> int:
        """See `SinkState.forget_letters`."""
        return connection.execute(_OLD, {**self._scope, "before": before}).rowcount

    def _locked(self, connection: psycopg.Connection, batch: Batch) -> dict[LetterId, EventKey | None]:
        keys = [*batch.superseded, *batch.awaited]
        values = {
            **self._scope,
            **arrays(batch.replayed),
            "key_topics": [key.topic for key in keys],
            "keys": [key.key for key in keys],
            "cut_topics": [partition.topic for partition in batch.truncated],
            "cut_partitions": [partition.number for partition in batch.truncated],
            "cut_offsets": list(batch.truncated.values()),
        }
        return _ids(connection.execute(_LOCK, values))


def arrays(letters: Iterable[LetterId]) -> dict[str, list[Any]]:
    """Give the places of dead letters as parameters of statements."""
    ordered = list(letters)
    return {
        "topics": [at.partition.topic for at in ordered],
        "partitions": [at.partition.number for at in ordered],
        "offsets": [at.offset for at in ordered],
    }


def _letter(row: Sequence[Any]) -> DeadLetter:
    topic, number, offset, key, value, headers, kind, reason = row
    texts = tuple((name, None if text is None else text.encode()) for name, text in headers)
    return DeadLetter(Partition(topic, number), offset, key, value, texts, kind, reason)


def _ids(rows: Iterable[tuple[Any, ...]]) -> dict[LetterId, EventKey | None]:
    return {LetterId(Partition(topic, n), offset): event_key(topic, key) for topic, n, offset, key in rows}


def _row(letter: DeadLetter) -> dict[str, Any]:
    return {
        "topic": letter.partition.topic,
        "partition": letter.partition.number,
        "offset": letter.offset,
        "key": letter.key,
        "value": letter.value,
        "headers": json.dumps([[name, _text(value)] for name, value in letter.headers]),
        "kind": letter.kind,
        "state": str(LetterState.SUPERSEDED if letter.superseded else LetterState.OPEN),
        "reason": letter.reason.replace("\x00", "\\0"),
    }


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode("utf-8", "backslashreplace").replace("\x00", "\\0")

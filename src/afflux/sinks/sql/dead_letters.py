"""Events that could not be applied, kept with their bytes: rows of `afflux.dead_letters`."""

import json
from collections.abc import Mapping

import psycopg

from afflux.sinks.base import Batch, EventKey

_WRITE = """
INSERT INTO afflux.dead_letters AS d (topology, consumer_group, topic, partition, "offset", key, value, headers, kind, reason, state)
VALUES (%(topology)s, %(group)s, %(topic)s, %(partition)s, %(offset)s, %(key)s, %(value)s, %(headers)s, %(kind)s, %(reason)s, %(state)s)
ON CONFLICT (topology, consumer_group, topic, partition, "offset")
DO UPDATE SET kind = EXCLUDED.kind, reason = EXCLUDED.reason, state = EXCLUDED.state, last_seen = now()"""

_SUPERSEDE = """
UPDATE afflux.dead_letters SET state = 'superseded', last_seen = now()
WHERE topology = %(topology)s AND consumer_group = %(group)s AND topic = %(topic)s AND key = %(key)s AND state = 'open'"""

_REPLAYED = """
UPDATE afflux.dead_letters SET state = 'replayed', last_seen = now()
WHERE topology = %(topology)s AND consumer_group = %(group)s AND topic = %(topic)s AND partition = %(partition)s
  AND "offset" = %(offset)s AND state = 'open'"""

_OPEN_KEYS = """
SELECT DISTINCT topic, key FROM afflux.dead_letters
WHERE topology = %(topology)s AND consumer_group = %(group)s AND state = 'open' AND key IS NOT NULL"""


class DeadLetters:
    """The dead letters of one consumer group of one topology.

    Args:
        scope: the topology and the group, as parameters of statements.
    """

    def __init__(self, scope: Mapping[str, str]) -> None:
        self._scope = scope

    def open_keys(self, connection: psycopg.Connection) -> frozenset[EventKey]:
        """Give the keys that have open dead letters."""
        return frozenset(EventKey(topic, key) for topic, key in connection.execute(_OPEN_KEYS, self._scope))

    def write(self, connection: psycopg.Connection, batch: Batch) -> None:
        """Write a batch's dead letters, and mark those that it makes irrelevant or applies."""
        for event_key in batch.superseded:
            connection.execute(_SUPERSEDE, {**self._scope, "topic": event_key.topic, "key": event_key.key})
        for partition, offset in batch.replayed:
            values = {"topic": partition.topic, "partition": partition.number, "offset": offset}
            connection.execute(_REPLAYED, {**self._scope, **values})
        for letter in batch.dead:
            connection.execute(
                _WRITE,
                {
                    **self._scope,
                    "topic": letter.partition.topic,
                    "partition": letter.partition.number,
                    "offset": letter.offset,
                    "key": letter.key,
                    "value": letter.value,
                    "headers": json.dumps([[name, _text(value)] for name, value in letter.headers]),
                    "kind": letter.kind,
                    "state": "superseded" if letter.superseded else "open",
                    "reason": letter.reason.replace("\x00", "\\0"),
                },
            )


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode("utf-8", "backslashreplace").replace("\x00", "\\0")

"""The operator's side of an SQL sink's state: reads it, and changes what a person may change."""

from collections.abc import Collection, Mapping
from contextlib import AbstractContextManager
from datetime import datetime, timedelta

import psycopg

from afflux.errors import NoStateError
from afflux.sinks.batch import DeadLetter, LetterId, Partition
from afflux.sinks.collisions import Collision
from afflux.sinks.resyncs import Resync
from afflux.sinks.shards import GoneShard
from afflux.sinks.sql import layout
from afflux.sinks.sql.collisions import Collisions
from afflux.sinks.sql.cuts import Cuts
from afflux.sinks.sql.dead_letters import DeadLetters, arrays
from afflux.sinks.sql.resyncs import Resyncs
from afflux.sinks.sql.session import connect, errors
from afflux.sinks.sql.shards import Shards
from afflux.sinks.sql.watermarks import Watermarks
from afflux.sinks.state import REWOUND, LetterFilter, LetterHead, LetterState, SinkState, Standing, Stop, Watermark
from afflux.topology.sinks import MetaColumns

_SCOPE = "topology = %(topology)s AND consumer_group = %(group)s"

_POSITIONS = f"""
SELECT topic, partition, next_offset, coalesce(topic_id, ''), epoch, owner, updated_at
FROM afflux.positions WHERE {_SCOPE} ORDER BY topic, partition"""  # noqa: S608 - no value is in it

_LOCK_POSITION = f"""
SELECT topic_id FROM afflux.positions WHERE {_SCOPE} AND topic = %(topic)s AND partition = %(partition)s FOR UPDATE"""  # noqa: S608 - likewise

_REWIND = f"""
UPDATE afflux.positions SET next_offset = %(to)s, epoch = epoch + 1, owner = %(owner)s,
  topic_id = coalesce(%(topic_id)s, topic_id), updated_at = clock_timestamp()
WHERE {_SCOPE} AND topic = %(topic)s AND partition = %(partition)s"""  # noqa: S608 - likewise

_READ_AGAIN = f"""
UPDATE afflux.dead_letters SET state = 'superseded', last_seen = now()
WHERE {_SCOPE} AND state = 'open' AND topic = %(topic)s AND partition = %(partition)s AND ("offset" >= %(to)s
  OR %(topic_id)s::text <> (SELECT topic_id FROM afflux.positions WHERE {_SCOPE} AND topic = %(topic)s AND partition = %(partition)s))"""  # noqa: S608 - likewise

_STOPS = f"SELECT topic, reason, stopped_at FROM afflux.tables WHERE {_SCOPE} ORDER BY topic"  # noqa: S608 - likewise

_STOP = """
INSERT INTO afflux.tables SELECT %(topology)s, %(group)s, topic, clock_timestamp(), %(reason)s
FROM unnest(%(topics)s::text[]) AS v (topic) ON CONFLICT (topology, consumer_group, topic) DO NOTHING"""

_RESUME = f"DELETE FROM afflux.tables WHERE {_SCOPE} AND topic = ANY (%(topics)s)"  # noqa: S608 - likewise

_LETTERS = f"""
SELECT topic, partition, "offset", key, kind, reason, state, first_seen, last_seen, octet_length(value) FROM afflux.dead_letters
WHERE {_SCOPE} AND (%(states)s::text[] IS NULL OR state = ANY (%(states)s))
  AND (%(topics)s::text[] IS NULL OR topic = ANY (%(topics)s)) AND (%(kind)s::text IS NULL OR kind = %(kind)s)
  AND (%(since)s::timestamptz IS NULL OR first_seen >= %(since)s)
  AND (%(until)s::timestamptz IS NULL OR first_seen < %(until)s)
ORDER BY topic COLLATE "C", partition, "offset\""""  # noqa: S608 - likewise

_WHOLE = f"""
SELECT topic, partition, "offset", key, value, headers, kind, reason, state FROM afflux.dead_letters
WHERE {_SCOPE} AND (topic, partition, "offset")
  IN (SELECT * FROM unnest(%(topics)s::text[], %(partitions)s::integer[], %(offsets)s::bigint[]))
ORDER BY topic COLLATE "C", partition, "offset\""""  # noqa: S608 - likewise


class SqlState(SinkState):
    """The state that a sink of a topology keeps in a PostgreSQL target.

    Args:
        name: the sink's name in the topology, for messages.
        url: a libpq URL, secrets resolved.
        topology: the topology's name.
        group: the consumer group.
        names: what the columns of afflux's own are called.
    """

    def __init__(self, *, name: str, url: str, topology: str, group: str, names: MetaColumns | None = None) -> None:
        self._name = name
        self._url = url
        self._scope = {"topology": topology, "group": group}
        self._dead_letters = DeadLetters(self._scope)
        self._cuts = Cuts(self._scope, names or MetaColumns())
        self._collisions = Collisions(self._scope, names or MetaColumns())
        self._resyncs = Resyncs(self._scope)
        self._shards = Shards(self._scope)
        self._watermarks = Watermarks(self._scope)
        self._connection: psycopg.Connection | None = None

    def positions(self) -> list[Standing]:
        """See `SinkState.positions`."""
        with self._errors("read positions"):
            rows = self._connected().execute(_POSITIONS, self._scope).fetchall()
        return [Standing(Partition(topic, number), *rest) for topic, number, *rest in rows]

    def watermarks(self) -> list[Watermark]:
        """See `SinkState.watermarks`."""
        with self._errors("read watermarks"):
            return self._watermarks.read(self._connected())

    def rewind(
        self, to: Mapping[Partition, int], topic_ids: Mapping[str, str], by: str, shards: Collection[str] = ()
    ) -> None:
        """See `SinkState.rewind`.

        Positions are locked before dead letters, as a daemon's batch does it.
        """
        with self._errors("rewind"), self._connected().transaction():
            self._watermarks.withdraw(self._connected(), shards)
            for partition, offset in sorted(to.items()):
                values = {
                    **self._scope,
                    "topic": partition.topic,
                    "partition": partition.number,
                    "to": offset,
                    "topic_id": topic_ids.get(partition.topic),
                    "owner": REWOUND + by,
                }
                former = self._connected().execute(_LOCK_POSITION, values).fetchone()
                if former and former[0] and values["topic_id"] not in (None, former[0]):
                    self._cuts.set_aside(self._connected(), partition, former[0])
                self._cuts.cut_back(self._connected(), partition, offset)
                self._connected().execute(_READ_AGAIN, values)
                self._connected().execute(_REWIND, values)

    def stops(self) -> list[Stop]:
        """See `SinkState.stops`."""
        with self._errors("read which tables are stopped"):
            return [Stop(*row) for row in self._connected().execute(_STOPS, self._scope)]

    def stop(self, topics: Collection[str], reason: str) -> None:
        """See `SinkState.stop`."""
        with self._errors("stop tables"):
            self._connected().execute(_STOP, {**self._scope, "topics": sorted(topics), "reason": reason})

    def resume(self, topics: Collection[str]) -> None:
        """See `SinkState.resume`."""
        with self._errors("resume tables"):
            self._connected().execute(_RESUME, {**self._scope, "topics": sorted(topics)})

    def letters(self, wanted: LetterFilter) -> list[LetterHead]:
        """See `SinkState.letters`."""
        values = {
            **self._scope,
            "states": None if wanted.states is None else [str(state) for state in wanted.states],
            "topics": None if wanted.topics is None else list(wanted.topics),
            "kind": wanted.kind,
            "since": wanted.since,
            "until": wanted.until,
        }
        with self._errors("read dead letters"):
            rows = self._connected().execute(_LETTERS, values).fetchall()
        return [
            LetterHead(LetterId(Partition(topic, n), offset), key, kind, reason, LetterState(state), *rest)
            for topic, n, offset, key, kind, reason, state, *rest in rows
        ]

    def whole(self, letters: Collection[LetterId]) -> dict[LetterId, DeadLetter]:
        """See `SinkState.whole`. Headers' values come as text."""
        with self._errors("read dead letters"):
            rows = self._connected().execute(_WHOLE, {**self._scope, **arrays(letters)}).fetchall()
        found = [
            DeadLetter(
                partition=Partition(topic, number),
                offset=offset,
                key=key,
                value=value,
                headers=tuple((name, None if text is None else text.encode()) for name, text in headers),
                kind=kind,
                reason=reason,
                superseded=state == LetterState.SUPERSEDED,
            )
            for topic, number, offset, key, value, headers, kind, reason, state in rows
        ]
        return {letter.id: letter for letter in found}

    def discard(self, letters: Collection[LetterId]) -> frozenset[LetterId]:
        """See `SinkState.discard`."""
        with self._errors("discard dead letters"):
            return self._dead_letters.set_state(self._connected(), letters, LetterState.DISCARDED)

    def untold_letters(self, most: int) -> list[DeadLetter]:
        """See `SinkState.untold_letters`."""
        with self._errors("read dead letters"):
            return self._dead_letters.untold(self._connected(), most)

    def tell_letters(self, letters: Collection[LetterId]) -> None:
        """See `SinkState.tell_letters`."""
        with self._errors("remember told dead letters"):
            self._dead_letters.tell(self._connected(), letters)

    def forget_letters(self, before: datetime) -> int:
        """See `SinkState.forget_letters`."""
        with self._errors("forget dead letters"):
            return self._dead_letters.forget(self._connected(), before)

    def ask_resyncs(self, resyncs: Collection[Resync]) -> None:
        """See `SinkState.ask_resyncs`."""
        with self._errors("ask for a resynchronisation"):
            self._resyncs.ask(self._connected(), resyncs)

    def resyncs(self) -> list[Resync]:
        """See `SinkState.resyncs`."""
        with self._errors("read resynchronisations"):
            return self._resyncs.all(self._connected())

    def resync_read(self, resync: Resync, ends: Mapping[Partition, int]) -> None:
        """See `SinkState.resync_read`."""
        with self._errors("remember a resynchronisation"):
            self._resyncs.read(self._connected(), resync, ends)

    def resync_failed(self, resync: Resync, reason: str) -> None:
        """See `SinkState.resync_failed`."""
        with self._errors("remember a resynchronisation"):
            self._resyncs.fail(self._connected(), resync, reason)

    def judge_contests(self, window: timedelta, shards: Collection[str]) -> list[Collision]:
        """See `SinkState.judge_contests`."""
        with self._errors("judge contests"):
            return self._collisions.judge(self._connected(), window, shards)

    def collisions(self) -> list[Collision]:
        """See `SinkState.collisions`."""
        with self._errors("read collisions"):
            return self._collisions.open(self._connected())

    def note_shards(self, shards: Mapping[str, str]) -> list[GoneShard]:
        """See `SinkState.note_shards`."""
        with self._errors("note shards"):
            return self._shards.note(self._connected(), shards)

    def decide_shard(self, shard: str, decision: str, unseen: timedelta) -> bool:
        """See `SinkState.decide_shard`."""
        with self._errors("decide of a shard"):
            return self._shards.decide(self._connected(), shard, decision, unseen)

    def close_shard(self, shard: str, topics: Collection[str]) -> None:
        """See `SinkState.close_shard`."""
        with self._errors("forget a shard"):
            self._shards.close(self._connected(), shard, topics)

    def close(self) -> None:
        """See `SinkState.close`."""
        if self._connection is not None:
            self._connection.close()
        self._connection = None

    def _connected(self) -> psycopg.Connection:
        if self._connection is None or self._connection.closed:
            connection = self._connection = connect(self._url)
            if not layout.exists(connection):
                raise NoStateError(
                    f"sink {self._name!r} has no state yet: nothing was ever applied to this target",
                    hint="`afflux run` makes it when it starts",
                )
            layout.check(connection)
        return self._connection

    def _errors(self, doing: str) -> AbstractContextManager[None]:
        return errors(self._name, doing, self.close)

"""Witnesses of what was committed at the shards, and of what the target said at each moment; and their comparison."""

import bisect
import random
import threading
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import psycopg
from psycopg import IsolationLevel

TABLES = ("hot", "warm")
"""Of each shard: `hot` is written in every transaction, `warm` in some of them."""
MAKE = "CREATE TABLE $.{table} (id bigint PRIMARY KEY, version bigint NOT NULL, word text)"
_KEYS = 60
"""Of each writer."""
_STEP = 1000
"""Writer n has the keys from n times this on."""

Row = tuple[str, str, int]
"""A shard, a table and a key."""


@dataclass(frozen=True, order=True)
class Change:
    """A change whose commit was acknowledged."""

    acknowledged: float
    """When, seconds since 1970."""
    version: int
    gone: bool = False
    """Whether it was a delete."""


@dataclass(frozen=True)
class Sight:
    """What the target said at one moment: its watermarks, and the versions of the rows that were there."""

    at: float
    watermarks: Mapping[str, float | None]
    rows: Mapping[Row, int]


class Writer(threading.Thread):
    """Changes rows of one shard as fast as it may, and logs each change once its commit is acknowledged.

    Args:
        url: of the shard.
        schema: of its tables.
        shard: its name.
        number: of this writer, which has keys of its own.
        rest: seconds between transactions, about.
    """

    def __init__(self, url: str, schema: str, shard: str, number: int, rest: float = 0.01) -> None:
        super().__init__(name=f"writer-{shard}-{number}", daemon=True)
        self._url, self._schema, self._shard, self._rest = url, schema, shard, rest
        self._keys = range(number * _STEP, number * _STEP + _KEYS)
        self._random = random.Random(f"{shard} {number}")
        self._version = 0
        self.stop = threading.Event()
        self.log: list[tuple[Row, Change]] = []

    def run(self) -> None:
        with psycopg.connect(self._url, autocommit=True) as connection:
            connection.execute(f"SET search_path = {self._schema}")  # type: ignore[call-overload]
            while not self.stop.wait(self._random.expovariate(1 / self._rest)):
                self._transaction(connection)

    def _transaction(self, connection: psycopg.Connection) -> None:
        doomed = self._random.random() < 0.1
        done: list[tuple[Row, int, bool]] = []
        with connection.transaction(force_rollback=doomed):
            for table in TABLES if self._random.random() < 0.3 else TABLES[:1]:
                for key in self._random.sample(self._keys, self._random.randrange(1, 6)):
                    self._version += 1
                    gone = self._random.random() < 0.2
                    self._change(connection, table, key, gone=gone)
                    done.append(((self._shard, table, key), self._version, gone))
        now = time.time()
        if not doomed:
            self.log += [(row, Change(now, version, gone)) for row, version, gone in done]

    def _change(self, connection: psycopg.Connection, table: str, key: int, *, gone: bool) -> None:
        if gone:
            connection.execute(f"DELETE FROM {table} WHERE id = %s", [key])  # type: ignore[call-overload]
        else:
            connection.execute(
                f"INSERT INTO {table} VALUES (%s, %s, %s) ON CONFLICT (id) DO UPDATE "  # type: ignore[call-overload]
                "SET version = EXCLUDED.version, word = EXCLUDED.word",
                [key, self._version, "x" * self._random.randrange(200)],
            )


class Observer(threading.Thread):
    """Looks at the target again and again, at watermarks and rows in one snapshot.

    Args:
        url: of the target.
        name: the topology's, and the schema's.
    """

    def __init__(self, url: str, name: str) -> None:
        super().__init__(name="observer", daemon=True)
        self._url, self._topology = url, name
        self.stop = threading.Event()
        self.sights: list[Sight] = []

    def run(self) -> None:
        with psycopg.connect(self._url) as connection:
            connection.isolation_level = IsolationLevel.REPEATABLE_READ
            while not self.stop.wait(0.1):
                sight = self._look(connection)
                if not self.sights or sight.watermarks != self.sights[-1].watermarks:
                    self.sights.append(sight)

    def saw(self, shard: str, beyond: float) -> bool:
        """Tell whether a shard's watermark was seen beyond a time."""
        return any((sight.watermarks.get(shard) or 0.0) > beyond for sight in list(self.sights))

    def _look(self, connection: psycopg.Connection) -> Sight:
        with connection.transaction():
            marks = connection.execute(
                "SELECT shard, extract(epoch FROM watermark)::float8 FROM afflux.watermarks WHERE topology = %s",
                [self._topology],
            ).fetchall()
            rows = {
                (shard, table, key): version
                for table in TABLES
                if connection.execute("SELECT to_regclass(%s)", [f"{self._topology}.{table}"]).fetchone() != (None,)
                for shard, key, version in connection.execute(
                    f"SELECT _shard, id, version FROM {self._topology}.{table}"  # type: ignore[call-overload]
                )
            }
        return Sight(time.time(), dict(marks), rows)


@dataclass
class Witness:
    """All that was committed, by row and in order."""

    changes: dict[Row, list[Change]] = field(default_factory=lambda: defaultdict(list))

    def tell(self, log: Iterable[tuple[Row, Change]]) -> None:
        """Take a writer's log in; a row has one writer."""
        for row, change in log:
            self.changes[row].append(change)

    def broken(self, sight: Sight, ahead: float = 0.0) -> list[str]:
        """Say which changes are missing that a watermark says are there.

        A change is there when its row has its version or a later one, or is gone by it or a later one.

        Args:
            sight: what the target said.
            ahead: seconds to set the watermarks forward by, to see that this finds something.
        """
        found = []
        for row, changes in self.changes.items():
            mark = sight.watermarks.get(row[0])
            before = 0 if mark is None else bisect.bisect_left(changes, Change(mark + ahead, 0))
            if before and not _is_there(sight.rows.get(row), changes, before):
                found.append(f"{row}: {changes[before - 1]}, and at {mark} the target has {sight.rows.get(row)}")
        return found


def _is_there(version: int | None, changes: Sequence[Change], before: int) -> bool:
    last = changes[before - 1]
    if version is not None:
        return version >= last.version
    return any(change.gone for change in changes[before - 1 :])

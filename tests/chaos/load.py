"""The continuous load: every kind of change, on every shard at once, through deaths of the shards themselves."""

import contextlib
import threading
import time
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from random import Random

import psycopg

from afflux.sinks.batch import Keeping, Mode

TABLES = {
    "items": Keeping(),
    "pairs": Keeping(soft=True),
    "roamers": Keeping(),
    "scratch": Keeping(),
    "markers": Keeping(),
    "victim": Keeping(),
    "ledger": Keeping(Mode.APPEND),
    "story": Keeping(Mode.HISTORY),
}
"""What is changed, and how the target keeps it."""
COUNTED = ("ledger", "story")
"""Tables whose rows count up and do nothing else, so that every change and version of them is known."""
_COUNTERS = 10
"""Rows of such a table and shard."""
_STEP = 16
"""Shard n has the keys n + 16, n + 32 and so on."""
_MOST = 1_500
"""Rows of a table and shard, about."""
_LARGE = 1_500
"""Random bytes of a large value; in hexadecimal it is stored out of line, and updates of other columns leave it out."""
_ROLLED_BACK = 0.08

MAKE = """
CREATE SCHEMA {schema};
CREATE SEQUENCE {schema}.keys START WITH {first} INCREMENT BY {step} MINVALUE {first};
CREATE TABLE {schema}.items (id bigint PRIMARY KEY, name text NOT NULL, amount numeric(14,3), tags text[], doc jsonb,
  body text, flag boolean, seen timestamptz NOT NULL DEFAULT clock_timestamp());
ALTER TABLE {schema}.items ALTER body SET STORAGE EXTERNAL;
CREATE TABLE {schema}.pairs (tenant int, code text, payload text, n bigint, PRIMARY KEY (tenant, code));
CREATE TABLE {schema}.roamers (id bigint PRIMARY KEY, name text NOT NULL, body text, hops int NOT NULL);
ALTER TABLE {schema}.roamers ALTER body SET STORAGE EXTERNAL;
CREATE TABLE {schema}.scratch (id bigint PRIMARY KEY, word text);
CREATE TABLE {schema}.markers (id int PRIMARY KEY, n bigint NOT NULL);
CREATE TABLE {schema}.victim (id bigint PRIMARY KEY, word text);
CREATE TABLE {schema}.ledger (id bigint PRIMARY KEY, n int NOT NULL);
CREATE TABLE {schema}.story (id bigint PRIMARY KEY, n int NOT NULL);
INSERT INTO {schema}.markers VALUES ({number}, 0);
INSERT INTO {schema}.victim VALUES ({first}, 'before');
"""


@dataclass(frozen=True)
class Features:
    """What the load does beside the rest.

    Attributes:
        large_keys: change keys of rows with large values.
        truncates: truncate now and then.
    """

    large_keys: bool = True
    truncates: bool = True


def make_tables(url: str, schema: str, number: int) -> None:
    """Make a shard's tables, with something in them."""
    first = _STEP + number
    with psycopg.connect(url) as connection:
        connection.execute(MAKE.format(schema=schema, number=number, first=first, step=_STEP))
        connection.execute(
            f"INSERT INTO {schema}.items SELECT nextval('{schema}.keys'), 'first ' || g, g / 7.0, NULL, NULL, "
            "CASE WHEN g % 4 = 0 THEN repeat(md5(g::text), 100) END FROM generate_series(1, 300) g"
        )
        connection.execute(
            f"INSERT INTO {schema}.pairs SELECT {number}, 'c' || g, 'first', g FROM generate_series(1, 100) g"
        )


class _Thread(ABC):
    """Something that changes rows until it is told to pause, and never gives up on a server that is away."""

    def __init__(self, name: str, seed: str) -> None:
        self.random = Random(seed)
        self.committed = 0
        """Transactions that were committed."""
        self.interrupted = 0
        """How often a server went away."""
        self.done: Counter[str] = Counter()
        self.failure: Exception | None = None
        self._pause, self._end, self.idle = threading.Event(), threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def pause(self) -> None:
        self._pause.set()

    def resume(self) -> None:
        self.idle.clear()
        self._pause.clear()

    def end(self) -> None:
        self._end.set()
        self._thread.join(30)

    @abstractmethod
    def work(self) -> Iterator[float]:
        """Connect and change rows, a transaction a turn; give how long to wait until the next."""

    def _run(self) -> None:
        while not self._end.is_set():
            if self._pause.is_set():
                self.idle.set()
                self._end.wait(0.05)
                continue
            try:
                with contextlib.closing(self.work()) as turns:
                    for wait in turns:
                        if self._pause.is_set() or self._end.wait(wait):
                            break
            except psycopg.OperationalError:
                self.interrupted += 1
                self._end.wait(0.3)
            except Exception as error:  # noqa: BLE001 - told by `Load.check`, in the test's own thread
                self.failure = error
                self.idle.set()
                return


class Writer(_Thread):
    """Changes the rows of one shard."""

    def __init__(self, url: str, schema: str, number: int, *, seed: str, features: Features, rate: float) -> None:
        super().__init__(f"load-{schema}-{number}", f"{seed} writer {number}")
        self._url, self._schema, self._number, self._features, self._rate = url, schema, number, features, rate
        self._items: list[int] = []
        self._codes: list[str] = []
        kinds: Mapping[Callable[[psycopg.Connection], None], float] = {
            self._insert: 20,
            self._update: 30,
            self._update_large: 6,
            self._delete: 12,
            self._rekey: 8,
            self._swap: 3,
            self._replace: 4,
            self._live_and_die: 3,
            self._pairs: 12,
            self._scratch: 6,
            self._half: 4,
            self._count: 12,
            self._truncate: 1 if features.truncates else 0,
        }
        self._kinds = kinds

    def work(self) -> Iterator[float]:
        with psycopg.connect(self._url, autocommit=True, connect_timeout=5) as connection:
            connection.execute(f"SET search_path = {self._schema}")
            self._items = [row[0] for row in connection.execute("SELECT id FROM items")]
            self._codes = [row[0] for row in connection.execute("SELECT code FROM pairs")]
            while True:
                doomed = self.random.random() < _ROLLED_BACK
                some = self.random.choices([*self._kinds], [*self._kinds.values()], k=self.random.randrange(1, 5))
                with connection.transaction(force_rollback=doomed):
                    for kind in some:
                        kind(connection)
                self.committed += not doomed
                self.done.update(["rolled back"] if doomed else [kind.__name__.strip("_") for kind in some])
                yield self.random.expovariate(self._rate)

    # --- kinds of changes; keys that are not there any more are simply not found ------------------

    def _some(self, most: int = 3) -> list[int]:
        return self.random.choices(self._items or [0], k=self.random.randrange(1, most + 1))

    def _body(self) -> str | None:
        chance = self.random.random()
        return self.random.randbytes(_LARGE).hex() if chance < 0.3 else None if chance < 0.5 else "small"

    def _word(self) -> str:
        return self.random.choice(("", "a", "two words", "qu'ote\"", "back\\slash", "tab\t, comma", "ünï☕", "NULL"))

    def _insert(self, connection: psycopg.Connection) -> None:
        for _ in range(self.random.randrange(1, 4)):
            row = connection.execute(
                "INSERT INTO items VALUES (nextval('keys'), %s, %s, %s, %s, %s, %s) RETURNING id",
                [
                    self._word(),
                    self.random.choice((None, self.random.randrange(-(10**6), 10**6) / 1000)),
                    self.random.choice((None, [], [self._word(), None])),
                    self.random.choice((None, '{"a": [1, null, 2.50]}', '"x"')),
                    self._body(),
                    self.random.choice((None, True, False)),
                ],
            ).fetchone()
            assert row is not None
            self._items.append(row[0])
        if len(self._items) > _MOST:
            self._items = self._items[-_MOST:]
            # The oldest ones, for what others have just made is not known here.
            connection.execute("DELETE FROM items WHERE id < %s", [min(self._items)])

    def _update(self, connection: psycopg.Connection) -> None:
        for key in self._some():
            connection.execute(
                "UPDATE items SET name = %s, amount = coalesce(amount, 0) + 1.001, flag = NOT flag, "
                "seen = clock_timestamp() WHERE id = %s",
                [self._word(), key],
            )

    def _update_large(self, connection: psycopg.Connection) -> None:
        connection.execute("UPDATE items SET body = %s WHERE id = ANY (%s)", [self._body(), self._some()])

    def _delete(self, connection: psycopg.Connection) -> None:
        connection.execute("DELETE FROM items WHERE id = ANY (%s)", [self._some()])

    def _rekey(self, connection: psycopg.Connection) -> None:
        which = "" if self._features.large_keys else " AND coalesce(length(body), 0) < 100"
        also = self.random.choice(("", ", name = 'moved'"))
        rows = connection.execute(
            f"UPDATE items SET id = nextval('keys'){also} WHERE id = %s{which} RETURNING id", [self._some()[0]]
        ).fetchall()
        self._items += [row[0] for row in rows]
        connection.execute(
            "UPDATE pairs p SET code = code || '+' WHERE tenant = %s AND code = %s "
            "AND NOT EXISTS (SELECT FROM pairs o WHERE o.tenant = p.tenant AND o.code = p.code || '+')",
            [self._number, self.random.choice(self._codes or [""])],
        )

    def _swap(self, connection: psycopg.Connection) -> None:
        one, two = self._some(1)[0], self._some(1)[0]
        which = "true" if self._features.large_keys else "coalesce(length(body), 0) < 100"
        both = connection.execute(f"SELECT count(*) FROM items WHERE id IN (%s, %s) AND {which}", [one, two]).fetchone()
        if both == (2,):
            for old, new in ((one, -one), (two, one), (-one, two)):
                connection.execute("UPDATE items SET id = %s WHERE id = %s", [new, old])

    def _replace(self, connection: psycopg.Connection) -> None:
        key = self._some(1)[0]
        if connection.execute("DELETE FROM items WHERE id = %s", [key]).rowcount:
            connection.execute("INSERT INTO items (id, name, body) VALUES (%s, 'anew', %s)", [key, self._body()])

    def _live_and_die(self, connection: psycopg.Connection) -> None:
        row = connection.execute(
            "INSERT INTO items (id, name) VALUES (nextval('keys'), 'brief') RETURNING id"
        ).fetchone()
        connection.execute("UPDATE items SET name = 'briefer' WHERE id = %s", row)
        connection.execute("DELETE FROM items WHERE id = %s", row)

    def _pairs(self, connection: psycopg.Connection) -> None:
        code = f"c{self.random.randrange(200)}"
        connection.execute(
            "INSERT INTO pairs VALUES (%s, %s, %s, 1) ON CONFLICT (tenant, code) DO UPDATE SET n = pairs.n + 1",
            [self._number, code, self._word()],
        )
        connection.execute(
            "DELETE FROM pairs WHERE tenant = %s AND code = %s", [self._number, f"c{self.random.randrange(200)}"]
        )

    def _scratch(self, connection: psycopg.Connection) -> None:
        connection.execute("INSERT INTO scratch SELECT nextval('keys'), %s FROM generate_series(1, 5)", [self._word()])
        connection.execute("DELETE FROM scratch WHERE id IN (SELECT id FROM scratch ORDER BY id LIMIT 3)")

    def _truncate(self, connection: psycopg.Connection) -> None:
        self._scratch(connection)
        connection.execute("TRUNCATE scratch")
        if self.random.random() < 0.7:
            self._scratch(connection)

    def _count(self, connection: psycopg.Connection) -> None:
        key = _STEP * self.random.randrange(1, _COUNTERS + 1) + self._number
        for table in COUNTED:
            connection.execute(
                f"INSERT INTO {table} AS t VALUES (%s, 0) ON CONFLICT (id) DO UPDATE SET n = t.n + 1", [key]
            )

    def _half(self, connection: psycopg.Connection) -> None:
        """Do something, and take back what is done after it."""
        self._update(connection)
        with connection.transaction(force_rollback=True):
            self._delete(connection)
            self._update_large(connection)


class Mover(_Thread):
    """Moves rows between shards: two transactions on two servers, in either order, with updates between them."""

    def __init__(self, urls: Mapping[int, str], schema: str, seed: str, rate: float) -> None:
        super().__init__(f"load-{schema}-mover", f"{seed} mover")
        self._urls, self._schema, self._rate = urls, schema, rate
        self._at: dict[int, int] = {}
        self._next = 1

    def work(self) -> Iterator[float]:
        with contextlib.ExitStack() as stack:
            shards = {
                number: stack.enter_context(psycopg.connect(url, autocommit=True, connect_timeout=5))
                for number, url in self._urls.items()
            }
            for connection in shards.values():
                connection.execute(f"SET search_path = {self._schema}")
            self._find(shards)
            while True:
                chance = self.random.random()
                if len(self._at) < 10 or (chance < 0.1 and len(self._at) < 200):
                    self._bear(shards)
                elif chance < 0.7:
                    self._move(shards)
                else:
                    self._touch(shards)
                self.committed += 1
                yield self.random.expovariate(self._rate)

    def _find(self, shards: Mapping[int, psycopg.Connection]) -> None:
        """Learn where rows are; one that a death has left on two shards stays on one."""
        self._at.clear()
        for number, connection in shards.items():
            for (key,) in connection.execute("SELECT id FROM roamers").fetchall():
                if key in self._at:
                    connection.execute("DELETE FROM roamers WHERE id = %s", [key])
                else:
                    self._at[key] = number
                self._next = max(self._next, key + 1)

    def _bear(self, shards: Mapping[int, psycopg.Connection]) -> None:
        number = self.random.choice([*shards])
        body = self.random.randbytes(_LARGE).hex() if self.random.random() < 0.4 else None
        shards[number].execute("INSERT INTO roamers VALUES (%s, 'born', %s, 0)", [self._next, body])
        self._at[self._next] = number
        self._next += 1
        self.done["born"] += 1

    def _touch(self, shards: Mapping[int, psycopg.Connection]) -> None:
        key = self.random.choice([*self._at])
        shards[self._at[key]].execute("UPDATE roamers SET hops = hops + 1, name = 'touched' WHERE id = %s", [key])
        self.done["touched"] += 1

    def _move(self, shards: Mapping[int, psycopg.Connection]) -> None:
        key = self.random.choice([*self._at])
        old = self._at[key]
        new = self.random.choice([number for number in shards if number != old])
        row = shards[old].execute("SELECT id, name, body, hops + 1 FROM roamers WHERE id = %s", [key]).fetchone()
        assert row is not None
        first = self.random.random() < 0.5
        if first:
            shards[new].execute("INSERT INTO roamers VALUES (%s, %s, %s, %s)", row)
            if self.random.random() < 0.5:
                shards[new].execute("UPDATE roamers SET name = 'both here and there' WHERE id = %s", [key])
            if self.random.random() < 0.2:
                shards[old].execute("UPDATE roamers SET name = 'left behind' WHERE id = %s", [key])
        shards[old].execute("DELETE FROM roamers WHERE id = %s", [key])
        if not first:
            shards[new].execute("INSERT INTO roamers VALUES (%s, %s, %s, %s)", row)
        self._at[key] = new
        self.done["moved"] += 1


class Load:
    """All that changes rows on all shards."""

    def __init__(self, urls: Mapping[int, str], schema: str, seed: str, features: Features, rate: float = 12.0) -> None:
        self._urls, self._schema = urls, schema
        self._marks = 0
        self.threads: list[_Thread] = [
            *(Writer(url, schema, number, seed=seed, features=features, rate=rate) for number, url in urls.items()),
            Mover(urls, schema, seed, rate / 2),
        ]

    def start(self) -> None:
        for thread in self.threads:
            thread.start()

    def end(self) -> None:
        for thread in self.threads:
            thread.end()

    @property
    def committed(self) -> int:
        """Transactions committed so far, on all shards."""
        return sum(thread.committed for thread in self.threads)

    @property
    def interrupted(self) -> int:
        """How often a shard went away under the load."""
        return sum(thread.interrupted for thread in self.threads)

    def done(self) -> dict[str, int]:
        """Count what was done, by kind."""
        return dict(sum((thread.done for thread in self.threads), Counter()))

    def check(self) -> None:
        """Raise what stopped a thread."""
        for thread in self.threads:
            if thread.failure is not None:
                raise AssertionError("the load itself failed") from thread.failure

    @contextlib.contextmanager
    def quiet(self, patience: float = 60.0) -> Iterator[int]:
        """Pause everything and leave a mark on each shard, the last of its changes; go on afterwards.

        Gives the mark's number.
        """
        for thread in self.threads:
            thread.pause()
        give_up = time.monotonic() + patience
        for thread in self.threads:
            assert thread.idle.wait(max(0.1, give_up - time.monotonic())), "the load does not come to rest"
        self.check()
        self._heal()
        self._marks += 1
        for number, url in self._urls.items():
            with psycopg.connect(url, autocommit=True) as connection:
                connection.execute(f"UPDATE {self._schema}.markers SET n = %s WHERE id = %s", [self._marks, number])
        try:
            yield self._marks
        finally:
            for thread in self.threads:
                thread.resume()

    def _heal(self) -> None:
        """End the moves that a shard's death has cut in two, so that each row is on one shard."""
        with contextlib.ExitStack() as stack:
            seen: set[int] = set()
            for url in self._urls.values():
                connection = stack.enter_context(psycopg.connect(url, autocommit=True))
                twice = [key for (key,) in connection.execute(f"SELECT id FROM {self._schema}.roamers") if key in seen]
                connection.execute(f"DELETE FROM {self._schema}.roamers WHERE id = ANY (%s)", [twice])
                seen |= {key for (key,) in connection.execute(f"SELECT id FROM {self._schema}.roamers")}

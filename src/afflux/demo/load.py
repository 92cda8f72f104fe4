"""The live load: one writer a shard changes rows in transactions of several statements, some of them rolled back."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from random import Random
from typing import Any

import psycopg
from psycopg import sql

from afflux.demo.shop import CUSTOMERS, ORDERS, TABLES, Goods
from afflux.errors import SourceError
from afflux.sinks.batch import TableName

INSERTED, UPDATED, DELETED, REKEYED = "inserts", "updates", "deletes", "new keys"
_ROLLED_BACK = 0.06
"""The share of transactions that are rolled back."""
_DEBT_SECONDS = 0.5
"""How much a writer that was held up hurries afterwards."""
_LEAVE_SECONDS = 10.0


@dataclass(frozen=True)
class LastWord:
    """The last change of a shard's table: when it is in the target, all before it is, for they come in order."""

    shard: str
    table: TableName
    key: int
    updated_at: datetime


class Writer:
    """Changes the rows of one shard until it is stopped.

    Args:
        shard: the shard's name.
        url: its database, as the tables' owner.
        rate: row changes a second to keep to.
    """

    def __init__(self, shard: str, url: str, rate: float) -> None:
        self.shard = shard
        self.committed: Counter[str] = Counter()
        """Row changes that were committed, by kind."""
        self.rolled_back = 0
        """Row changes that were taken back."""
        self.first_commit = self.last_commit = 0.0
        """When, in seconds since 1970; 0 before there was one."""
        self.last_words: list[LastWord] = []
        self.failure: psycopg.Error | None = None
        self._url, self._rate = url, rate
        self._random = Random(shard)  # noqa: S311 - made-up goods
        self._goods = Goods(self._random)
        self._customers: list[int] = []
        self._orders: list[int] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"load-{shard}", daemon=True)
        self._kinds: Mapping[Callable[[psycopg.Connection], Counter[str]], float] = {
            self._buy: 30,
            self._join: 10,
            self._proceed: 35,
            self._change_taste: 10,
            self._cancel: 10,
            self._leave: 2,
            self._renumber: 3,
        }

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Ask for the end, which comes after the transaction under way and the last words."""
        self._stop.set()

    def join(self) -> None:
        """Wait for the end."""
        self._thread.join(_LEAVE_SECONDS)

    def _run(self) -> None:
        try:
            with psycopg.connect(self._url, autocommit=True, application_name="afflux-demo") as connection:
                self._customers = [row[0] for row in connection.execute("SELECT id FROM customers ORDER BY id")]
                self._orders = [row[0] for row in connection.execute("SELECT id FROM orders ORDER BY id")]
                due = time.monotonic()
                while not self._stop.wait(max(0.0, due - time.monotonic())):
                    changes = self._transact(connection)
                    due = max(due + changes / self._rate, time.monotonic() - _DEBT_SECONDS)
                self.last_words = [self._say(connection, table) for table in TABLES]
        except psycopg.Error as error:
            self.failure = error

    def _transact(self, connection: psycopg.Connection) -> int:
        doomed = self._random.random() < _ROLLED_BACK
        (kind,) = self._random.choices([*self._kinds], [*self._kinds.values()])
        known = len(self._customers), len(self._orders)
        with connection.transaction(force_rollback=doomed):
            changes = kind(connection)
        if doomed:
            del self._customers[known[0] :], self._orders[known[1] :]
            self.rolled_back += changes.total()
        else:
            self.committed = self.committed + changes  # a new one, for others read it meanwhile
            self.last_commit = time.time()
            self.first_commit = self.first_commit or self.last_commit
        return changes.total()

    # --- what happens in a shop; keys that are gone by a roll-back or with their customer are simply not found ---

    def _buy(self, connection: psycopg.Connection, customer: int | None = None) -> Counter[str]:
        buyer = customer or self._random.choice(self._customers)
        amount = self._random.randrange(1, 4)
        for _ in range(amount):
            self._orders.append(_insert(connection, ORDERS, "placed_at", self._goods.order(buyer)))
        return Counter({INSERTED: amount, UPDATED: _update(connection, CUSTOMERS, buyer, {"vip": True})})

    def _join(self, connection: psycopg.Connection) -> Counter[str]:
        customer = _insert(connection, CUSTOMERS, "created_at", self._goods.customer())
        self._customers.append(customer)
        return Counter({INSERTED: 1}) + self._buy(connection, customer)

    def _proceed(self, connection: psycopg.Connection) -> Counter[str]:
        orders = self._random.choices(self._orders, k=self._random.randrange(1, 5))
        return Counter({UPDATED: sum(_update(connection, ORDERS, key, self._goods.progress()) for key in orders)})

    def _change_taste(self, connection: psycopg.Connection) -> Counter[str]:
        customer = self._random.choice(self._customers)
        return Counter({UPDATED: _update(connection, CUSTOMERS, customer, self._goods.taste())})

    def _cancel(self, connection: psycopg.Connection) -> Counter[str]:
        keys = [self._any(self._orders) for _ in range(self._random.randrange(1, 4))]
        return Counter({DELETED: connection.execute("DELETE FROM orders WHERE id = ANY (%s)", [keys]).rowcount})

    def _leave(self, connection: psycopg.Connection) -> Counter[str]:
        customer = self._any(self._customers)
        orders = connection.execute("DELETE FROM orders WHERE customer_id = %s", [customer]).rowcount
        return Counter(
            {DELETED: orders + connection.execute("DELETE FROM customers WHERE id = %s", [customer]).rowcount}
        )

    def _renumber(self, connection: psycopg.Connection) -> Counter[str]:
        found = connection.execute(
            "UPDATE orders SET id = nextval(pg_get_serial_sequence('orders', 'id')), updated_at = clock_timestamp() "
            "WHERE id = %s RETURNING id",
            [self._any(self._orders)],
        ).fetchall()
        self._orders.extend(row[0] for row in found)
        return Counter({REKEYED: len(found)})

    def _any(self, keys: list[int]) -> int:
        """Take a key out of a list."""
        place = self._random.randrange(len(keys))
        keys[place], keys[-1] = keys[-1], keys[place]
        return keys.pop()

    def _say(self, connection: psycopg.Connection, table: TableName) -> LastWord:
        statement = sql.SQL(
            "UPDATE {0} SET updated_at = clock_timestamp() WHERE id = (SELECT max(id) FROM {0}) RETURNING id, updated_at"
        ).format(sql.Identifier(*table))
        ((key, updated_at),) = connection.execute(statement).fetchall()
        self.committed = self.committed + Counter({UPDATED: 1})
        return LastWord(self.shard, table, key, updated_at)


class Load:
    """The writers of all shards.

    Args:
        rate: row changes a second of each writer.
    """

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self.writers: dict[str, Writer] = {}

    def begin(self, shard: str, url: str) -> None:
        """Start a shard's writer."""
        self.writers[shard] = Writer(shard, url, self._rate)
        self.writers[shard].start()

    def check(self) -> None:
        """Raise what stopped a writer.

        Raises:
            SourceError: a shard refused a change.
        """
        for writer in self.writers.values():
            if writer.failure is not None:
                reason = str(writer.failure).strip().splitlines()[0]
                raise SourceError(f"shard {writer.shard}: the load can't go on: {reason}")

    def stop(self) -> None:
        """Stop all writers."""
        for writer in self.writers.values():
            writer.stop()
        for writer in self.writers.values():
            writer.join()

    def end(self) -> list[LastWord]:
        """Stop all writers, and return the last change of each shard's tables."""
        self.stop()
        self.check()
        return [word for writer in self.writers.values() for word in writer.last_words]

    def total(self) -> Counter[str]:
        """Return the row changes committed on all shards, by kind."""
        return sum((writer.committed for writer in self.writers.values()), Counter())


def _insert(connection: psycopg.Connection, table: TableName, began: str, row: Mapping[str, Any]) -> int:
    statement = sql.SQL(
        "INSERT INTO {} ({}, {}, updated_at) VALUES ({}, clock_timestamp(), clock_timestamp()) RETURNING id"
    ).format(
        sql.Identifier(*table),
        sql.SQL(", ").join(map(sql.Identifier, row)),
        sql.Identifier(began),
        sql.SQL(", ").join(map(sql.Placeholder, row)),
    )
    ((key,),) = connection.execute(statement, row).fetchall()
    return int(key)


def _update(connection: psycopg.Connection, table: TableName, key: int, values: Mapping[str, Any]) -> int:
    """Change a row; return how many there were."""
    sets = [sql.SQL("{} = {}").format(sql.Identifier(name), sql.Placeholder(name)) for name in values]
    statement = sql.SQL("UPDATE {} SET {}, updated_at = clock_timestamp() WHERE id = {}").format(
        sql.Identifier(*table), sql.SQL(", ").join(sets), sql.Placeholder("id")
    )
    return connection.execute(statement, {**values, "id": key}).rowcount

"""What workers write into while faults are played, as the judge and the faults know it."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg

from afflux.errors import SinkError
from afflux.sinks import make_state
from afflux.sinks.batch import TableName
from afflux.sinks.delta.ledger import ASIDE, TABLES, Ledger
from afflux.sinks.delta.store import Store
from afflux.sinks.delta.tables import place
from afflux.sinks.reference.settle import KIND, Kind
from afflux.sinks.state import LetterFilter, LetterHead, LetterState, SinkState, Standing
from afflux.stack import Addresses
from afflux.topology.load import load
from afflux.topology.names import consumer_group
from afflux.verify.compare import Sides
from afflux.verify.lake import Lake as LakeSides
from stores.served import Served


class Ground(ABC):
    """A target.

    Args:
        addresses: of the stack.
        name: the topology's; also the schema's in the target.
        topology: one that has it as its sink.
    """

    def __init__(self, addresses: Addresses, name: str, topology: Path) -> None:
        self.addresses, self.name, self._topology = addresses, name, topology

    @property
    def port(self) -> int:
        """Of the server that workers reach by proxies."""
        return int(psycopg.conninfo.conninfo_to_dict(self.addresses.warehouse_url)["port"] or 0)

    @abstractmethod
    def sink(self, port: int) -> dict[str, Any]:
        """Give the sink's part of a topology.

        Args:
            port: of the proxy that a worker reaches the warehouse by.
        """

    def environment(self, port: int) -> dict[str, str]:  # noqa: ARG002 - for those who have any
        """Give what a worker has in its environment; `port` is as in `sink`."""
        return {}

    @abstractmethod
    @contextmanager
    def sides(self) -> Iterator[psycopg.Connection | Sides]:
        """Give what a comparison reads."""

    @abstractmethod
    def rows(self, table: str, *columns: str) -> list[tuple[Any, ...]]:
        """Give some columns of a table's rows; nothing where there is no such table."""

    @abstractmethod
    def contested(self) -> int:
        """Count the rows that another shard's hide."""

    def positions(self) -> list[Standing]:
        """Give where the sink stands; nothing where it has not begun."""
        with self._state() as state, suppress(SinkError):
            return state.positions()
        return []

    def stands(self) -> int:
        """Add the positions up."""
        return sum(standing.next_offset for standing in self.positions())

    def owners(self) -> set[int]:
        """Give the pids of the processes that hold partitions."""
        return {int(standing.owner.rpartition(":")[2]) for standing in self.positions()}

    def stopped(self) -> dict[str, str]:
        """Give the topics that are not read on, with the reasons."""
        with self._state() as state:
            return {stop.topic: stop.reason for stop in state.stops()}

    def letters(self, topic: str = "", state: str = "") -> list[LetterHead]:
        """Give dead letters: of a topic, and in a state, or all of them."""
        wanted = LetterFilter([LetterState(state)] if state else None, [topic] if topic else None)
        with self._state() as kept:
            return kept.letters(wanted)

    @contextmanager
    def _state(self) -> Iterator[SinkState]:
        topology = load(self._topology)
        (sink,) = topology.sinks
        with closing(make_state(sink, topology.name, consumer_group(topology, sink))) as state:
            yield state


class Warehouse(Ground):
    """PostgreSQL."""

    def sink(self, port: int) -> dict[str, Any]:
        login = f"afflux:${{file:{self.addresses.secrets}:warehouse_password}}"
        url = f"postgresql://{login}@127.0.0.1:{port}/dw"
        return {"name": "warehouse", "type": "postgresql", "url": url, "batch": {"seconds": 0.1}}

    @contextmanager
    def sides(self) -> Iterator[psycopg.Connection | Sides]:
        with self._connected() as target:
            yield target

    def rows(self, table: str, *columns: str) -> list[tuple[Any, ...]]:
        with self._connected() as target:
            there = target.execute("SELECT to_regclass(%s)", [f"{self.name}.{table}"]).fetchone() != (None,)
            return target.execute(f"SELECT {', '.join(columns)} FROM {self.name}.{table}").fetchall() if there else []

    def contested(self) -> int:
        with self._connected() as target:
            statement = "SELECT count(*) FROM afflux.contested WHERE topology = %s"
            ((count,),) = target.execute(statement, [self.name]).fetchall()
            return int(count)

    def _connected(self) -> psycopg.Connection:
        return psycopg.connect(self.addresses.warehouse_url, autocommit=True)


class Lake(Ground):
    """Delta tables."""

    def __init__(self, addresses: Addresses, name: str, topology: Path, store: Store) -> None:
        super().__init__(addresses, name, topology)
        self.store = store

    def sink(self, port: int) -> dict[str, Any]:  # noqa: ARG002 - no server is reached
        return {"name": "lake", "type": "delta", "path": self.store.path, "batch": {"seconds": 0.1}}

    @contextmanager
    def sides(self) -> Iterator[psycopg.Connection | Sides]:
        yield LakeSides(self.store)

    def rows(self, table: str, *columns: str) -> list[tuple[Any, ...]]:
        found = self.store.open(place(TableName(self.name, table)))
        return self.store.scan(found).select(*columns).collect().rows() if found else []

    def contested(self) -> int:
        ledger = Ledger(self.store, self.name, f"afflux.{self.name}.lake")
        places = ledger.others(TABLES).items() if ledger.open(make=False) else ()
        aside = [self.store.open(place) for place, mode in places if mode == ASIDE]
        kinds = [self.store.scan(table).select(KIND).collect()[KIND] for table in aside if table is not None]
        return sum(int((kind == Kind.CONTESTED).sum()) for kind in kinds)


class Bucket(Lake):
    """Delta tables in an object store."""

    def __init__(self, addresses: Addresses, name: str, topology: Path, server: Served) -> None:
        os.environ["CHAOS_STORE_SECRET"] = server.secret  # for the workers
        self._server = server
        super().__init__(addresses, name, topology, Store(f"{server.path}/{name}", server.options()))

    @property
    def port(self) -> int:
        return self._server.port

    def sink(self, port: int) -> dict[str, Any]:
        options = self._server.options(port) | {self._server.secret_option: "${env:CHAOS_STORE_SECRET}"}
        return super().sink(port) | {"storage_options": options}

    def environment(self, port: int) -> dict[str, str]:
        return self._server.environment(port)

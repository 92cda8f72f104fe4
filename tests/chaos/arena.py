"""Where a fault is played: one topology on a stack, under load, with its workers, each behind a proxy of its own."""

import itertools
import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from random import Random
from signal import SIGCONT

from afflux.control import Extent, apply_topology, remove
from afflux.sinks.delta.store import Store
from afflux.stack import Stack
from afflux.topology.load import load_resolved
from chaos.ground import Bucket, Ground, Lake, Warehouse
from chaos.judge import Judge
from chaos.load import TABLES, Features, Load, make_tables
from chaos.proxy import Proxy
from chaos.waiting import wait_for
from chaos.worker import Worker
from stores.served import Served

TOPOLOGY = """\
name: {name}
kafka:
  bootstrap_servers: "{kafka}"
  topics: {{partitions: {partitions}}}
  properties: {{session.timeout.ms: 6000, heartbeat.interval.ms: 1000{properties}}}
registry: {{url: "{registry}"}}
connect: {{url: "{connect}"}}
source:
  database: app
  user: cdc
  password: "${{file:{secrets}:cdc_password}}"
  names: {{topic_prefix: "{{name}}-{{shard}}"}}
  config: {{heartbeat.interval.ms: 3000}}
  shards:
{shards}
tables:
{tables}
  - source: '{name}\\..*'
transforms:
  - {{type: RegexRouter, regex: '{name}-shard[0-9]+\\.(.*)', replacement: '$1'}}
sinks: [{sink}]
"""
SHARDS = 2
_WORKERS = 4
"""Places for workers: two that a configuration may have, and two that join and leave."""


class Arena:
    """One topology, set up and under load.

    Args:
        stack: runs, with two shards at least.
        folder: for topologies and logs.
        name: the topology's, the tables' schema's, and the target schema's.
        partitions: of each table's topic.
        seed: what all chance comes from.
        lake: where workers write Delta tables, a folder or an object store; without it they write into the stack's
            warehouse.
    """

    def __init__(
        self, stack: Stack, folder: Path, name: str, *, partitions: int, seed: str, lake: Path | Served | None = None
    ) -> None:
        self.stack, self.name, self.partitions = stack, name, partitions
        self.addresses = stack.addresses()
        self.random = Random(seed)
        self.staff = 1
        """How many workers run between faults."""
        self.stopped: frozenset[str] = frozenset()
        """The topics that faults have stopped for good."""
        self.spoilt = False
        """Whether the last fault has not ended well, so that nothing more can be learnt here."""
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        topology = folder / f"{name}-ground.yaml"
        self.ground = self._ground(topology, lake)
        self.proxies = [Proxy("127.0.0.1", self.ground.port) for _ in range(_WORKERS)]
        topology.write_text(self._topology(self.ground.port))
        self.workers = [
            Worker(f"{name}-worker{n}", self._write_topology(n), folder / f"{name}-worker{n}.log")
            for n in range(_WORKERS)
        ]
        for worker in self.workers:
            worker.environment = self.ground.environment(self.proxy(worker).port)
        self.shards = {n: shard.admin_url for n, shard in enumerate(self.addresses.shards[:SHARDS])}
        features = Features(large_keys=True, truncates=True)
        self.load = Load(self.shards, name, seed, features)
        self.judge = Judge(self)

    # --- the whole ------------------------------------------------------------------------------

    def open(self) -> None:
        """Make tables and connectors, start the load and the first worker."""
        for number, url in self.shards.items():
            make_tables(url, self.name, number)
        self.apply()
        self.load.start()
        self.restore()
        self.progress()

    def close(self) -> None:
        """End the load, the workers, the proxies and the connectors. The stack stays."""
        self.load.end()
        for worker in self.workers:
            worker.kill()
        for proxy in self.proxies:
            proxy.close()
        remove(load_resolved(self.workers[0].topology), None, Extent(slot=True, publication=True, offsets=True))

    def apply(self) -> None:
        """`connectors apply`."""
        report = apply_topology(load_resolved(self.workers[0].topology))
        assert report.ok, [outcome for outcome in report.outcomes if not outcome.done] or [*report.statuses]

    def restore(self) -> None:
        """See that every part of the stack runs, and as many workers as between faults."""
        for part in self.parts():
            self.stack.start(part)
        for number, worker in enumerate(self.workers):
            if worker.alive:
                worker.send(SIGCONT)
            if number < self.staff and not worker.alive:
                worker.start()
            elif number >= self.staff and worker.alive:
                self.leave(worker)
        self.load.check()

    def staff_to(self, count: int) -> None:
        """Have so many workers from now on, each with partitions."""
        self.staff = count
        self.restore()
        self.await_shares()

    # --- its people -----------------------------------------------------------------------------

    @property
    def staffed(self) -> list[Worker]:
        """The workers that run between faults."""
        return self.workers[: self.staff]

    @property
    def spares(self) -> list[Worker]:
        """The workers that do not."""
        return self.workers[self.staff :]

    def victim(self) -> Worker:
        """Choose one of the workers."""
        return self.random.choice(self.staffed)

    def proxy(self, worker: Worker) -> Proxy:
        """Give the proxy that a worker reaches the target by."""
        return self.proxies[self.workers.index(worker)]

    def leave(self, worker: Worker) -> None:
        """Let a worker finish and leave.

        Raises:
            AssertionError: it did not leave in good order.
        """
        code = worker.leave()
        assert code == 0, f"{worker.name} left with {code}\n{worker.tail()}"

    def begin(self, worker: Worker, fault: str, properties: Mapping[str, str | int] | None = None) -> None:
        """Put a process with a prepared fault in a worker's place."""
        if worker.alive:
            self.leave(worker)
        self._write_topology(self.workers.index(worker), properties or {})
        worker.start(fault)

    # --- what is awaited ------------------------------------------------------------------------

    def progress(self, patience: float = 120) -> None:
        """Wait until changes made from now on are in the target: somebody works."""
        before = self.ground.stands()
        looks = itertools.count(1)

        def moved() -> bool:
            self.check()
            if next(looks) % 50 == 0:  # it takes more than 5 s: perhaps all connectors have failed
                self.judge.restart_failed()
            return self.ground.stands() > before

        wait_for(moved, patience, lambda: f"progress\n{self.tails()}")

    def await_shares(self, *guests: Worker) -> None:
        """Wait until every worker has partitions."""
        for worker in (*self.staffed, *guests):
            wait_for(worker.holds, 150, lambda: f"partitions for every worker\n{self.tails()}")

    def go_on(self, transactions: int = 5, patience: float = 30) -> None:
        """Wait until the load has committed some more."""
        before = self.load.committed
        wait_for(lambda: self.load.committed >= before + transactions, patience, "the load")
        self.load.check()

    def check(self) -> None:
        """See that the load goes on, and that no worker that should run has ended by itself."""
        self.load.check()
        for worker in self.staffed:
            assert worker.alive, f"{worker.name} has ended\n{worker.tail()}"

    def last(self, seconds: float) -> None:
        """Let a state last, where its length is what is tried; the load goes on if it can."""
        give_up = time.monotonic() + seconds
        wait_for(lambda: time.monotonic() >= give_up, seconds + 5, "time")
        self.load.check()

    def parts(self) -> list[str]:
        """Name the parts of the stack."""
        return [
            "kafka",
            "registry-db",
            "registry",
            *(f"connect-{n}" for n in range(len(self.addresses.connect))),
            *(f"shard{n}" for n in range(len(self.addresses.shards))),
            "warehouse",
        ]

    def tails(self) -> str:
        """Give the ends of all workers' logs, for messages."""
        return "\n".join(worker.tail() for worker in self.workers if worker.log.exists())

    def _ground(self, topology: Path, lake: Path | Served | None) -> Ground:
        match lake:
            case None:
                return Warehouse(self.addresses, self.name, topology)
            case Served():
                return Bucket(self.addresses, self.name, topology, lake)
        return Lake(self.addresses, self.name, topology, Store(str(lake)))

    def _write_topology(self, number: int, properties: Mapping[str, str | int] | None = None) -> Path:
        more = "".join(f", {key}: {value}" for key, value in (properties or {}).items())
        path = self._folder / f"{self.name}-worker{number}.yaml"
        path.write_text(self._topology(self.proxies[number].port, more))
        return path

    def _topology(self, port: int, properties: str = "") -> str:
        shards = [
            f"    - {{name: {shard.name}, host: {shard.host}, port: {shard.port}}}"
            for shard in self.addresses.shards[:SHARDS]
        ]
        tables = [
            f"  - {{source: {self.name}.{table}, mode: {keeping.mode}, deletes: {'soft' if keeping.soft else 'hard'}}}"
            for table, keeping in TABLES.items()
        ]
        return TOPOLOGY.format(
            name=self.name,
            kafka=self.addresses.kafka,
            partitions=self.partitions,
            properties=properties,
            registry=self.addresses.registry,
            connect=self.addresses.connect[0],
            secrets=self.addresses.secrets,
            shards="\n".join(shards),
            tables="\n".join(tables),
            sink=json.dumps(self.ground.sink(port)),
        )


@contextmanager
def opened(arena: Arena) -> Iterator[Arena]:
    """Open an arena, and close it in the end, also where it could not be opened whole."""
    try:
        arena.open()
        yield arena
    finally:
        arena.close()

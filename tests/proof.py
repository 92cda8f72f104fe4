"""A topology under load whose watermarks are watched: two shards that are written to, an idle one, and two workers."""

import signal
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psycopg
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient  # type: ignore[attr-defined]  # the library re-exports without saying so

from afflux.clients.connect import Connect
from chaos.waiting import wait_for
from chaos.worker import Worker
from estate import PATIENCE, Estate
from witness import MAKE, TABLES, Observer, Witness, Writer

WRITERS = 3
"""On each shard that is written to."""
HONEST = ("-m", "afflux")
"""The program that workers are."""
BUSY = ("shard0", "shard1")
SHARDS = (*BUSY, "shard2")


class Proof:
    """What was committed and what the target said, over any number of loads.

    Args:
        home: a topology of three shards, without tables.
        folder: for the second worker's log.
    """

    def __init__(self, home: Estate, folder: Path) -> None:
        self.home = home
        self.second = Worker("second", home.path, folder / "second.log")
        self.workers = (home.daemon, self.second)
        self.witness = Witness()
        self.observer = Observer(home.addresses.warehouse_url, home.name)
        self.connect = Connect(home.addresses.connect[0])
        self._writers = 0
        self._loading: list[Writer] = []

    def open(self) -> None:
        """Make tables and connectors, and wait for the first watermark of each shard."""
        self.home.sql(*(MAKE.format(table=table) for table in (*TABLES, "idle")))
        self.home.sql("INSERT INTO $.idle SELECT n, 0 FROM generate_series(1, 10) n")
        self.home.apply()
        for worker in self.workers:
            worker.start()
        self.await_holders()
        self.await_watermarks(0.0)

    def replace(self, program: tuple[str, ...]) -> None:
        """Put processes of another program in the workers' place, unless they are its."""
        for worker in self.workers:
            if worker.program == program:
                continue
            worker.leave()
            worker.program = program
            worker.start()
        self.await_holders()

    def close(self) -> None:
        """End what runs."""
        for worker in self.workers:
            if worker.alive:
                worker.send(signal.SIGCONT)
            worker.kill()
        self.observer.stop.set()
        if self.observer.is_alive():
            self.observer.join(30)

    @contextmanager
    def load(self, rest: float = 0.01) -> Iterator[None]:
        """Write and watch; in the end, wait until every watermark is beyond the last commit."""
        busy = [address for address in self.home.addresses.shards if address.name in BUSY] * WRITERS
        writers = [
            Writer(address.admin_url, self.home.name, address.name, number, rest)
            for number, address in enumerate(busy, self._writers)
        ]
        self._writers += len(writers)
        self._loading = writers
        self.observer = Observer(self.home.addresses.warehouse_url, self.home.name)
        for thread in (*writers, self.observer):
            thread.start()
        try:
            yield
        finally:
            for writer in writers:
                writer.stop.set()
            for writer in writers:
                writer.join(30)
                self.witness.tell(writer.log)
        self.await_watermarks(time.time())
        self.observer.stop.set()
        self.observer.join(30)

    def broken(self, ahead: float = 0.0) -> list[str]:
        """Say where a watermark said more than the target held, while the last load was watched."""
        return [line for sight in self.observer.sights for line in self.witness.broken(sight, ahead)]

    def watermarks(self) -> dict[str, float]:
        """Give the watermarks there are."""
        with suppress(psycopg.errors.UndefinedTable):
            rows = self.home.target(
                "SELECT shard, extract(epoch FROM watermark)::float8 FROM afflux.watermarks "
                "WHERE topology = '$' AND watermark IS NOT NULL"
            )
            return dict(rows)
        return {}

    def await_watermarks(self, beyond: float, *shards: str, patience: float = PATIENCE) -> None:
        """Wait until the watermarks of some shards, or of all, are beyond a time."""

        def there() -> bool:
            self.check()
            known = self.watermarks()
            return all(known.get(shard, 0.0) > beyond for shard in shards or SHARDS)

        wait_for(there, patience, lambda: f"watermarks beyond {beyond}: {self.watermarks()}\n{self.tails()}")

    def await_commit(self, shard: str, table: str, after: float) -> float:
        """Wait for a row that the load has changed after a time; gives when it was acknowledged."""

        def times() -> list[float]:
            logs = (log for writer in self._loading for log in list(writer.log))
            return [change.acknowledged for row, change in logs if row[:2] == (shard, table)]

        wait_for(lambda: max(times(), default=0.0) > after, PATIENCE, f"a change of {table} on {shard}")
        return min(time for time in times() if time > after)

    def pause(self, shard: str) -> float:
        """Pause a shard's connector, and return when it had paused."""
        name = f"{self.home.name}-{shard}"
        self.connect.change_state(name, "pause")

        def paused() -> bool:
            status = self.connect.status(name)
            return status is not None and [task.state for task in status.tasks] == ["PAUSED"]

        wait_for(paused, PATIENCE, f"{name} to pause")
        return time.time()

    def go_on(self, shard: str) -> None:
        """Let a paused connector go on."""
        self.connect.change_state(f"{self.home.name}-{shard}", "resume")

    def forget(self, topics: Iterable[str]) -> None:
        """Let Kafka delete all that is in topics, as their retention would."""
        ends = self.home.kafka.end_offsets(topics)
        admin = AdminClient({"bootstrap.servers": self.home.addresses.kafka})
        places = [TopicPartition(topic, number, end) for (topic, number), end in ends.items()]
        for deleted in admin.delete_records(places).values():
            deleted.result(30)

    def freeze(self, worker: Worker) -> float:
        """Freeze a worker, and return when it was frozen."""
        worker.send(signal.SIGSTOP)
        wait_for(worker.frozen, PATIENCE, f"{worker.name} to freeze")
        return time.time()

    def tails(self) -> str:
        """Give the ends of the workers' logs, for messages."""
        return "\n".join(worker.tail() for worker in self.workers)

    def check(self) -> None:
        """See that no worker has ended by itself."""
        for worker in self.workers:
            assert worker.alive, f"{worker.name} has ended\n{worker.tail()}"

    def holder(self, shard: str, table: str = "") -> int:
        """Give the pid of the worker that holds a shard's table, or its heartbeats."""
        number = int(shard.removeprefix("shard"))
        topic = self.home.topic(table, number) if table else f"{self.home.name}-{shard}.message"
        rows = self.home.target(f"SELECT owner FROM afflux.positions WHERE topology = '$' AND topic = '{topic}'")
        return int(rows[0][0].rpartition(":")[2]) if rows else 0

    def await_holders(self) -> None:
        """Wait until both workers hold partitions."""

        def both() -> bool:
            rows = self.home.target("SELECT DISTINCT owner FROM afflux.positions WHERE topology = '$'")
            return {worker.pid for worker in self.workers} == {int(owner.rpartition(":")[2]) for (owner,) in rows}

        wait_for(
            lambda: self.check() or (all(worker.holds() for worker in self.workers) and both()),
            PATIENCE,
            lambda: f"partitions for both workers\n{self.tails()}",
        )

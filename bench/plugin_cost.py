"""What afflux's Connect plugin costs: events a second of one connector with it and without it.

    python bench/plugin_cost.py --state .afflux --runs 5

Takes a running local stack (`afflux stack up`). Each run makes a connector, lets it snapshot a table, stops it,
updates half of the rows, lets it catch up, and removes it; runs with and without the plugin alternate. A second is counted in two ways: by the clock, between the times at which Kafka got the first and the
last event, and by the processor time of the Connect worker, which a busy machine disturbs less.
The last line on standard output is JSON; its ratios (with the plugin / without) are of the medians.
"""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import psycopg
import requests
from confluent_kafka import Consumer, TopicPartition
from psycopg import sql

from afflux.stack import Addresses, Stack

DATABASE = "plugin_cost"
TABLES = {
    "common": """
create table t (
    id bigint primary key, customer int not null, name varchar(80) not null, note text, amount numeric(12,2) not null,
    paid boolean default false, quantity int default 1, ratio float8, born date, changed timestamp(3),
    made timestamptz not null default now(), token uuid not null, details jsonb, tags text[]
);
insert into t select n, n % 1000, 'customer number ' || n, repeat('note ', n % 20), n / 100.0,
    case when n % 5 > 0 then n % 2 = 0 end, case when n % 7 > 0 then n % 9 end, n / 7.0, date '2000-01-01' + n % 9000,
    timestamp '2024-01-01' + n * interval '1.2 s', timestamptz '2024-01-01' + n * interval '1.234567 s',
    gen_random_uuid(), jsonb_build_object('n', n, 'text', 'some text', 'list', array[1, 2, 3]), array['a', 'b' || n]
from generate_series(1, %s) n
""",
    # Numbers that become text, and defaults that have to go: nothing else has the plugin more to do with.
    "hard": """
create table t (
    id bigint primary key, quantity int default 1, a boolean default true, b int default 3, c float8 default 1.5,
    d date, e date, f date, changed timestamp, g timestamp, h timestamp, i time, j time, k bytea
);
insert into t select n, n, null, n, n / 7.0, date '2000-01-01' + n % 9000, date '2000-01-01' + n % 900,
    date '1990-01-01' + n % 9000, timestamp '2024-01-01' + n * interval '1.2345 s',
    timestamp '2024-01-01' + n * interval '1 s', timestamp '2024-01-01' + n * interval '1.2 s',
    time '10:00' + n * interval '1 s', time '10:00' + n * interval '1.1 s', sha256(n::text::bytea)
from generate_series(1, %s) n
""",
}
UPDATE = "update t set quantity = quantity + 1, changed = now() where id > %s and id <= %s"
DROP_SLOT = "select pg_drop_replication_slot(slot_name) from pg_replication_slots where slot_name = %s"
STOCK = {
    "connector.class": "io.debezium.connector.postgresql.PostgresConnector",
    "plugin.name": "pgoutput",
    "publication.name": "all_tables",
    "publication.autocreate.mode": "disabled",
    "decimal.handling.mode": "string",
    "interval.handling.mode": "string",
    "time.precision.mode": "microseconds",
    "datatype.propagate.source.type": ".+",
    "include.unknown.datatypes": "true",
    "topic.creation.default.partitions": "1",
    "topic.creation.default.replication.factor": "1",
    "driver.binaryTransfer": "false",
}
PLUGIN = {
    "converters": "afflux",
    "afflux.type": "io.afflux.connect.ExactValues",
    "transforms": "afflux",
    "transforms.afflux.type": "io.afflux.connect.WithoutDefaults",
}
PATIENCE = 600


@dataclass
class Run:
    """Events a second: by the clock and by the worker's processor time, in the snapshot and in the stream."""

    snapshot: float
    stream: float
    snapshot_cpu: float
    stream_cpu: float


class Bench:
    """Runs connectors on one table of the stack's first shard."""

    def __init__(self, stack: Stack, table: str, rows: int) -> None:
        self.to: Addresses = stack.addresses()
        self.make = TABLES[table]
        self.rows = rows
        (pid,) = [part.pid for part in stack.status() if part.part == "connect-0"]
        self.worker = psutil.Process(pid)
        self.shard = self.to.shards[0].superuser_url
        self.database = self.shard.rpartition("/")[0] + "/" + DATABASE

    @contextmanager
    def table(self) -> Iterator[None]:
        """Make the database and its table, and drop them."""
        drop = sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(DATABASE))
        with psycopg.connect(self.shard, autocommit=True) as admin:
            admin.execute(drop)
            admin.execute(sql.SQL("create database {}").format(sql.Identifier(DATABASE)))
            try:
                with psycopg.connect(self.database, autocommit=True) as source:
                    source.execute(self.make.replace("%s", str(self.rows)))
                    source.execute("create publication all_tables for all tables")
                    source.execute("vacuum analyze t")
                yield
            finally:
                admin.execute(drop)

    def run(self, *, plugin: bool) -> Run:
        """Snapshot the table, then stream updates of half of it."""
        name = f"plugin_cost_{time.time_ns()}"
        url, topic = f"{self.to.connect[0]}/connectors/{name}", f"{name}.public.t"
        with psycopg.connect(self.database, autocommit=True) as source:
            try:
                requests.put(f"{url}/config", json=self._config(name, plugin=plugin), timeout=60).raise_for_status()
                snapshot, snapshot_cpu = self._measure(url, topic, 0, self.rows)
                requests.put(f"{url}/stop", timeout=60).raise_for_status()
                self._await_idle(source, name)
                for start in range(0, self.rows // 2, 1000):
                    source.execute(UPDATE, [start, start + 1000])
                requests.put(f"{url}/resume", timeout=60).raise_for_status()
                stream, stream_cpu = self._measure(url, topic, self.rows, self.rows // 2)
            finally:
                requests.delete(url, timeout=60)
                self._await_idle(source, name)
                source.execute(DROP_SLOT, [name])
        return Run(snapshot, stream, snapshot_cpu, stream_cpu)

    def _config(self, name: str, *, plugin: bool) -> dict[str, str]:
        to = urlsplit(self.database)
        return {
            **STOCK,
            **(PLUGIN if plugin else {}),
            "database.hostname": str(to.hostname),
            "database.port": str(to.port),
            "database.dbname": DATABASE,
            "database.user": str(to.username),
            "database.password": str(to.password),
            "topic.prefix": name,
            "slot.name": name,
        }

    def _measure(self, url: str, topic: str, first: int, count: int) -> tuple[float, float]:
        """Wait for `count` events, the first of them the `first` of the topic; give events a second, two ways."""
        consumer = Consumer(
            {"bootstrap.servers": self.to.kafka, "group.id": topic, "isolation.level": "read_committed"}
        )
        consumer.assign([TopicPartition(topic, 0, 0)])
        points: list[tuple[int, int, float]] = []  # events so far, Kafka's time of the last in ms, processor seconds
        seen = 0
        give_up = time.monotonic() + PATIENCE
        while seen < first + count:
            messages = [message for message in consumer.consume(5000, 0.2) if message.error() is None]
            seen += len(messages)
            if messages and seen > first:
                points.append((seen, messages[-1].timestamp()[1], sum(self.worker.cpu_times()[:2])))
            elif not messages:
                tasks = requests.get(f"{url}/status", timeout=10).json().get("tasks", [])
                if any(task["state"] == "FAILED" for task in tasks) or time.monotonic() > give_up:
                    sys.exit(f"{seen} of {first + count} events have come; {tasks}")
        consumer.close()
        (seen_before, ms_before, cpu_before), (seen, ms, cpu) = points[0], points[-1]
        events = seen - seen_before
        return events * 1000 / max(ms - ms_before, 1), events / max(cpu - cpu_before, 0.01)

    def _await_idle(self, source: psycopg.Connection, slot: str) -> None:
        query = "select 1 from pg_replication_slots where slot_name = %s and active"
        while source.execute(query, [slot]).fetchone():
            time.sleep(0.2)


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--state", type=Path, default=Path(".afflux"), help="the stack's state folder")
    parser.add_argument(
        "--table", choices=TABLES, default="common", help="of common types, or the hardest for the plugin"
    )
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--runs", type=int, default=5, help="of each kind; one more of each warms the worker up")
    asked = parser.parse_args()
    bench = Bench(Stack(asked.state), asked.table, asked.rows)
    runs: dict[bool, list[Run]] = {False: [], True: []}
    with bench.table():
        for number in range(asked.runs + 1):
            for plugin in (False, True) if number % 2 else (True, False):
                run = bench.run(plugin=plugin)
                print(f"{number} {'with   ' if plugin else 'without'} {run}", file=sys.stderr)
                if number > 0:
                    runs[plugin].append(run)
    result: dict[str, float] = {}
    for measure in vars(runs[True][0]):
        without, with_plugin = (
            statistics.median(getattr(run, measure) for run in runs[kind]) for kind in (False, True)
        )
        result |= {f"{measure}_without": round(without), f"{measure}_with": round(with_plugin)}
        result[f"{measure}_ratio"] = round(with_plugin / without, 3)
    print(json.dumps(result))


if __name__ == "__main__":
    main()

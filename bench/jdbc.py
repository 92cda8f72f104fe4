"""Events a second into PostgreSQL, beside Debezium's JDBC sink on the same topic in the same run.

    afflux stack up --shards 1 --jdbc-sink --state .afflux/bench
    python bench/jdbc.py --state .afflux/bench --rows 200000 --partitions 1 --runs 3

A real connector puts the changes of one table into a topic: its rows, then as many updates, with inserts and deletes
among them. Then `afflux run --until-caught-up`, the JDBC sink as `connectors apply` sets it up, and the JDBC sink tuned
for throughput (large batches, its reduction buffer, the driver's rewritten statements, a task a partition) take the
topic into tables of their own, by turns, so that all have the machine as busy. The first turn of each only warms the
servers up. Time runs from the moment at which the sink has its partitions until its last row can be read; processor
time is of the sink's process, and of the warehouse meanwhile. At the end all tables hold the shard's rows.
The last line on standard output is JSON, of medians.
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import psycopg
from sink_process import Cost, busy, resident, take

from afflux.clients.catalog import Relation
from afflux.clients.connect import Connect
from afflux.clients.topics import Topics
from afflux.control import Extent, apply_topology, remove
from afflux.control.seen.status import failed
from afflux.control.wanted.sink_settings import sink_config
from afflux.stack import Addresses, Stack
from afflux.topology.load import load_resolved
from afflux.topology.names import shard_names, sink_connector

TOPOLOGY = """\
name: {name}
kafka: {{bootstrap_servers: "{kafka}", topics: {{partitions: {partitions}}}}}
registry: {{url: "{registry}"}}
connect: {{url: "{connect}"}}
source:
  database: app
  user: cdc
  password: "${{file:{secrets}:cdc_password}}"
  names: {{topic_prefix: "{prefix}"}}
  shards: [{{name: shard0, host: {host}, port: {port}}}]
tables: [{{source: {prefix}.t}}]
transforms: [{{type: RegexRouter, regex: '{prefix}\\.{prefix}\\.(.*)', replacement: '{target}.$1'}}]
sinks: [{{name: warehouse, type: postgresql, url: "{warehouse}", {sink}}}]
"""
TABLE = """
create table {schema}.t (
    id bigint primary key, customer int not null, name varchar(80) not null, note text, amount numeric(12,2) not null,
    paid boolean, ratio float8, born date, made timestamptz not null, token uuid not null, details jsonb
)
"""
ROW = """
    n % 1000, 'customer number ' || n, repeat('note ', (n % 20)::int), n / 100.0,
    n % 2 = 0, n / 7.0, date '2000-01-01' + (n % 9000)::int, timestamptz '2024-01-01' + n * interval '1.234567 s',
    md5(n::text)::uuid, jsonb_build_object('n', n, 'text', 'some text', 'list', array[1, 2, 3])
"""
INSERT = f"insert into {{schema}}.t select n, {ROW} from generate_series({{first}}, {{last}}) n"
UPDATE = "update {schema}.t set customer = customer + 1, amount = amount + 1, note = 'changed' where id between {first} and {last}"
DELETE = "delete from {schema}.t where id between {first} and {last} and id % 20 = 0"
CONTENT = "select count(*), md5(string_agg(md5(t::text), '' order by id)) from (select id, customer, name, note, amount, paid, ratio, born, made, token, details from {schema}.t) t"
OTHERS = """
select count(*) from pg_stat_activity
where backend_type = 'client backend' and pid <> pg_backend_pid() and application_name like %s
"""
STEP = 1000
LAST = 1_000_000_000
"""Rows from here on are written last, enough of them that each partition has some."""
LAST_ROWS = 64
TUNED = {
    "batch.size": "5000",
    "use.reduction.buffer": "true",
    "consumer.override.max.poll.records": "5000",
    "consumer.override.fetch.min.bytes": "1000000",
    "consumer.override.fetch.max.wait.ms": "100",
}
REWRITE = "&reWriteBatchedInserts=true"
PATIENCE = 900.0


@dataclass(frozen=True)
class Bench:
    """One table of one shard, its topic, and a warehouse."""

    to: Addresses
    folder: Path
    name: str
    rows: int
    partitions: int
    worker: psutil.Process
    warehouse: psutil.Process

    def file(self, target: str, sink: str, name: str = "") -> Path:
        """Write a topology that leads the topic into a schema of the warehouse."""
        shard, port = self.to.shards[0], psycopg.conninfo.conninfo_to_dict(self.to.warehouse_url)["port"]
        text = TOPOLOGY.format(
            name=name or self.name,
            kafka=self.to.kafka,
            partitions=self.partitions,
            registry=self.to.registry,
            connect=self.to.connect[0],
            secrets=self.to.secrets,
            prefix=self.name,
            host=shard.host,
            port=shard.port,
            target=target,
            warehouse=f"postgresql://afflux:${{file:{self.to.secrets}:warehouse_password}}@127.0.0.1:{port}/dw?application_name={self.name}",
            sink=sink,
        )
        path = self.folder / f"{target}.yaml"
        path.write_text(text)
        return path

    @contextmanager
    def topic(self) -> Iterator[int]:
        """Have a connector put the changes into a topic; gives how many, and removes all in the end."""
        declared = load_resolved(self.file(self.name, "engine: connect"))
        connect = Connect(self.to.connect[0])
        with psycopg.connect(self.to.shards[0].admin_url, autocommit=True) as shard:
            shard.execute(f"create schema {self.name}")
            shard.execute(TABLE.format(schema=self.name))
            try:
                report = apply_topology(declared)
                if not report.ok:
                    raise SystemExit(f"the connector is not well: {report.outcomes} {report.statuses}")
                connect.delete(sink_connector(declared, declared.shards[0], declared.connect_sinks[0]))
                events = self._change(shard)
                self._await_topic(events)
                connect.change_state(shard_names(declared, declared.shards[0]).connector, "stop")
                yield events
            finally:
                remove(declared, None, Extent(slot=True, publication=True, offsets=True))
                kafka = Topics(self.to.kafka)
                kafka.delete(
                    [each for each in kafka.names() if each.startswith((f"{self.name}.", f"afflux.{self.name}"))]
                )
                shard.execute(f"drop schema {self.name} cascade")

    def _change(self, shard: psycopg.Connection) -> int:
        events = 0
        for first in range(1, self.rows + 1, STEP):
            events += self._do(shard, INSERT, first)
        for number, first in enumerate(range(1, self.rows + 1, STEP)):
            events += self._do(shard, UPDATE, first)
            if number % 2:
                events += self._do(shard, DELETE, first)
                events += self._do(shard, INSERT, first + self.rows)
        return events + self._do(shard, INSERT, LAST, LAST_ROWS)

    def _do(self, shard: psycopg.Connection, statement: str, first: int, count: int = STEP) -> int:
        return shard.execute(statement.format(schema=self.name, first=first, last=first + count - 1)).rowcount

    def _await_topic(self, events: int) -> None:
        """A topic's offsets also count transactions' marks and tombstones: it is whole when it grows no more."""
        before, until = -1, time.monotonic() + PATIENCE
        while time.monotonic() < until:
            now = sum(Topics(self.to.kafka).end_offsets([f"{self.name}.{self.name}.t"]).values())
            if now >= events and now == before:
                return
            before = now
            time.sleep(3)
        raise SystemExit(f"{before} of {events} events have come into the topic")

    def afflux(self, number: int) -> Cost:
        """Let afflux take the topic into a schema of its own."""
        target = f"{self.name}_afflux{number}"
        path = self.file(target, "engine: afflux", name=target)
        return take(path, path.with_suffix(".log"))

    def jdbc(self, number: int, *, tuned: bool) -> Cost:
        """Let the JDBC sink take the topic into a schema of its own."""
        target = f"{self.name}_{'tuned' if tuned else 'jdbc'}{number}"
        declared = load_resolved(self.file(target, "engine: connect"))
        config = sink_config(
            declared, declared.shards[0], declared.connect_sinks[0], [Relation(schema=self.name, name="t")]
        )
        if tuned:
            config |= TUNED | {"tasks.max": str(self.partitions), "connection.url": config["connection.url"] + REWRITE}
        connect = Connect(self.to.connect[0])
        with psycopg.connect(self.to.warehouse_url, autocommit=True) as warehouse:
            warehouse.execute(f"create schema {target}")
            warehouse.execute(TABLE.format(schema=target))
            connect.put_config(target, config)
            try:
                _until(lambda: _runs(connect, target))
                start, cpu = time.monotonic(), busy(self.worker)
                query = f"select count(*) from {target}.t where id >= {LAST}"
                _until(lambda: warehouse.execute(query).fetchall() == [(LAST_ROWS,)])
                return Cost(time.monotonic() - start, busy(self.worker) - cpu, float(resident(self.worker)))
            finally:
                connect.delete(target)

    def measured(self, run: Callable[[], Cost]) -> tuple[Cost, float]:
        """Run, and tell the processor seconds of the warehouse, too."""
        before = self._warehouse_cpu()
        cost = run()
        return cost, self._warehouse_cpu() - before

    def _warehouse_cpu(self) -> float:
        with psycopg.connect(self.to.warehouse_url, autocommit=True) as warehouse:
            for _ in range(50):  # a backend that ends just now is counted nowhere
                if warehouse.execute(OTHERS, [f"{self.name}%"]).fetchall() == [(0,)]:
                    break
                time.sleep(0.1)
        times = self.warehouse.cpu_times()
        gone = times.children_user + times.children_system
        return busy(self.warehouse) + gone + sum(map(busy, self.warehouse.children(recursive=True)))

    def contents(self, runs: int) -> set[Any]:
        """What the shard's table holds, and those of the runs: one thing, if all are equal."""
        with psycopg.connect(self.to.shards[0].admin_url) as shard:
            found = {shard.execute(CONTENT.format(schema=self.name)).fetchone()}
        with psycopg.connect(self.to.warehouse_url) as warehouse:
            for kind in ("afflux", "jdbc", "tuned"):
                for number in range(runs):
                    found.add(warehouse.execute(CONTENT.format(schema=f"{self.name}_{kind}{number}")).fetchone())
        return found

    def sweep(self) -> None:
        """Drop what was written into the warehouse."""
        with psycopg.connect(self.to.warehouse_url, autocommit=True) as warehouse:
            like = f"{self.name}\\_%"
            for (schema,) in warehouse.execute("select nspname from pg_namespace where nspname like %s", [like]):
                warehouse.execute(f"drop schema {schema} cascade")


def _runs(connect: Connect, name: str) -> bool:
    found = connect.status(name)
    if found is not None and (reason := failed(found)):
        raise SystemExit(f"{name}: {reason}")
    return found is not None and bool(found.tasks) and all(task.state == "RUNNING" for task in found.tasks)


def _until(there: Callable[[], bool]) -> None:
    until = time.monotonic() + PATIENCE
    while not there():
        if time.monotonic() > until:
            raise SystemExit("it takes too long")
        time.sleep(0.05)


def _summary(costs: list[tuple[Cost, float]], events: int) -> dict[str, float]:
    seconds, cpu, target = (
        statistics.median(values)
        for values in zip(*((cost.seconds, cost.cpu, warehouse) for cost, warehouse in costs), strict=True)
    )
    return {
        "events_per_second": round(events / seconds),
        "cpu_us_per_event": round(cpu / events * 1e6, 1),
        "warehouse_cpu_us_per_event": round(target / events * 1e6, 1),
        "rss_mb": round(statistics.median(cost.rss for cost, _ in costs) / 1e6),
    }


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--state", type=Path, default=Path(".afflux"), help="the stack's state folder")
    parser.add_argument("--rows", type=int, default=200_000, help="of the table at first")
    parser.add_argument("--partitions", type=int, default=1, help="of the topic")
    parser.add_argument("--runs", type=int, default=3, help="of each kind")
    parser.add_argument("--warm", type=int, default=1, help="turns before those, which are not counted")
    asked = parser.parse_args()
    turns = asked.warm + asked.runs
    stack = Stack(asked.state)
    parts = {part.part: psutil.Process(part.pid) for part in stack.status() if part.pid}
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(
            to=stack.addresses(),
            folder=Path(folder),
            name=f"jdbc{os.getpid()}",
            rows=asked.rows,
            partitions=asked.partitions,
            worker=parts["connect-0"],
            warehouse=parts["warehouse"],
        )
        kinds: dict[str, Callable[[int], Cost]] = {
            "afflux": bench.afflux,
            "jdbc": lambda number: bench.jdbc(number, tuned=False),
            "tuned": lambda number: bench.jdbc(number, tuned=True),
        }
        costs: dict[str, list[tuple[Cost, float]]] = {kind: [] for kind in kinds}
        try:
            with bench.topic() as events:
                for number in range(turns):
                    for kind, run in kinds.items():
                        cost = bench.measured(partial(run, number))
                        print(f"{number} {kind:7} {cost}", file=sys.stderr)
                        if number >= asked.warm:
                            costs[kind].append(cost)
                equal = len(bench.contents(turns)) == 1
        finally:
            bench.sweep()
    found: dict[str, Any] = {"events": events, "partitions": asked.partitions, "equal": equal}
    found |= {kind: _summary(each, events) for kind, each in costs.items()}
    for kind in ("jdbc", "tuned"):
        for figure, ours, theirs in (
            ("speed", found["afflux"]["events_per_second"], found[kind]["events_per_second"]),
            ("cpu", found[kind]["cpu_us_per_event"], found["afflux"]["cpu_us_per_event"]),
        ):
            found[f"{figure}_beside_{kind}"] = round(ours / theirs, 1)
    print(json.dumps(found | {"load": round(os.getloadavg()[0], 1)}))
    sys.exit(not equal)


if __name__ == "__main__":
    main()

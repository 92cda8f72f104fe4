"""Events a second into a Delta table, beside Spark's streaming MERGE on the same topic in the same run.

    python bench/delta.py --state .afflux --sizes 100000 1000000 5000000 --runs 3

Takes a running local stack (`afflux stack up`). For each size of table, and for keys near each other and at random, it
makes a table and a topic of events for its rows; then `afflux run --until-caught-up` and Spark take the topic into
copies of the table, by turns, so that both have the machine as busy. Spark's first pass in its JVM is not counted. At
the end both tables hold the same rows, and Spark reads afflux's own. The last line on standard output is JSON: events
a second, processor time and memory, medians.
"""

import argparse
import itertools
import json
import os
import shutil
import statistics
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import polars as pl
from confluent_kafka.admin import AdminClient
from delta_topic import SHARD, TABLE, TYPES, Work, make_table, make_topic
from sink_process import take
from spark import Spark

from afflux.sinks.delta.tables import place
from afflux.stack import Addresses, Stack

MERGE = Path(__file__).with_name("spark_merge.py")
TOPOLOGY = """\
name: bench
kafka: {{bootstrap_servers: "{kafka}"}}
registry: {{url: "{registry}"}}
connect: {{url: "http://127.0.0.1:1"}}
source:
  database: app
  user: nobody
  password: "${{env:BENCH_NONE}}"
  names: {{topic_prefix: "{prefix}"}}
  shards: [{{name: {shard}, host: 127.0.0.1, port: 1}}]
tables: [{{source: {table}}}]
transforms: [{{type: RegexRouter, regex: '{prefix}\\.(.*)', replacement: '$1'}}]
sinks: [{{name: {sink}, type: delta, path: {lake}, batch: {{rows: {batch}, seconds: 20}}}}]
"""


def afflux(addresses: Addresses, work: Work, lake: Path, batch: int, number: int) -> dict[str, float]:
    """Let afflux take a topic into a lake."""
    topology = lake.with_suffix(".yaml")
    topology.write_text(
        TOPOLOGY.format(
            kafka=addresses.kafka,
            registry=addresses.registry,
            prefix=work.prefix,
            shard=SHARD,
            table=TABLE,
            sink=f"run{number}",
            lake=lake,
            batch=batch,
        )
    )
    return vars(take(topology, lake.with_suffix(".log"), work.events, {"BENCH_NONE": "x"}))


def rows_of(table: Path) -> pl.DataFrame:
    """Read the source's columns of a table, in order."""
    return pl.scan_delta(str(table)).select(list(TYPES)).sort("id").collect()


@contextmanager
def topic_of(addresses: Addresses, name: str, size: int, events: int, *, clustered: bool) -> Iterator[Work]:
    """Make a topic, and remove it in the end."""
    work = make_topic(addresses, name, size, events, clustered=clustered)
    try:
        yield work
    finally:
        admin = AdminClient({"bootstrap.servers": addresses.kafka})
        for gone in admin.delete_topics([work.topic]).values():
            gone.result()


def case(
    addresses: Addresses, spark: Spark, folder: Path, size: int, wishes: argparse.Namespace, *, clustered: bool
) -> dict[str, Any]:
    """Measure one size and one kind of keys."""
    base = folder / "base"
    make_table(base, size)
    kind = "clustered" if clustered else "random"
    with topic_of(addresses, f"bench{os.getpid()}{kind}{size}", size, wishes.events, clustered=clustered) as work:
        asked = {"topic": work.topic, "schema": work.schema, "kafka": addresses.kafka, "batch": wishes.batch}
        ours, theirs = [], []
        for number in range(wishes.runs + (not spark.answered)):
            lake, table = folder / f"afflux{number}", folder / f"spark{number}"
            shutil.copytree(base / place(TABLE), table)
            was_cold = not spark.answered
            found = spark.ask(do="merge", table=str(table), **asked)
            if was_cold:
                continue
            theirs.append(found)
            shutil.copytree(base, lake)
            ours.append(afflux(addresses, work, lake, wishes.batch, number))
        mine = lake / place(TABLE)
        read = [spark.ask(do="read", table=str(each)) for each in (mine, table)]
    equal = rows_of(mine).equals(rows_of(table))
    measured = {
        "rows": size,
        "keys": kind,
        "equal": equal and read[0] == read[1],
        "afflux": _summary(ours, wishes.events),
        "spark": _summary(theirs, wishes.events),
    }
    measured["ratio"] = round(measured["afflux"]["events_per_second"] / measured["spark"]["events_per_second"], 2)
    measured["load"] = round(os.getloadavg()[0], 1)
    return measured


def _summary(runs: list[dict[str, float]], events: int) -> dict[str, Any]:
    rates = sorted(events / run["seconds"] for run in runs)
    return {
        "events_per_second": round(statistics.median(rates)),
        "range": [round(rates[0]), round(rates[-1])],
        "cpu_us_per_event": round(statistics.median(run["cpu"] for run in runs) / events * 1e6, 1),
        "rss_mib": round(max(run["rss"] for run in runs) / 2**20),
    }


def main() -> None:
    """Measure every case."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--state", type=Path, default=Path(".afflux"))
    parser.add_argument("--sizes", type=int, nargs="+", default=[100_000, 1_000_000, 5_000_000])
    parser.add_argument("--keys", nargs="+", choices=["clustered", "random"], default=["clustered", "random"])
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--batch", type=int, default=200_000, help="events in a batch, of both; they divide the others")
    parser.add_argument("--runs", type=int, default=3)
    wishes = parser.parse_args()
    stack = Stack(wishes.state)
    addresses = stack.addresses()
    results = []
    with tempfile.TemporaryDirectory(prefix="bench") as home, Spark(MERGE, Path(home) / "spark") as spark:
        for size, keys in itertools.product(wishes.sizes, wishes.keys):
            with tempfile.TemporaryDirectory(dir=home) as folder:
                found = case(addresses, spark, Path(folder), size, wishes, clustered=keys == "clustered")
            print(json.dumps(found), file=sys.stderr)
            results.append(found)
    print(json.dumps({"events": wishes.events, "batch": wishes.batch, "runs": wishes.runs, "cases": results}))


main()

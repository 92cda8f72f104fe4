"""The page of all metrics, made of their declarations (pure)."""

from collections.abc import Iterable
from typing import Final

from afflux.monitor.described import Described, own, watched

_HEAD: Final = """\
# Metrics

`afflux run` and `afflux supervise` answer `/metrics` on the port that they log (`--port`), for Prometheus, and in
OpenMetrics' form where that is asked for. Units are base units; a counter's name ends in `_total`. No label holds
anything that grows with the data: shards, sinks, tables and a few words. The alerts that are made of these stand in
[runbooks](runbooks.md); the Grafana dashboard is `helm/afflux/files/dashboard.json`.

This page is written by `python -m afflux.monitor.files`, from the declarations in `src/afflux/telemetry/metrics.py`.
"""
_WATCHED: Final = """\
## From `afflux supervise`, of all shards and targets

What is seen from outside, by the supervisor that leads, every ten seconds. A shard that does not answer shows
`afflux_shard_up` alone, and what is not known is left out: a forecast needs a minute of the past,
`afflux_slot_failover` PostgreSQL 17.
"""
_OWN: Final = """\
## Of the processes themselves

`afflux_sink_...` is what each worker of `afflux run` tells of itself, `afflux_supervisor_...` what `afflux supervise`
does. Both tell `process_...` (memory, CPU, files), as all of Prometheus' clients do.
"""
_OTHERS: Final = """\
## Kafka's, Connect's and Debezium's own

These servers tell their metrics by JMX; Kafka Connect's REST interface has none. In the chart, Prometheus' JMX
exporter runs in each of their processes, set up by `helm/afflux/files/jmx-kafka.yaml` and `jmx-connect.yaml`. With a
Connect of your own, start its workers with the same file:

```sh
KAFKA_OPTS=-javaagent:jmx_prometheus_javaagent.jar=9404:jmx-connect.yaml connect-distributed.sh worker.properties
```

The local stack does not expose them. afflux needs none of them: what its alerts are made of, it reads from the slots,
the topics and the targets.
"""


def reference() -> str:
    """Give the page."""
    return "\n".join([_HEAD, _WATCHED, _table(watched()), _OWN, _table(own()), _OTHERS])


def _table(metrics: Iterable[Described]) -> str:
    lines = ["| metric | kind | labels | what |", "| --- | --- | --- | --- |"]
    for found in metrics:
        labels = ", ".join(f"`{label}`" for label in found.labels)
        lines.append(f"| `{found.name}` | {found.kind} | {labels} | {found.help} |")
    return "\n".join(lines) + "\n"

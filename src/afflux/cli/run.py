"""`afflux run`: the sink daemon."""

import gc
import os
import signal
from typing import Annotated

import structlog
import typer

from afflux import faults, logs
from afflux.cli.options import DEFAULT_TOPOLOGY, TopologyOption, choose_sink
from afflux.errors import AffluxError
from afflux.monitor.health import HealthServer
from afflux.stream.daemon import Daemon
from afflux.topology.watch import Watched

log = structlog.get_logger()

_MESSAGES_A_LOOK = 100_000
"""How many objects come before Python looks for garbage among them. At its own 700 it goes through the messages of a
batch again and again, which took a sixth of all time (observed); they are never garbage that it has to find."""


def run(
    topology: TopologyOption = DEFAULT_TOPOLOGY,
    sink: Annotated[str, typer.Option(help="Which sink of the topology; needed where it has several.")] = "",
    until_caught_up: Annotated[
        bool,
        typer.Option("--until-caught-up", help="Apply what is there now, then leave with 0 (for cron, a Job, a test)."),
    ] = False,
    host: Annotated[
        str, typer.Option(help="Where /livez, /startedz, /readyz and /metrics are answered.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Their port; 0 takes a free one and logs it.")] = 0,
    log_level: Annotated[str, typer.Option(help="debug, info, warning or error.")] = "info",
) -> None:
    """Apply the shards' changes to a target, until stopped.

    Positions are kept in the target, in the same transactions as the rows, so that a daemon that is
    killed goes on exactly where the target stands. Run more daemons to share the work. The topology is
    reread every 10 s and on SIGHUP; SIGTERM finishes the batch in flight and leaves.
    """
    logs.configure(log_level)
    gc.set_threshold(_MESSAGES_A_LOOK)
    faults.arm(os.environ.get(faults.VARIABLE, ""))
    follows = Watched(topology)
    declared = follows.load()
    chosen = choose_sink(declared, sink)
    daemon = Daemon(declared, chosen, follows=follows)
    health = HealthServer(host, port, daemon.alive, daemon.ready, started=daemon.started)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: daemon.stop())
    signal.signal(signal.SIGHUP, lambda *_: daemon.reread())
    health.start()
    log.info("running", topology=declared.name, sink=chosen.name, health=f"http://{host}:{health.port}")
    try:
        events = daemon.run(until_caught_up=until_caught_up)
    finally:
        health.stop()
    log.info("stopped", events=events)
    if daemon.stopped and until_caught_up:
        topic, reason = next(iter(daemon.stopped.items()))
        raise AffluxError(
            f"{len(daemon.stopped)} topic(s) could not be read to their end; {topic}: {reason}",
            hint="mend the cause, then `afflux tables resume`",
        )

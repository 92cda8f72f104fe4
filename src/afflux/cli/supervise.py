"""`afflux supervise`: the control daemon."""

import dataclasses
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import structlog
import typer

from afflux import logs
from afflux.cli.options import DEFAULT_TOPOLOGY, Output, OutputOption, TopologyOption
from afflux.cli.schemas import FOLDER as CONTRACTS
from afflux.cli.show import show_data, show_table
from afflux.cli.terminal import say
from afflux.contracts.differences import differences
from afflux.control.healing.rows import Row
from afflux.monitor.health import HealthServer
from afflux.monitor.page import Page
from afflux.operate.page import Hands
from afflux.supervise.daemon import Supervisor
from afflux.topology.watch import Watched

log = structlog.get_logger()


def supervise(
    topology: TopologyOption = DEFAULT_TOPOLOGY,
    once: Annotated[
        bool, typer.Option("--once", help="Heal what can be healed now, print every shard, and leave (for cron).")
    ] = False,
    wait: Annotated[float, typer.Option(min=0, help="With --once: seconds for all shards to stream.")] = 120.0,
    resynchronise: Annotated[
        bool,
        typer.Option(
            "--resynchronise",
            envvar="AFFLUX_RESYNCHRONISE",
            help="Read a shard anew by itself when its slot was lost; without it a person is asked.",
        ),
    ] = False,
    host: Annotated[str, typer.Option(help="Where the page, /livez, /readyz and /metrics are answered.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Their port; 0 takes a free one and logs it.")] = 0,
    contracts: Annotated[
        Path, typer.Option(help="Contracts of tables, for the page to hold the shards to; a file or a folder.")
    ] = CONTRACTS,
    log_level: Annotated[str, typer.Option(help="debug, info, warning or error.")] = "info",
    output: OutputOption = Output.TABLE,
) -> None:
    """Keep connectors as the topology says and heal what fails, until stopped.

    Looks at every shard every ten seconds: a new shard of the topology, or of its directory, is set up; a failed task is
    treated by its cause (docs/supervise.md lists them); what could lose something waits for a person and says so. Run
    two for safety: one acts, the other takes over. With --port 8080 a page on that port shows it all; who has one of the
    tokens of monitor.page may act there. The topology is reread every 10 s and on SIGHUP; SIGTERM finishes the deed
    under way and leaves.

    Exit code with --once: 0 every shard streams (or makes its first copy, or was paused by somebody), or another
    supervisor acts; 1 some shard does not.
    """
    logs.configure(log_level)
    follows = Watched(topology)
    supervisor = Supervisor(follows.load(), follows=follows, resynchronise=resynchronise)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: supervisor.stop())
    signal.signal(signal.SIGHUP, lambda *_: supervisor.reread())
    if once:
        rows = supervisor.once(wait)
        _show(rows, output)
        if not rows:
            say(f"another supervisor acts: {supervisor.leader() or 'the broker does not say which'}")
        raise typer.Exit(0 if all(row.well for row in rows) else 1)
    hands = Hands(lambda: supervisor.topology, supervisor.reread)
    hands.tokens()  # one that can't be used is told at once
    page = Page(
        supervisor.seen, supervisor.deeds, schemas=lambda: differences(supervisor.topology, [contracts]), hands=hands
    )
    health = HealthServer(host, port, supervisor.alive, supervisor.ready, started=supervisor.started, pages=page.routes)
    health.start()
    page.start()
    url = f"http://{host}:{health.port}"
    log.info("running", health=url, page=f"{url}/")
    try:
        supervisor.run()
    finally:
        page.stop()
        health.stop()
    log.info("stopped")


def _show(rows: Sequence[Row], output: Output) -> None:
    if output is not Output.TABLE:
        show_data([dataclasses.asdict(row) for row in rows], output)
        return
    if not rows:
        return
    show_table(
        [
            {
                "shard": row.shard,
                "stream": row.stream,
                "cause": row.cause,
                "doing": row.doing,
                "tries": row.tries or "",
                "detail": row.detail,
            }
            for row in rows
        ]
    )
    for row in rows:
        if not row.well and row.hint:
            say(f"{row.shard}: {row.hint}")

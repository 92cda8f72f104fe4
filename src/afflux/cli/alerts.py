"""`afflux alerts`: what is an alert, as files for Prometheus, Alertmanager and Grafana."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from afflux.cli.options import DEFAULT_TOPOLOGY, Output, OutputOption, TopologyOption
from afflux.cli.show import show_data, show_table
from afflux.cli.terminal import say
from afflux.monitor import rules as files
from afflux.monitor.alarms import RUNBOOKS, Alert
from afflux.monitor.alerts import KINDS, policy_of
from afflux.monitor.dashboard import dashboard as panels
from afflux.monitor.notices import notices_of
from afflux.monitor.units import duration
from afflux.topology.load import load

app = typer.Typer(no_args_is_help=True, add_completion=False)


@app.callback()
def _group() -> None:
    """Show what is an alert and where it goes; `afflux supervise` tells them, in its log and by webhooks."""


@app.command(name="list")
def list_(topology: TopologyOption = DEFAULT_TOPOLOGY, output: OutputOption = Output.TABLE) -> None:
    """List the alerts with this topology's thresholds (source.guard and monitor), and where it is said what to do."""
    policy = policy_of(load(topology))
    rows: list[dict[str, Any]] = [
        {
            "alert": kind.name,
            "severity": rule.severity,
            "when": rule.condition.promql,
            "for": duration(rule.lasting) if rule.lasting else None,
            "runbook": f"{RUNBOOKS}#{kind.anchor}",
        }
        for kind in KINDS
        for rule in kind.rules(policy)
    ]
    if output is Output.TABLE:
        show_table(rows)
    else:
        show_data(rows, output)


@app.command()
def rules(
    topology: TopologyOption = DEFAULT_TOPOLOGY,
    runbooks: Annotated[str, typer.Option(help="Where the page of runbooks is, for the alerts' links.")] = RUNBOOKS,
) -> None:
    """Print a rules file for Prometheus with this topology's thresholds."""
    typer.echo(files.prometheus(policy_of(load(topology)), runbooks), nl=False)


@app.command()
def dashboard() -> None:
    """Print the Grafana dashboard as JSON, to be imported."""
    typer.echo(panels(), nl=False)


@app.command(name="test")
def trial(topology: TopologyOption = DEFAULT_TOPOLOGY) -> None:
    """Send an alert that is none, and its end, to the log and to all webhooks of the topology."""
    loaded = load(topology)
    now = datetime.now(UTC)
    about = (("shard", "none"),)
    alert = Alert("AffluxTest", "page", about, "a trial; nothing is wrong", "It is none.", RUNBOOKS, now)
    hooks = notices_of(loaded)
    for told in (alert, replace(alert, ended=now)):
        for hook in hooks:
            hook.tell([told])
    for hook in hooks:
        hook.close()
    say(f"sent to the log and to {len(loaded.monitor.alerts.webhooks)} webhooks; what failed is told above")

"""`afflux doctor`: what stands in the way, on the live servers."""

import typer

from afflux.cli.options import DEFAULT_TOPOLOGY, Output, OutputOption, TopologyOption
from afflux.cli.show import show_data
from afflux.cli.terminal import line, say
from afflux.onboarding.doctor import examine
from afflux.onboarding.findings import Finding, Severity
from afflux.topology.load import load_resolved

DIFFERENCE = 3


def doctor(topology: TopologyOption = DEFAULT_TOPOLOGY, output: OutputOption = Output.TABLE) -> None:
    """Look at every server of the topology, and say what stands in the way and how to mend it. Changes nothing.

    Shards (settings, rights, replica identities, room for WAL, columns whose values stock Debezium would lose), Kafka,
    Kafka Connect and its plugins, the registry, and the sinks. Of each finding: where, what, and what to run.

    Exit code 0: nothing was found, or warnings only; 3: there are errors; 1: a server could not be looked at.
    """
    declared = load_resolved(topology)
    found = examine(declared)
    if output is not Output.TABLE:
        show_data([_row(finding) for finding in found], output)
    else:
        for finding in found:
            line(f"{finding.severity.value:<8} {finding.where}: {finding.what}")
            if finding.fix:
                line(f"         {finding.fix}")
        errors = sum(finding.severity is not Severity.WARNING for finding in found)
        say(f"{len(declared.shards)} shards: {errors} to mend, {len(found) - errors} warnings")
    if any(finding.severity is Severity.UNSEEN for finding in found):
        raise typer.Exit(1)
    raise typer.Exit(DIFFERENCE if any(finding.severity is Severity.ERROR for finding in found) else 0)


def _row(finding: Finding) -> dict[str, str]:
    return {
        "severity": finding.severity.value,
        "where": finding.where,
        "what": finding.what,
        "fix": finding.fix,
    }

"""The stack that faults are played on: three shards, two Connect workers; and what is told of the faults at the end."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from afflux.stack import Stack
from chaos.seed import SEED


def pytest_report_header() -> str:
    return f"seed: {SEED} (the same faults in the same order again: make chaos SEED={SEED})"


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    kept = os.environ.get("AFFLUX_TEST_STATE")
    shared = Stack(Path(kept) if kept else tmp_path_factory.mktemp("stack"))
    try:
        shared.up(shards=3, workers=2)
        yield shared
    finally:
        if not kept:
            shared.down(purge=True)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Tell what became of each fault."""
    terminalreporter.section(f"faults, seed {SEED}")
    for report in terminalreporter.getreports("passed"):
        for name, value in report.user_properties:
            if name == "fault":
                configuration, fault, result = value
                again = f", {result.restarts} connector restart(s)" if result.restarts else ""
                terminalreporter.write_line(
                    f"equal  {configuration}  {fault}: {result.proof} "
                    f"[{result.rows} rows, {result.transactions} transactions, {result.seconds:.0f} s{again}]"
                )
    for report in terminalreporter.getreports("failed"):
        terminalreporter.write_line(f"FAILED {report.nodeid.partition('[')[2].rstrip(']')}")

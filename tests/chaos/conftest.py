"""The stack that faults are played on: three shards, two Connect workers; and what is told of the faults at the end."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from afflux.stack import Stack
from chaos.report import PATH, Report
from chaos.seed import SEED

_REPORT = Report(PATH)


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


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    _REPORT.add(report)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Tell what became of each fault."""
    terminalreporter.section(f"faults, seed {SEED}; also in {_REPORT.path}")
    for line in _REPORT.told():
        terminalreporter.write_line(line)

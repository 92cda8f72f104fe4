"""What all tests may use. Nothing here needs the network or the JVM parts."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from hypothesis import HealthCheck, settings

from afflux.stack.addresses import addresses_of
from afflux.stack.parts import parts_of
from afflux.stack.settle import AskedPorts, Wishes, settle
from afflux.stack.starting import start, stop
from afflux.stack.state import State

# Properties hold whatever the machine is busy with: no example has a deadline. The suite tries the same examples
# each time, so that what passed once passes again; `make fuzz` draws new ones, and many.
_CALM = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
settings.register_profile("fixed", derandomize=True, **_CALM)
settings.register_profile("fuzz", max_examples=500, print_blob=True, **_CALM)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "fixed"))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--stack", choices=["local", "containers"], default="local", help="what the real stack runs as")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say why tests that were tried again failed at first: that they passed then explains nothing."""
    for report in terminalreporter.stats.get("rerun", []):
        terminalreporter.section(f"failed, and was tried again: {report.nodeid}", sep="_")
        terminalreporter.write_line(report.longreprtext)


@pytest.fixture(autouse=True)
def logs_as_they_were() -> Iterator[None]:
    """A command that a test runs in this process sets up logging for it; the next test finds none of that."""
    yield
    structlog.reset_defaults()


@pytest.fixture(scope="session")
def warehouse_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A PostgreSQL server of its own, from the wheel: the stack's warehouse without the rest of the stack."""
    folder: Path = tmp_path_factory.mktemp("warehouse")
    state = State.load_or_make(folder)
    settle(state, Wishes(1, 1, AskedPorts(), None))
    parts = [part for part in parts_of(state) if part.name == "warehouse"]
    start(parts, lambda _part, _phase: None)
    try:
        yield addresses_of(state).warehouse_url
    finally:
        stop(parts, lambda _part, _phase: None)
        state.remove()

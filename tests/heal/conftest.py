"""The stack that failures are played on: two shards, two Connect workers; and what is told of them at the end."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from afflux.stack import Stack


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    kept = os.environ.get("AFFLUX_TEST_STATE")
    shared = Stack(Path(kept) if kept else tmp_path_factory.mktemp("stack"))
    # A worker of the local stack ends when its memory is used up. Here it goes on, as Kafka's own scripts have it, and
    # the task tells why it failed.
    os.environ["_JAVA_OPTIONS"] = "-XX:-ExitOnOutOfMemoryError"
    try:
        shared.up(shards=2, workers=2)
        yield shared
    finally:
        del os.environ["_JAVA_OPTIONS"]
        if not kept:
            shared.down(purge=True)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Tell how each failure went."""
    terminalreporter.section("failures")
    for report in terminalreporter.getreports("passed"):
        for name, value in report.user_properties:
            if name == "failure":
                failure, course = value
                terminalreporter.write_line(
                    f"{failure.name:40} {failure.cause:30} named after {course.found:5.1f} s, well after {course.well:6.1f} s"
                    f"  {course.doing}: {', '.join(course.deeds) or 'nothing'}"
                )
    for report in terminalreporter.getreports("failed"):
        terminalreporter.write_line(f"FAILED {report.nodeid.partition('[')[2].rstrip(']')}")

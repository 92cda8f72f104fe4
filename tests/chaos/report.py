"""What became of each fault, as a table: on the terminal at the end, and in a file that grows with every fault played.

The file is build/chaos.md, or what REPORT of the environment names.
"""

import os
from pathlib import Path

import pytest

from chaos.play import Result
from chaos.seed import SEED

PATH = Path(os.environ.get("REPORT") or "build/chaos.md")
_HEAD = (
    "| partitions x workers | fault | result | what showed that it happened | rows | transactions | seconds |",
    "| --- | --- | --- | --- | --- | --- | --- |",
)


class Report:
    """Collects the outcomes of tests and writes them down.

    Args:
        path: of the Markdown file; its folder is made.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lines: list[str] = []
        self._equal = self._failed = 0

    def add(self, report: pytest.TestReport) -> None:
        """Take note of a test that was played, or could not be; rewrite the file."""
        if report.when != "call" and not report.failed:
            return
        known = dict(report.user_properties)
        if report.failed:
            self._failed += 1
        else:
            self._equal += 1
        layout, fault = known.get("fault", ("", report.nodeid.partition("::")[2]))
        self._lines.append(_line(str(layout), str(fault), report, known.get("result")))
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.write_text("\n".join([*self.told(), ""]))

    def told(self) -> list[str]:
        """Give the whole as lines of Markdown."""
        again = f"the same faults in the same order again: `make chaos SEED={SEED}`"
        return [f"Seed {SEED} ({again}): {self._equal} equal, {self._failed} failed.", "", *_HEAD, *self._lines]


def _line(layout: str, fault: str, report: pytest.TestReport, result: object) -> str:
    if isinstance(result, Result):
        restarts = f"; {result.restarts} connector restart(s)" if result.restarts else ""
        cells = ["equal", result.proof + restarts, f"{result.rows}", f"{result.transactions}", f"{result.seconds:.0f}"]
    else:
        cells = ["FAILED" if report.failed else "held", _reason(report), "", "", f"{report.duration:.0f}"]
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in (layout, fault, *cells)) + " |"


def _reason(report: pytest.TestReport) -> str:
    """Give the first line of why a test failed, if it did; the whole is pytest's to tell."""
    crash = getattr(report.longrepr, "reprcrash", None)
    return " ".join(crash.message.split("\n")[:3])[:300] if crash else ""

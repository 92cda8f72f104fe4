"""`afflux run` as a process that can be killed, frozen, and asked by its log what it did."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import requests

from afflux.faults import VARIABLE
from chaos.waiting import wait_for


class Worker:
    """One sink worker.

    Args:
        name: for messages.
        topology: its topology file.
        log: where its log goes; that of later processes behind that of earlier ones.
        sink: which of the topology's sinks, where it has several.
    """

    def __init__(self, name: str, topology: Path, log: Path, sink: str = "") -> None:
        self.name, self.topology, self.log = name, topology, log
        self.program: tuple[str, ...] = ("-m", "afflux")
        """What Python runs."""
        self.verb: tuple[str, ...] = ("run",)
        """What of it."""
        self.environment: dict[str, str] = {}
        """What it has in its environment besides this process's."""
        self._sink = ["--sink", sink] if sink else []
        self._process: subprocess.Popen[bytes] | None = None
        self._since = self._born = 0

    def start(self, fault: str = "") -> None:
        """Start a process, with a fault prepared; its log is read from here on."""
        assert not self.alive, f"{self.name} runs already"
        self.mark()
        self._born = self._since
        environment = {key: value for key, value in os.environ.items() if key != VARIABLE} | self.environment
        command = [sys.executable, *self.program, *self.verb, "-t", str(self.topology), *self._sink]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                command, env=environment | ({VARIABLE: fault} if fault else {}), stdout=log, stderr=log
            )

    def mark(self) -> None:
        """Let `lines` begin here."""
        self._since = self.log.stat().st_size if self.log.exists() else 0

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def leave(self) -> int:
        """Ask it to finish and leave, and return the exit code."""
        wait_for(self.up, 120, lambda: f"{self.name} to run\n{self.tail()}")
        self.send(signal.SIGTERM)
        return self.ended()

    def up(self) -> bool:
        """Whether it has begun to run."""
        return any(line.get("event") == "running" for line in self._lines(self._born))

    def send(self, number: signal.Signals) -> None:
        assert self.alive, f"{self.name} does not run"
        os.kill(self.pid, number)

    def kill(self) -> None:
        """SIGKILL, if there is anything to kill; return when it is gone."""
        if self.alive:
            self.send(signal.SIGKILL)
        if self._process is not None:
            self._process.wait(30)

    def ended(self, patience: float = 60) -> int:
        """Wait for its end and return the exit code."""
        assert self._process is not None
        wait_for(lambda: not self.alive, patience, lambda: f"the end of {self.name}\n{self.tail()}")
        assert self._process.returncode is not None
        return self._process.returncode

    def frozen(self) -> bool:
        """Whether it is stopped by a signal."""
        state = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()[0]
        return self.alive and state == "T"

    def lines(self, event: str = "") -> list[dict[str, Any]]:
        """Give its log's lines since the mark, of one event or all."""
        return [line for line in self._lines() if not event or line.get("event") == event]

    def await_line(self, event: str, patience: float = 90, times: int = 1, reason: str = "") -> dict[str, Any]:
        """Wait for the n-th line since the mark with an event, and a reason that holds these words; return it."""

        def found() -> list[dict[str, Any]]:
            lines = [line for line in self.lines(event) if reason in line.get("reason", "")]
            return lines if len(lines) >= times else []

        wanted = f"{times} x {event!r} {reason!r} in the log of {self.name}"
        return wait_for(found, patience, lambda: f"{wanted}\n{self.tail()}")[times - 1]

    def metric(self, name: str) -> float:
        """Give the sum of a metric over its labels; 0 while the process does not answer."""
        try:
            text = requests.get(f"{self._health()}/metrics", timeout=2).text
        except (requests.RequestException, StopIteration):
            return 0.0
        values = (line.rsplit(" ", 1) for line in text.splitlines() if line.startswith((f"{name} ", f"{name}{{")))
        return sum(float(value) for _, value in values)

    def holds(self) -> bool:
        """Whether it has partitions."""
        return self.metric("afflux_sink_partitions") > 0

    def ready(self) -> tuple[bool, str]:
        """Ask `/readyz`: whether, and why not."""
        answer = requests.get(f"{self._health()}/readyz", timeout=5)
        return answer.ok, answer.json()["reason"] or ""

    def tail(self, count: int = 15) -> str:
        """Give the end of its log."""
        try:
            lines = self.log.read_text(errors="replace").splitlines()[-count:]
        except FileNotFoundError:
            lines = []
        return "\n".join(f"  {self.name}: {line[:600]}" for line in lines)

    def _health(self) -> str:
        url: str = next(line["health"] for line in self._lines(self._born) if line.get("event") == "running")
        return url

    def _lines(self, since: int | None = None) -> Iterator[dict[str, Any]]:
        if not self.log.exists():
            return
        with self.log.open("rb") as log:
            log.seek(self._since if since is None else since)
            for line in log.read().splitlines():
                try:
                    yield json.loads(line)
                except ValueError:
                    continue

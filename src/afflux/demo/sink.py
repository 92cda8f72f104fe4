"""The sink daemon as a process of its own, which can really be killed."""

import os
import signal
import sys
from pathlib import Path

import requests
from prometheus_client.parser import text_string_to_metric_families

from afflux.errors import AffluxError
from afflux.stack.ports import HOST, find_free
from afflux.stack.process import Launch, Process
from afflux.telemetry.metrics import EVENTS

_PATIENCE = 15.0
"""Seconds to finish a batch and leave."""
_ANSWER_SECONDS = 2.0


class SinkProcess:
    """`afflux run`, remembered in the state folder like the parts of the stack, so that a later run finds it.

    Args:
        folder: the stack's state folder.
    """

    def __init__(self, folder: Path) -> None:
        self._process = Process(folder / "run" / "sink.json", folder / "logs" / "sink.log")
        self._folder = folder
        self._url = ""
        self._events: list[float] = []
        """Of each process there was: the last count heard of it."""

    @property
    def pid(self) -> int | None:
        """The number of its process; None when there is none."""
        found = self._process.find()
        return found.pid if found else None

    def start(self, topology: Path) -> None:
        """Start it."""
        port = find_free(f"{self._folder} sink", ())
        self._url = f"http://{HOST}:{port}"
        command = [sys.executable, "-m", "afflux", "run", "-t", str(topology), "--port", str(port)]
        self._process.start(Launch(command, dict(os.environ), self._folder))
        self._events.append(0.0)

    def kill(self) -> None:
        """Kill it, as a crash or the kernel would."""
        self.events()
        self._process.send(signal.SIGKILL)
        self._process.gone(_PATIENCE)

    def reread(self) -> None:
        """Have it reread the topology now, and not within the next ten seconds."""
        self._process.send(signal.SIGHUP)

    def stop(self) -> None:
        """Let it finish its batch and leave; harmless when it does not run."""
        self._process.stop(_PATIENCE)

    def check(self) -> None:
        """Raise when it has ended by itself.

        Raises:
            AffluxError: it has; the message shows the end of its log.
        """
        if self.pid is None:
            raise AffluxError(
                f"the sink has ended by itself; the end of its log:\n{self._process.last_lines(6)}",
                hint=f"its whole log is {self._process.log}",
            )

    def events(self) -> int:
        """Return how many change events have been applied by all its processes, as far as they could tell."""
        try:
            answer = requests.get(f"{self._url}/metrics", timeout=_ANSWER_SECONDS)
            self._events[-1] = _events(answer.text)
        except requests.RequestException:
            pass  # it is starting, or was killed: its last word stands
        return round(sum(self._events))


def _events(metrics: str) -> float:
    (name,) = (family.name for family in EVENTS.collect())
    for family in text_string_to_metric_families(metrics):
        if family.name == name:
            return sum(sample.value for sample in family.samples if sample.name == f"{name}_total")
    return 0.0

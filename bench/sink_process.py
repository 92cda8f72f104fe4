"""One run of afflux's sink: what it takes, by the clock and by the processor."""

import json
import os
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import psutil


@dataclass(frozen=True)
class Cost:
    """What it took to write a topic into a target.

    Attributes:
        seconds: from the moment at which the sink had its partitions.
        cpu: seconds of the sink's process since then.
        rss: the most memory that its process had, in bytes.
    """

    seconds: float
    cpu: float
    rss: float


def take(topology: Path, log: Path, events: int | None = None, environment: Mapping[str, str] | None = None) -> Cost:
    """Let `afflux run` take all that is in a topology's topics.

    Args:
        topology: its file.
        log: where to write what it says.
        events: how many it must have taken; None: as many as there are.
        environment: variables that the topology refers to.

    Raises:
        SystemExit: it has failed, or taken another number.
    """
    command = [sys.executable, "-m", "afflux", "run", "-t", str(topology), "--until-caught-up"]
    most, ready, cpu = 0, 0.0, 0.0
    with log.open("wb") as out:
        process = psutil.Popen(command, stdout=out, stderr=out, env={**os.environ, **(environment or {})})
        while process.poll() is None:
            most = max(most, resident(process))
            ready = ready or (busy(process) if b"partitions assigned" in log.read_bytes() else 0.0)
            cpu = busy(process) or cpu
            time.sleep(0.05)
    said = [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]
    times = {line["event"]: datetime.fromisoformat(line["timestamp"]) for line in said}
    if process.returncode or events not in {None, said[-1].get("events")}:
        raise SystemExit(f"afflux has not taken all of it:\n{log.read_text()[-3000:]}")
    return Cost((times["stopped"] - times["partitions assigned"]).total_seconds(), cpu - ready, float(most))


def busy(process: psutil.Process) -> float:
    """Give the processor seconds of a process; 0 once it is gone."""
    try:
        times = process.cpu_times()
    except psutil.Error:
        return 0.0
    return float(times.user + times.system)


def resident(process: psutil.Process) -> int:
    """Give the memory of a process in bytes; 0 once it is gone."""
    try:
        return int(process.memory_info().rss)
    except psutil.Error:
        return 0

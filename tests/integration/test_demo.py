"""The demo as a user runs it: to its end, and cut short."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest

from afflux.stack.process import has_ended

pytestmark = [pytest.mark.stack, pytest.mark.timeout(600)]

KEYS = [
    *("shards", "events", "source_rows", "target_rows", "equal"),
    *("events_per_second", "freshness_p50_ms", "freshness_p99_ms", "seconds"),
]
PARTS = {"kafka", "registry-db", "registry", "connect-0", "shard0", "shard1", "shard2", "warehouse", "sink"}


@dataclass
class Played:
    """A demo that has ended."""

    code: int
    stdout: str
    stderr: str
    processes: dict[str, psutil.Process] = field(default_factory=dict)
    """Those that were there at the mark, by part."""

    def left(self) -> list[str]:
        return [part for part, process in self.processes.items() if not has_ended(process, patience=0)]


def play(folder: Path, mark: str, *, interrupt: bool = False) -> Played:
    """Run a short demo; at the mark look which processes there are, and perhaps press Ctrl-C."""
    command = [sys.executable, "-m", "afflux", "demo", "--state", str(folder), "--seconds", "3", "--rate", "400"]
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,  # the terminal's process group, as Ctrl-C knows it
    ) as demo:
        assert demo.stderr is not None
        assert demo.stdout is not None
        lines: list[str] = []
        processes: dict[str, psutil.Process] = {}
        for line in demo.stderr:
            lines.append(line)
            if mark in line and not processes:
                records = (folder / "run").glob("*.json")
                processes = {r.stem: psutil.Process(json.loads(r.read_text())["pid"]) for r in records}
                if interrupt:
                    os.killpg(demo.pid, signal.SIGINT)
        return Played(demo.wait(), demo.stdout.read(), "".join(lines), processes)


def test_a_killed_sink_and_an_added_shard_leave_source_and_target_equal(tmp_path: Path) -> None:
    played = play(tmp_path / "demo", "let the load go on")
    assert played.code == 0, played.stderr
    *_, last = played.stdout.splitlines()
    outcome = json.loads(last)
    assert list(outcome) == KEYS
    assert outcome["equal"] is True
    assert outcome["shards"] == 4
    assert outcome["source_rows"] == outcome["target_rows"] > 20_000
    assert outcome["events"] > outcome["source_rows"]
    assert outcome["events_per_second"] > 0
    assert 0 < outcome["freshness_p50_ms"] <= outcome["freshness_p99_ms"]
    assert played.stdout == f"{last}\n"
    assert played.processes.keys() == PARTS | {"shard3"}
    assert played.left() == []
    assert not (tmp_path / "demo").exists()


def test_ctrl_c_leaves_nothing_running_and_down_leaves_no_file(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    played = play(folder, "rows are there", interrupt=True)
    assert played.code == 130, played.stderr
    assert played.stdout == ""
    assert "Traceback" not in played.stderr
    assert played.processes.keys() == PARTS
    assert played.left() == []
    down = [sys.executable, "-m", "afflux", "demo", "--down", "--state", str(folder)]
    subprocess.run(down, check=True, capture_output=True)
    assert not folder.exists()

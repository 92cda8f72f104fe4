"""Processes of the stack, with real ones that sleep."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from afflux.stack.process import LARGEST_LOG, Launch, Process

SLEEPER = ["/bin/sleep", "60"]
SLEEP = Launch(SLEEPER, dict(os.environ), Path("/"))
DEAF = Launch(
    [
        sys.executable,
        "-c",
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(60)",
    ],
    dict(os.environ),
    Path("/"),
)


@pytest.fixture
def process(tmp_path: Path) -> Iterator[Process]:
    process = Process(tmp_path / "run" / "part.json", tmp_path / "logs" / "part.log")
    yield process
    process.stop(0)


def await_line(process: Process, line: str) -> None:
    while line not in process.last_lines(10):
        assert process.find()


def test_a_started_process_is_found_again_by_whoever_reads_the_record(process: Process) -> None:
    process.start(SLEEP)
    found = Process(process.record, process.log).find()
    assert found is not None
    assert found.cmdline() == SLEEPER


def test_a_process_is_out_of_reach_of_its_starters_terminal(process: Process) -> None:
    process.start(SLEEP)
    found = process.find()
    assert found is not None
    assert os.getsid(found.pid) == found.pid


def test_a_stopped_process_is_gone_and_forgotten(process: Process) -> None:
    process.start(SLEEP)
    process.stop(10)
    assert process.find() is None
    assert not process.record.exists()


def test_a_process_that_ignores_the_stop_signal_is_killed(process: Process) -> None:
    process.start(DEAF)
    await_line(process, "deaf")
    process.stop(0.2)
    assert process.find() is None


def test_a_killed_process_is_not_taken_for_alive_before_it_is_collected(process: Process) -> None:
    process.start(SLEEP)
    assert process.send(signal.SIGKILL)
    assert process.gone(10)
    assert process.find() is None
    assert not process.send(signal.SIGTERM)


def test_a_reused_pid_is_neither_found_nor_killed(process: Process, tmp_path: Path) -> None:
    with subprocess.Popen(SLEEPER, cwd=tmp_path) as stranger:
        process.start(SLEEP)
        record = json.loads(process.record.read_text())
        process.stop(1)
        process.record.write_text(json.dumps(record | {"pid": stranger.pid, "started": record["started"] - 3600}))
        assert process.find() is None
        process.stop(1)
        assert stranger.poll() is None
        stranger.kill()


def test_a_process_is_found_though_the_clock_was_set(process: Process) -> None:
    process.start(SLEEP)
    record = json.loads(process.record.read_text())
    process.record.write_text(json.dumps(record | {"started": record["started"] - 3600}))
    assert process.find() is not None


def test_a_process_is_found_though_the_boot_time_moved_by_a_second(process: Process) -> None:
    process.start(SLEEP)
    record = json.loads(process.record.read_text())
    process.record.write_text(json.dumps(record | {"started": record["started"] - 1, "command": []}))
    assert process.find() is not None


def test_a_damaged_record_is_no_process(process: Process) -> None:
    process.record.parent.mkdir()
    process.record.write_text("{")
    assert process.find() is None


def test_a_large_log_is_put_aside_when_its_part_starts(process: Process) -> None:
    process.log.parent.mkdir()
    process.log.write_bytes(b"x" * (LARGEST_LOG + 1))
    process.start(DEAF)
    await_line(process, "deaf")
    assert process.log.stat().st_size < 100
    assert process.log.with_suffix(".old.log").stat().st_size == LARGEST_LOG + 1

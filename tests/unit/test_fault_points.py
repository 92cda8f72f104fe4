"""Fault points: nothing without the variable, and with it what it says, at the place it says."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from afflux import faults
from afflux.errors import UsageError

PASS = f"from afflux import faults; faults.arm('{{}}'); [faults.passing(p) for _ in range(3) for p in {faults.POINTS}]"


@pytest.fixture(autouse=True)
def disarmed() -> Iterator[None]:
    yield
    faults.arm("")


def test_nothing_happens_where_nothing_is_armed() -> None:
    faults.arm("")
    for point in faults.POINTS:
        faults.passing(point)


def test_the_process_is_killed_at_the_nth_passage_and_says_so_first() -> None:
    command = [sys.executable, "-c", PASS.format("written:2")]
    died = subprocess.run(command, capture_output=True, text=True, check=False)
    assert died.returncode == -signal.SIGKILL
    assert "fault" in died.stdout
    assert "written" in died.stdout


def test_the_process_is_stopped_until_somebody_wakes_it() -> None:
    with subprocess.Popen([sys.executable, "-c", PASS.format("staged:1:stop")], stdout=subprocess.DEVNULL) as process:
        _, status = os.waitpid(process.pid, os.WUNTRACED)
        assert os.WIFSTOPPED(status)
        process.send_signal(signal.SIGCONT)
        assert process.wait(30) == 0


def test_a_wait_happens_once_and_only_at_its_point(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr(faults.time, "sleep", slept.append)
    faults.arm("folded:2:sleep=1.5")
    for _ in range(4):
        faults.passing("staged")
        faults.passing("folded")
    assert slept == [1.5]


@pytest.mark.parametrize(
    "wish", ["written", "written:", "written:x", "nowhere:1", "written:1:dance", "written:1:sleep=x"]
)
def test_a_wish_that_can_not_be_is_refused_with_what_can(wish: str) -> None:
    with pytest.raises(UsageError) as refused:
        faults.arm(wish)
    assert "written" in refused.value.hint

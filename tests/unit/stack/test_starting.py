"""The order of starting and stopping, with small real processes for parts."""

import os
import signal
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from afflux.errors import StackError
from afflux.stack.parts.base import NotReady, Part
from afflux.stack.process import Launch
from afflux.stack.starting import start, stop
from afflux.stack.state import Spec, State


class Sleeper(Part):
    """A part that answers once its process has written its name."""

    def __init__(self, name: str, state: State, after: Sequence[str] = (), script: str = "echo up; sleep 60") -> None:
        super().__init__(name, state)
        self.after = after  # type: ignore[misc] # a class's own in production, one instance's here
        self.script = script

    @property
    def ports(self) -> list[str]:
        return []

    def prepare(self) -> None:
        """Nothing to make."""

    def launch(self) -> Launch:
        return Launch(["sh", "-c", self.script], dict(os.environ), Path("/"))

    def answer(self) -> None:
        if "up" not in self.process.last_lines(5):
            raise NotReady("no word yet")


class Report:
    def __init__(self) -> None:
        self.lines: list[tuple[str, str]] = []

    def __call__(self, part: str, phase: str) -> None:
        self.lines.append((part, phase))

    def at(self, part: str, phase: str) -> int:
        return self.lines.index((part, phase))


@pytest.fixture
def state(tmp_path: Path) -> State:
    return State(tmp_path, Spec(cluster="c"))


@pytest.fixture
def cleanup() -> Iterator[list[Part]]:
    parts: list[Part] = []
    yield parts
    for part in parts:
        part.process.stop(0)


def test_a_part_starts_when_those_it_needs_answer_and_stops_before_them(state: State, cleanup: list[Part]) -> None:
    # Given in the wrong order: what counts is what each needs.
    parts = [Sleeper("c", state, ["b"]), Sleeper("b", state, ["a"]), Sleeper("a", state)]
    cleanup += parts
    report = Report()
    start(parts, report)
    assert report.at("a", "ready") < report.at("b", "starting")
    assert report.at("b", "ready") < report.at("c", "starting")
    stop(parts, report)
    assert report.at("c", "stopped") < report.at("b", "stopping")
    assert report.at("b", "stopped") < report.at("a", "stopping")
    assert not any(part.process.find() for part in parts)


def test_starting_twice_leaves_what_runs_alone(state: State, cleanup: list[Part]) -> None:
    parts = [Sleeper("a", state), Sleeper("b", state, ["a"])]
    cleanup += parts
    start(parts, Report())
    before = [part.process.find() for part in parts]
    report = Report()
    start(parts, report)
    assert [part.process.find() for part in parts] == before
    assert sorted(report.lines) == [("a", "running"), ("b", "running")]


def test_a_part_that_ends_stops_what_was_started_with_it_and_tells_its_last_words(
    state: State, cleanup: list[Part]
) -> None:
    ran_before = Sleeper("before", state)
    parts = [
        ran_before,
        Sleeper("good", state),
        Sleeper("bad", state, script="echo no such luck; exit 3"),
        Sleeper("later", state, ["bad"]),
    ]
    cleanup += parts
    start([ran_before], Report())
    with pytest.raises(StackError, match=r"(?s)bad ended.*no such luck"):
        start(parts, Report())
    assert [part.name for part in parts if part.process.find()] == ["before"]
    assert not parts[3].process.log.exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupt_stops_what_this_call_started_and_nothing_else(
    state: State, cleanup: list[Part], number: signal.Signals
) -> None:
    ran_before = Sleeper("before", state)
    parts = [ran_before, Sleeper("quick", state), Sleeper("slow", state, script="sleep 60")]
    cleanup += parts
    start([ran_before], Report())
    handlers = [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]

    def interrupt(part: str, phase: str) -> None:
        if (part, phase) == ("quick", "ready"):
            signal.pthread_kill(threading.main_thread().ident or 0, number)

    with pytest.raises(KeyboardInterrupt):
        start(parts, interrupt)
    assert [part.name for part in parts if part.process.find()] == ["before"]
    assert [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)] == handlers

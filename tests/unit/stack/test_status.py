"""How a part is, with real processes."""

import os
from pathlib import Path

import psutil
import pytest

from afflux.stack.process import Launch, Process
from afflux.stack.status import look


class Answering:
    """A part that answers whatever it is asked."""

    name = "part"
    port = 1

    def __init__(self, process: Process) -> None:
        self.process = process

    def answer(self) -> None:
        """Be well."""


def test_a_part_whose_child_ends_while_it_is_looked_at_is_still_ready(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    process = Process(tmp_path / "part.json", tmp_path / "part.log")
    sleep = Launch(["/bin/sleep", "60"], dict(os.environ), Path("/"))
    process.start(sleep)
    gone = process.find()
    assert gone
    process.stop(0)
    assert process.find() is None
    process.start(sleep)
    monkeypatch.setattr(psutil.Process, "children", lambda *_, **__: [gone])
    try:
        seen = look(Answering(process))  # type: ignore[arg-type]  # of a part it needs no more
    finally:
        process.stop(0)
    assert (seen.state, seen.pid is None) == ("ready", False)

"""The end of a part's log, and what is added to it."""

import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path


def tail(log: Path, count: int) -> list[str]:
    """Return the last lines of a log; none if there is no log."""
    try:
        with log.open(errors="replace") as lines:
            return [line.rstrip("\n") for line in deque(lines, count)]
    except FileNotFoundError:
        return []


def follow(log: Path, count: int) -> Iterator[str]:
    """Give the last lines of a log, then every line as it comes, for ever; through the log's renewal, too."""
    while not log.exists():
        time.sleep(0.5)
    yield from tail(log, count)
    at = log.stat().st_size
    rest = ""
    while True:
        time.sleep(0.3)
        size = log.stat().st_size if log.exists() else 0
        if size < at:
            at = 0
        with log.open(errors="replace") as new:
            new.seek(at)
            *lines, rest = (rest + new.read()).split("\n")
            at = new.tell()
        yield from lines

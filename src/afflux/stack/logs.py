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
    at, rest = 0, b""
    last: int | None = count
    while True:
        if log.exists():
            if log.stat().st_size < at:
                at, rest = 0, b""
            with log.open("rb") as new:
                new.seek(at)
                *lines, rest = (rest + new.read()).split(b"\n")
                at = new.tell()
            for line in lines if last is None else deque(lines, last):
                yield line.decode(errors="replace")
            last = None
        time.sleep(0.2)

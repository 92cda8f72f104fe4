"""Waiting for something to be so, never for time alone."""

import time
from collections.abc import Callable
from typing import TypeVar

Found = TypeVar("Found")


def wait_for(found: Callable[[], Found], patience: float, what: Callable[[], str] | str, every: float = 0.1) -> Found:
    """Wait until something is found (is true), and return it.

    Raises:
        AssertionError: it took longer than `patience` seconds; the message says what was waited for.
    """
    give_up = time.monotonic() + patience
    while True:
        result = found()
        if result:
            return result
        if time.monotonic() > give_up:
            words = what if isinstance(what, str) else what()
            raise AssertionError(f"waited {patience:.0f} s in vain for {words}")
        time.sleep(every)

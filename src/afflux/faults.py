"""Deaths at chosen places, for the tests which prove that none of them does harm.

`AFFLUX_FAULT=<point>:<n>[:<what>]` makes the process act when it passes a point for the n-th time: `kill` and
`stop` send it SIGKILL and SIGSTOP, `sleep=<seconds>` lets it wait there. Nobody else sets that variable, and
without it a point is a call that does nothing.
"""

import os
import signal
import time
from dataclasses import dataclass

import structlog

from afflux.errors import UsageError

log = structlog.get_logger()

VARIABLE = "AFFLUX_FAULT"
POINTS = ("consumed", "decoded", "folded", "staged", "written", "committed", "claiming")
"""The steps of a batch in their order, each when it is done; `claiming`, while partitions are taken over."""

_SIGNALS = {"kill": signal.SIGKILL, "stop": signal.SIGSTOP}


@dataclass(slots=True)
class _Fault:
    point: str
    left: int
    what: str


_armed: _Fault | None = None


def arm(wish: str) -> None:
    """Prepare what the variable says; an empty text prepares nothing.

    Raises:
        UsageError: it says nothing that can be done.
    """
    global _armed  # noqa: PLW0603 - one process, one fault; points are passed where no object could be handed to
    point, _, rest = wish.partition(":")
    number, _, what = rest.partition(":")
    what = what or "kill"
    known = what in _SIGNALS or what.removeprefix("sleep=").replace(".", "", 1).isdigit()
    if wish and not (point in POINTS and number.isdigit() and known):
        raise UsageError(
            f"{VARIABLE}={wish} is no fault",
            hint=f"it is for tests: <point>:<n>:<what>, points {', '.join(POINTS)}, what kill, stop or sleep=<seconds>",
        )
    _armed = _Fault(point, int(number), what) if wish else None


def passing(point: str) -> None:
    """Say that a point is passed."""
    if _armed is None or _armed.point != point:
        return
    _armed.left -= 1
    if _armed.left:
        return
    log.warning("fault", point=point, what=_armed.what)
    if _armed.what in _SIGNALS:
        os.kill(os.getpid(), _SIGNALS[_armed.what])
    else:
        time.sleep(float(_armed.what.removeprefix("sleep=")))

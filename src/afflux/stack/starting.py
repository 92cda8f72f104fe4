"""Start parts side by side, each after those it needs; stop them in the opposite order.

Whatever goes wrong on the way, and Ctrl-C, stops what this very call started: nothing is left half.
"""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress

from afflux.errors import StackError
from afflux.stack.interrupts import stoppable, undisturbed
from afflux.stack.parts.base import NotReady, Part
from afflux.stack.ports import refuse_taken

Report = Callable[[str, str], None]
"""Told (part, phase), from several threads: preparing, waiting, starting, then ready (it was started) or running
(it ran already); stopping, stopped."""

PATIENCE = 180.0
"""Seconds until a part that lives but does not answer is given up: slow machines are slow, not broken."""
STOP_PATIENCE = 20.0
"""Seconds that a part has to stop by itself."""


class _Cancelled(Exception):  # noqa: N818 - another's error, or the user's wish
    """Another part failed, or the user stopped it all."""


def start(parts: Sequence[Part], report: Report) -> None:
    """Start the parts that do not run, and return when all of them answer.

    Args:
        parts: every part to run, those it needs among them.
        report: told what each is doing.

    Raises:
        StackError: a part does not start; what this call had started is stopped again.
        KeyboardInterrupt: Ctrl-C, or SIGTERM or SIGHUP; likewise.
    """
    cancelled = threading.Event()
    started: list[Part] = []
    done: dict[str, Future[None]] = {}
    with stoppable(), ThreadPoolExecutor(len(parts)) as pool:
        try:
            for part in _in_order(parts):
                needed = [done[name] for name in part.after if name in done]
                done[part.name] = pool.submit(_start_one, part, needed, started, cancelled, report)
                done[part.name].add_done_callback(lambda future: cancelled.set() if future.exception() else None)
            for future in done.values():
                with suppress(_Cancelled):
                    future.result()
        except BaseException:
            with undisturbed():
                cancelled.set()
                wait(done.values())
                stop(started, report, patience=5)
            raise


def stop(parts: Sequence[Part], report: Report, patience: float = STOP_PATIENCE) -> None:
    """Stop the parts that run; those that need others before those others.

    Args:
        parts: what to stop.
        report: told what each is doing.
        patience: seconds for each to stop by itself before it is killed.
    """

    def stop_one(part: Part) -> None:
        report(part.name, "stopping")
        part.process.stop(patience)
        report(part.name, "stopped")

    left = [part for part in parts if part.process.find()]
    while left:
        needed = {name for part in left for name in part.after}
        now = [part for part in left if part.name not in needed]
        with ThreadPoolExecutor(len(now)) as pool:
            list(pool.map(stop_one, now))
        left = [part for part in left if part not in now]


def _start_one(
    part: Part, needed: list[Future[None]], started: list[Part], cancelled: threading.Event, report: Report
) -> None:
    if part.process.find():
        _await_answer(part, cancelled)
        report(part.name, "running")
        return
    report(part.name, "preparing")
    for name in part.ports:
        refuse_taken(part.name, part.state.spec.ports[name])
    part.prepare()
    report(part.name, "waiting")
    if any(future.exception() for future in needed) or cancelled.is_set():
        raise _Cancelled
    report(part.name, "starting")
    started.append(part)
    part.process.start(part.launch())
    _await_answer(part, cancelled)
    report(part.name, "ready")


def _await_answer(part: Part, cancelled: threading.Event) -> None:
    """Wait until the part answers a request.

    Raises:
        StackError: it ended, or lived on without an answer.
    """
    give_up = time.monotonic() + PATIENCE
    while True:
        alive = part.process.find() is not None
        try:
            part.answer()
        except NotReady as reason:
            why = str(reason)
        else:
            return
        if cancelled.is_set():
            raise _Cancelled
        if not alive:
            raise StackError(
                f"{part.name} ended while it was starting; the end of its log:\n{part.process.last_lines(12)}",
                hint=f"its whole log is {part.process.log}",
            )
        if time.monotonic() > give_up:
            raise StackError(
                f"{part.name} did not answer for {PATIENCE:.0f} s: {why}",
                hint=f"its log is {part.process.log}; `afflux stack down` stops it",
            )
        cancelled.wait(0.2)


def _in_order(parts: Sequence[Part]) -> Iterator[Part]:
    """Give each part after those it needs."""
    left = list(parts)
    while left:
        names = {part.name for part in left}
        for part in [part for part in left if not names.intersection(part.after)]:
            left.remove(part)
            yield part

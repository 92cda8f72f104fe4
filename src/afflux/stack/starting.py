"""Start parts side by side, each after those it needs; stop them in the opposite order.

Whatever goes wrong on the way, and Ctrl-C, stops what this very call started: nothing is left half.
"""

import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

from afflux.errors import StackError
from afflux.stack.parts.base import NotReady, Part
from afflux.stack.ports import refuse_taken

Report = Callable[[str, str], None]
"""Told (part, phase); called from several threads. Phases: waiting, preparing, starting, ready, running, stopping, stopped."""

PATIENCE = 180.0
"""Seconds until a part that lives but does not answer is given up: slow machines are slow, not broken."""
STOP_PATIENCE = 20.0
"""Seconds that a part has to stop by itself."""


class _Cancelled(Exception):
    """Another part failed, or the user stopped it all."""


def start(parts: Sequence[Part], report: Report) -> None:
    """Start the parts that do not run, and return when all of them answer.

    Args:
        parts: every part to run, those it needs among them.
        report: told what each is doing.

    Raises:
        StackError: a part does not start; what this call had started is stopped again.
    """
    cancelled = threading.Event()
    started: list[Part] = []
    with ThreadPoolExecutor(len(parts)) as pool:
        done: dict[str, Future[None]] = {}
        for part in _in_order(parts):
            needed = [done[name] for name in part.after if name in done]
            done[part.name] = pool.submit(_start_one, part, needed, started, cancelled, report)
        try:
            for future in done.values():
                _result(future, cancelled)
        except BaseException:
            cancelled.set()
            with _undisturbed():
                pool.shutdown()
                stop(started, lambda *_: None, patience=5)
            raise
        failures = [error for future in done.values() if isinstance(error := future.exception(), Exception)]
        real = [error for error in failures if not isinstance(error, _Cancelled)]
        if real:
            with _undisturbed():
                stop(started, lambda *_: None, patience=5)
            raise real[0]


def stop(parts: Sequence[Part], report: Report, patience: float = STOP_PATIENCE) -> None:
    """Stop the parts that run; those that need others before those others.

    Args:
        parts: what to stop.
        report: told what each is doing.
        patience: seconds for each to stop by itself.
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


def wait_for_answer(part: Part, cancelled: threading.Event) -> None:
    """Wait until the part answers a request.

    Raises:
        StackError: it ended, or went on living without an answer.
    """
    waited = 0.0
    why = ""
    while waited < PATIENCE:
        alive = part.process.find()
        try:
            if alive:
                return part.answer()
        except NotReady as reason:
            why = str(reason)
        if not alive:
            raise StackError(
                f"{part.name} ended while it was starting; the end of its log {part.process.log}:\n"
                f"{part.process.last_lines(12)}"
            )
        if cancelled.wait(0.2):
            raise _Cancelled
        waited += 0.2
    raise StackError(
        f"{part.name} did not answer for {PATIENCE:.0f} s: {why}", hint=f"see its log: {part.process.log}"
    )


def _start_one(
    part: Part, needed: list[Future[None]], started: list[Part], cancelled: threading.Event, report: Report
) -> None:
    try:
        if part.process.find() is None:
            report(part.name, "preparing")
            for port in part.ports:
                refuse_taken(part.name, part.state.spec.ports[port])
            part.prepare()
            if needed:
                report(part.name, "waiting")
            for future in needed:
                if future.exception():
                    raise _Cancelled
            if cancelled.is_set():
                raise _Cancelled
            report(part.name, "starting")
            started.append(part)
            part.process.start(part.launch())
            wait_for_answer(part, cancelled)
            report(part.name, "ready")
        else:
            wait_for_answer(part, cancelled)
            report(part.name, "running")
    except BaseException:
        cancelled.set()
        raise


def _in_order(parts: Sequence[Part]) -> Iterator[Part]:
    """Give each part after those it needs."""
    left = list(parts)
    while left:
        names = {part.name for part in left}
        for part in [part for part in left if not names.intersection(part.after)]:
            left.remove(part)
            yield part


def _result(future: Future[None], cancelled: threading.Event) -> None:
    """Wait for a future in steps, so that Ctrl-C is noticed; leave its error for later."""
    while not future.done():
        try:
            future.exception(timeout=0.5)
        except TimeoutError:
            continue
    del cancelled


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Let no further Ctrl-C cut the cleaning short."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)

"""One question to one server, again and again, from a thread of its own, so that one that hangs delays no other."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import Generic, TypeVar

from afflux.errors import AffluxError, ServerError

T = TypeVar("T")


class Asking(Generic[T]):
    """Asks a server.

    Args:
        who: how messages call it.
        question: asks, in the thread; raises AffluxError where it gets no answer.
    """

    def __init__(self, who: str, question: Callable[[], T]) -> None:
        self._who, self._question = who, question
        self._asked: Future[T] | None = None
        self._since = 0.0

    def begin(self) -> None:
        """Ask, unless the last question is still open."""
        if not self.open:
            self._asked, self._since = Future(), time.monotonic()
            # A daemon's thread: a server that hangs must not keep the process from ending.
            threading.Thread(target=self._ask, args=[self._asked], name=f"ask {self._who}", daemon=True).start()

    @property
    def open(self) -> bool:
        """Whether the last question is not answered yet."""
        return self._asked is not None and not self._asked.done()

    def _ask(self, asked: Future[T]) -> None:
        try:
            asked.set_result(self._question())
        except BaseException as error:  # noqa: BLE001 - whoever waits for the answer is to have it
            asked.set_exception(error)

    def answer(self, seconds: float) -> T | AffluxError:
        """Wait for the answer; give the error instead where there is none in time, or another than that.

        Args:
            seconds: how long to wait at most.
        """
        assert self._asked is not None, "begin() comes first"  # noqa: S101 - the one caller's duty
        wait([self._asked], timeout=max(0.0, seconds))
        if not self._asked.done():
            waited = time.monotonic() - self._since
            return ServerError(
                f"{self._who}: no answer within {waited:.0f} s",
                hint="Is it overloaded, or the network cut?",
                transient=True,
            )
        try:
            return self._asked.result()
        except AffluxError as error:
            return error

"""What every part of the stack is."""

import signal
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from afflux.stack.process import Launch, Process
from afflux.stack.state import State


class NotReady(Exception):  # noqa: N818 - a state to wait through, no fault
    """The part does not answer yet; the text says how."""


class Part(ABC):
    """One server of the stack.

    Args:
        name: the part's name, by which users know it (`kafka`, `shard0`).
        state: the stack's state folder.
    """

    stop_signals: ClassVar[Sequence[signal.Signals]] = (signal.SIGTERM,)
    after: ClassVar[Sequence[str]] = ()
    """Names of parts that have to answer before this one starts."""
    before_tls: ClassVar[bytes] = b""
    """What a client says before TLS begins; the server answers with one byte."""

    def __init__(self, name: str, state: State) -> None:
        self.name = name
        self.state = state
        folder = state.folder
        self.process = Process(folder / "run" / f"{name}.json", folder / "logs" / f"{name}.log", self.stop_signals)

    @property
    def ports(self) -> list[str]:
        """What of this part needs a port; the first is the one that users speak to."""
        return [self.name]

    @property
    def port(self) -> int:
        """The port that users speak to."""
        return self.state.spec.ports[self.name]

    @property
    def folder(self) -> Path:
        """The part's own files."""
        return self.state.folder / self.name

    @property
    def scheme(self) -> str:
        """How its REST interface is spoken to, where it has one."""
        return "https" if self.state.spec.secure else "http"

    def take_certificate(self) -> bool:
        """Have the running server take up the certificate that lies there anew.

        Returns:
            Whether it will by itself; it has to be started again otherwise.
        """
        return False

    @abstractmethod
    def prepare(self) -> None:
        """Make what the part needs before it can start. Harmless when it is there; whole or not at all."""

    @abstractmethod
    def launch(self) -> Launch:
        """Return how to start the part."""

    @abstractmethod
    def answer(self) -> None:
        """Send the part a request.

        Raises:
            NotReady: it did not answer as it should.
        """

"""Object stores that run on this machine, as lakes and their tests know them."""

import os
import socket
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from afflux.stack.ports import HOST
from chaos.waiting import wait_for

BUCKET = "lake"
"""Each has one, which is empty at first."""


class Served(ABC):
    """A running object store.

    Attributes:
        port: where it listens.
        path: of its bucket, as `sinks[].path` has it.
        secret_option: which of its options is a secret.
        secret: that secret.
    """

    port: int
    path: str
    secret_option: str
    secret: str

    @abstractmethod
    def options(self, port: int | None = None) -> dict[str, str]:
        """Give delta-rs's options, the secret among them.

        Args:
            port: where it is reached, if not where it listens.
        """

    def environment(self, port: int | None = None) -> dict[str, str]:  # noqa: ARG002 - for those that have any
        """Give what delta-rs takes from the environment alone; `port` is as in `options`."""
        return {}


@contextmanager
def process(command: Sequence[str], login: Mapping[str, str], log: Path, port: int) -> Iterator[None]:
    """Run a store's server until the end.

    Args:
        command: its program and what that is told.
        login: what it takes from the environment beside ours.
        log: where to write what it says.
        port: where it listens once it is ready.
    """
    with log.open("wb") as out:
        server = subprocess.Popen(command, env={**os.environ, **login}, stdout=out, stderr=out)
    try:
        wait_for(lambda: _answers(port), 60, log.read_text)
        yield
    finally:
        server.terminate()
        server.wait()


def _answers(port: int) -> bool:
    """Tell whether somebody listens."""
    with suppress(OSError), socket.create_connection((HOST, port), timeout=1):
        return True
    return False

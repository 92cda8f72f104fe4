"""Object stores that run on this machine, as lakes and their tests know them."""

import socket
from abc import ABC, abstractmethod
from contextlib import suppress

from afflux.stack.ports import HOST

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


def answers(port: int) -> bool:
    """Tell whether somebody listens."""
    with suppress(OSError), socket.create_connection((HOST, port), timeout=1):
        return True
    return False

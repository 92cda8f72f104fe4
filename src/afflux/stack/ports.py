"""Ports on loopback: free ones found, taken ones explained."""

import random
import socket
import time
from collections.abc import Collection

import psutil

from afflux.errors import StackError

HOST = "127.0.0.1"
LINGER = 3.0
"""Seconds: the sockets of a process that was killed close a moment after it is gone."""
RANGE = range(20_000, 30_000)
"""Below the ports that systems give to outgoing connections, so a port stays free while the stack is down."""


def is_free(port: int) -> bool:
    """Tell whether a server could listen on this port of loopback now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return True


def find_free(seed: str, taken: Collection[int]) -> int:
    """Return a free port that is none of `taken`.

    Args:
        seed: equal seeds look in equal order, so that a stack gets its old ports again after a purge.
        taken: ports promised to others already.
    """
    start = random.Random(seed).randrange(len(RANGE))  # noqa: S311 - nothing secret about it
    for offset in range(len(RANGE)):
        port = RANGE[(start + offset) % len(RANGE)]
        if port not in taken and is_free(port):
            return port
    raise StackError(f"no port between {RANGE.start} and {RANGE.stop} is free")


def refuse_taken(part: str, port: int) -> None:
    """Raise when a stranger holds the port that a part is to listen on.

    Raises:
        StackError: the port is in use; the message says for what, and by whom where the system tells.
    """
    patience = time.monotonic() + LINGER
    while not is_free(port):
        if time.monotonic() < patience:
            time.sleep(0.1)
            continue
        raise StackError(
            f"port {port}, which {part} is to listen on, is in use by {holder(port)}",
            hint="end that program, or give the part another port (see the --...-port flags of `afflux stack up --help`)",
        )


def holder(port: int) -> str:
    """Say who listens on a port, as far as this user may know."""
    try:
        for connection in psutil.net_connections("tcp"):
            address = connection.laddr
            if connection.status == psutil.CONN_LISTEN and address and address.port == port and connection.pid:
                return f"{psutil.Process(connection.pid).name()} (pid {connection.pid})"
    except (psutil.AccessDenied, psutil.NoSuchProcess):
        pass
    return "another program"

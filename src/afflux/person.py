"""Who runs this process."""

import getpass
import socket


def person() -> str:
    """Give who it is, `user@host`."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        user = "somebody"
    return f"{user}@{socket.gethostname()}"

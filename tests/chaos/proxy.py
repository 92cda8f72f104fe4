"""A small TCP proxy between a sink and its target, which can do what networks do."""

import contextlib
import selectors
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

COMMIT = b"Q\x00\x00\x00\x0bCOMMIT\x00"
"""PostgreSQL's simple query `COMMIT`, as it goes over the wire."""
_RESET = struct.pack("ii", 1, 0)
"""SO_LINGER on, 0 s: closing sends RST, not FIN."""
_CHUNK = 1 << 16


@dataclass(eq=False)
class _Pair:
    client: socket.socket
    server: socket.socket
    closed: threading.Event = field(default_factory=threading.Event)

    def reset(self, *, server: bool = True) -> None:
        """Reset the client's side, and the server's too unless that one is to believe that all is well."""
        self.closed.set()
        _reset(self.client)
        if server:
            _reset(self.server)


class Proxy:
    """Forwards connections to one server.

    Args:
        host: the server's.
        port: the server's.
    """

    def __init__(self, host: str, port: int) -> None:
        self._to = (host, port)
        self._pairs: set[_Pair] = set()
        self._orphans: list[socket.socket] = []
        self._flowing = threading.Event()
        self._flowing.set()
        self._fate: tuple[str, Callable[[], None] | None] | None = None
        self.commits_met = 0
        """How many COMMITs have met their fate since the last `at_commit`."""
        self._listener = _listen(0)
        self.port: int = self._listener.getsockname()[1]
        self._accepting = threading.Thread(target=self._accept, args=(self._listener,), daemon=True)
        self._accepting.start()

    # --- what networks do -----------------------------------------------------------------------

    @contextlib.contextmanager
    def refusing(self) -> Iterator[None]:
        """Close the port and reset what is open: connections are refused."""
        listener = self._listener
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)  # wakes the accepting thread
        listener.close()
        self._accepting.join(5)
        self.reset()
        try:
            yield
        finally:
            self._listener = _listen(self.port)
            self._accepting = threading.Thread(target=self._accept, args=(self._listener,), daemon=True)
            self._accepting.start()

    @contextlib.contextmanager
    def stalling(self) -> Iterator[None]:
        """Forward nothing and close nothing, as a network that drops packets; new connections hang, too."""
        self._flowing.clear()
        try:
            yield
        finally:
            self._flowing.set()

    def reset(self) -> int:
        """Reset all connections; return how many there were."""
        pairs = list(self._pairs)
        for pair in pairs:
            pair.reset()
        return len(pairs)

    def half_close(self) -> int:
        """Reset the client's sides and keep the server's open: the server goes on waiting for its client."""
        pairs = list(self._pairs)
        for pair in pairs:
            self._orphans.append(pair.server)
            pair.reset(server=False)
        return len(pairs)

    def bury(self) -> None:
        """Close what `half_close` has kept."""
        while self._orphans:
            self._orphans.pop().close()

    @contextlib.contextmanager
    def at_commit(self, fate: str, then: Callable[[], None] | None = None) -> Iterator[None]:
        """Let the next COMMIT, and that one only, meet its fate; the connection is reset afterwards.

        Args:
            fate: `drop`, the server never hears of it; `deliver`, the client never hears the answer.
            then: what happens before the reset.
        """
        self.commits_met = 0
        self._fate = (fate, then)
        try:
            yield
        finally:
            self._fate = None

    @property
    def connections(self) -> int:
        """How many connections are open."""
        return len(self._pairs)

    def close(self) -> None:
        """Forward nothing any more."""
        self._flowing.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.reset()
        self.bury()

    # --- forwarding -----------------------------------------------------------------------------

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        self._flowing.wait()
        try:
            server = socket.create_connection(self._to, timeout=5)
        except OSError:
            _reset(client)
            return
        server.settimeout(None)
        for side in (client, server):
            side.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        pair = _Pair(client, server)
        self._pairs.add(pair)
        try:
            self._forward(pair)
        except (OSError, ValueError):
            pass
        finally:
            self._pairs.discard(pair)
            client.close()
            if server not in self._orphans:
                server.close()

    def _forward(self, pair: _Pair) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(pair.client, selectors.EVENT_READ, pair.server)
            selector.register(pair.server, selectors.EVENT_READ, pair.client)
            while not pair.closed.is_set():
                for key, _ in selector.select(timeout=0.5):
                    self._flowing.wait()
                    if pair.closed.is_set():
                        return
                    source: socket.socket = key.fileobj  # type: ignore[assignment]
                    data = source.recv(_CHUNK)
                    if not data:
                        return
                    if source is pair.client and COMMIT in data and not self._let_commit(pair, data):
                        return
                    key.data.sendall(data)

    def _let_commit(self, pair: _Pair, data: bytes) -> bool:
        met, self._fate = self._fate, None
        if met is None:
            return True
        fate, then = met
        if fate == "deliver":
            pair.server.sendall(data)
            pair.server.recv(_CHUNK)  # the answer: it is committed
        if then is not None:
            then()
        pair.reset()
        self.commits_met += 1
        return False


def _listen(port: int) -> socket.socket:
    return socket.create_server(("127.0.0.1", port), backlog=64, reuse_port=False)


def _reset(side: socket.socket) -> None:
    with contextlib.suppress(OSError):
        side.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        side.shutdown(socket.SHUT_RD)
    side.close()

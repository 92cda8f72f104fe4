"""One port that answers `/livez` (am I alive), `/startedz` (have I begun), `/readyz` (do I move) and `/metrics`."""

import threading
from collections.abc import Callable, Sequence

import uvicorn
from prometheus_client.exposition import choose_encoder
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from afflux.errors import UsageError
from afflux.telemetry.metrics import REGISTRY

Probe = Callable[[], str]
"""Gives the reason why not; empty when all is well."""


class HealthServer:
    """Serves the probes from a thread of its own.

    Args:
        host: the address to listen on.
        port: the port; 0 takes a free one.
        alive: says why the process should be restarted.
        ready: says why it does not move at present.
        started: says why it has not begun to work yet.
        pages: what else the port answers.
    """

    def __init__(
        self,
        host: str,
        port: int,
        alive: Probe,
        ready: Probe,
        *,
        started: Probe = lambda: "",
        pages: Sequence[BaseRoute] = (),
    ) -> None:
        routes: list[BaseRoute] = [
            Route("/livez", _answer(alive)),
            Route("/healthz", _answer(alive)),
            Route("/startedz", _answer(started)),
            Route("/readyz", _answer(ready)),
            Route("/metrics", _metrics),
            *pages,
        ]
        app = Starlette(routes=routes)
        app.router.redirect_slashes = False  # which would lead to whatever host a request names
        config = uvicorn.Config(app, host=host, port=port, log_config=None, access_log=False, lifespan="off")
        try:
            self._socket = config.bind_socket()
        except SystemExit:
            raise UsageError(
                f"port {port} on {host} is in use", hint="give another with --port, or 0 for a free one"
            ) from None
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [self._socket]}, name="health", daemon=True
        )

    @property
    def port(self) -> int:
        """The port that is listened on."""
        port: int = self._socket.getsockname()[1]
        return port

    def start(self) -> None:
        """Begin to answer; who asks before the thread is ready waits for it."""
        self._socket.listen()
        self._thread.start()

    def stop(self) -> None:
        """Answer no more."""
        self._server.should_exit = True
        self._thread.join(timeout=5)


def _answer(probe: Probe) -> Callable[[Request], Response]:
    def answer(_request: Request) -> Response:
        reason = probe()
        return JSONResponse({"ok": not reason, "reason": reason or None}, status_code=503 if reason else 200)

    return answer


def exposition(accept: str) -> tuple[bytes, str]:
    """Give all metrics, in OpenMetrics' form where that is asked for and else in Prometheus's own.

    Args:
        accept: the request's `Accept` header.

    Returns:
        The page and its content type.
    """
    try:
        encode, kind = choose_encoder(accept)
    except (TypeError, ValueError):  # a version that is none
        encode, kind = choose_encoder("")
    page: bytes = encode(REGISTRY)
    return page, kind


def _metrics(request: Request) -> Response:
    page, kind = exposition(request.headers.get("accept", ""))
    return Response(page, media_type=kind)

"""The page's routes: the page itself, the past hour, and what is new, live. These only read; `acts` has the others.

What shards and tables are called comes from others, so the browser is told to run and load nothing but what the file
itself holds: its one script and one style are known by their hashes, and no text can become markup.
"""

import asyncio
import contextlib
import json
import threading
import time
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import structlog
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Route

from afflux.control.done.audit import Record
from afflux.errors import AffluxError
from afflux.monitor.asking import Asking
from afflux.monitor.page.acts import Acts, Hands
from afflux.monitor.page.document import Seen, document
from afflux.monitor.page.guards import GUARDS, OwnHosts, headers
from afflux.monitor.page.hour import Hour

log = structlog.get_logger()

VIEWERS: Final = 64
"""Browsers that are told at once; one more is told to come later."""
DEEDS_SECONDS: Final = 15.0
"""From one reading of the last deeds to the next, while somebody looks."""
SCHEMAS_SECONDS: Final = 300.0
"""From one comparison of all tables to the next, while somebody looks."""
_PULSE_SECONDS: Final = 15.0
_HERE: Final = Path(__file__).parent
_PARTS: Final = ("page.css", "page.js", "acts.js")


class Page:
    """Follows what a supervisor sees, from a thread of its own, and shows it.

    Args:
        seen: gives the last look; None before the first.
        deeds: reads the last deeds, oldest first; may raise AffluxError.
        schemas: compares all tables, see `contracts.differences`; may raise AffluxError. None: nobody does.
        hands: carry out what people want; None: the page only shows.
    """

    def __init__(
        self,
        seen: Callable[[], Seen | None],
        deeds: Callable[[], Sequence[Record]] = lambda: (),
        schemas: Callable[[], Mapping[str, Any]] | None = None,
        hands: Hands | None = None,
    ) -> None:
        self._seen, self._read_deeds = seen, deeds
        self._hosts: Callable[[], Collection[str]] = hands.hosts if hands else tuple
        self._acts = Acts(hands, GUARDS, lambda: self._name, self._acted) if hands else None
        self._name = ""
        self._comparing = Asking("schemas", schemas) if schemas else None
        self._compared: Mapping[str, Any] | None = None
        self._compared_at, self._asked = -SCHEMAS_SECONDS, False
        self._hour = Hour()
        self._deeds: Sequence[Record] = ()
        self._deeds_at = 0.0
        self._viewers = 0
        self._shown: tuple[int, bytes] = (0, b"")
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="page", daemon=True)
        html = assembled()
        self._html, self._headers = html, headers(html)

    @property
    def routes(self) -> Sequence[BaseRoute]:
        """What the server answers for it."""
        routes = (
            Route("/", self._answer_page),
            Route("/live", self._answer_live),
            Route("/history", self._answer_past),
        )
        mine = [Middleware(OwnHosts, hosts=self._hosts)]
        return [
            Route(route.path, route.endpoint, methods=route.methods and [*route.methods], middleware=mine)
            for route in (*routes, *(self._acts.routes if self._acts else ()))
        ]

    def start(self) -> None:
        """Begin to follow."""
        self._thread.start()

    def stop(self) -> None:
        """Follow no more, and let all viewers go."""
        self._stop.set()
        self._thread.join(timeout=5)

    def turn(self) -> None:
        """Take in what is new, if anything is."""
        seen = self._seen()
        if seen is None:
            return
        new = self._hour.last is None or seen.readings.at.timestamp() != self._hour.last.at
        self._name = seen.topology.name
        news = [self._learn_deeds(), self._compare(), new]
        if not any(news):
            return
        found = seen.overview
        if new:
            with self._lock:
                self._hour.add(found, seen.readings.topics)
        said = json.dumps(
            document(seen, found, self._hour, self._deeds, self._compared), default=_plain, allow_nan=False
        )
        self._shown = self._shown[0] + 1, said.encode()

    def _run(self) -> None:
        while not self._stop.wait(1.0):
            try:
                self.turn()
            except Exception:  # a page that can't be made must not end all that come after it
                log.exception("page failed")

    def _learn_deeds(self) -> bool:
        """Read what was done, while somebody looks; tells whether that is anything new."""
        now, before = time.monotonic(), self._deeds
        if self._viewers and now - self._deeds_at >= DEEDS_SECONDS:
            self._deeds_at = now
            with contextlib.suppress(AffluxError):  # a broker that is away is told on the page as such
                self._deeds = self._read_deeds()
        return self._deeds != before

    def _compare(self) -> bool:
        """Have all tables compared, while somebody looks; tells whether that has brought anything new."""
        comparing, before = self._comparing, self._compared
        if comparing is None or comparing.open:
            return False
        if self._asked:
            self._asked = False
            answer = comparing.answer(0)
            self._compared = {"problem": answer.message} if isinstance(answer, AffluxError) else dict(answer)
            return self._compared != before
        if self._viewers and time.monotonic() - self._compared_at >= SCHEMAS_SECONDS:
            self._compared_at, self._asked = time.monotonic(), True
            comparing.begin()
        return False

    def _acted(self) -> None:
        """Show what was just done soon."""
        self._deeds_at = -DEEDS_SECONDS

    async def _answer_page(self, _request: Request) -> Response:
        return HTMLResponse(self._html, headers=self._headers)

    async def _answer_past(self, request: Request) -> Response:
        with self._lock:
            past = self._hour.past(request.query_params.get("shard"))
        return Response(json.dumps(past, allow_nan=False), media_type="application/json", headers=GUARDS)

    async def _answer_live(self, _request: Request) -> Response:
        if self._viewers >= VIEWERS:
            return PlainTextResponse("too many look already", status_code=503, headers=GUARDS | {"Retry-After": "30"})
        return StreamingResponse(self._events(), media_type="text/event-stream", headers=GUARDS)

    async def _events(self) -> AsyncIterator[bytes]:
        self._viewers += 1
        try:
            number, told = 0, time.monotonic()
            yield b"retry: 3000\n\n"
            while not self._stop.is_set():
                shown, said = self._shown
                if shown != number:
                    number, told = shown, time.monotonic()
                    yield b"data: " + said + b"\n\n"
                elif time.monotonic() - told > _PULSE_SECONDS:
                    told = time.monotonic()
                    yield b": still here\n\n"
                await asyncio.sleep(0.5)
        finally:
            self._viewers -= 1


def assembled() -> str:
    """Give the page as one file: its style and its scripts in it."""
    html = (_HERE / "page.html").read_text(encoding="utf-8")
    for name in _PARTS:
        html = html.replace(f"/* {name} */", (_HERE / name).read_text(encoding="utf-8"))
    return html


def _plain(value: Any) -> str:
    return str(value.isoformat()) if hasattr(value, "isoformat") else str(value)

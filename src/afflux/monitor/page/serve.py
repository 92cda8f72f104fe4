"""The page's routes: the page itself, the past hour, and what is new, live. All of them only read.

What shards and tables are called comes from others, so the browser is told to run and load nothing but what the file
itself holds: its one script and one style are known by their hashes, and no text can become markup.
"""

import asyncio
import base64
import contextlib
import hashlib
import json
import re
import threading
import time
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any, Final

import structlog
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Route

from afflux.control.audit import Record
from afflux.errors import AffluxError
from afflux.monitor.page.document import Seen, document
from afflux.monitor.page.hour import Hour

log = structlog.get_logger()

VIEWERS: Final = 64
"""Browsers that are told at once; one more is told to come later."""
DEEDS_SECONDS: Final = 15.0
"""From one reading of the last deeds to the next, while somebody looks."""
_PULSE_SECONDS: Final = 15.0
_HTML: Final = Path(__file__).with_name("page.html")


class Page:
    """Follows what a supervisor sees, from a thread of its own, and shows it.

    Args:
        seen: gives the last look; None before the first.
        deeds: reads the last deeds, oldest first; may raise AffluxError.
    """

    def __init__(self, seen: Callable[[], Seen | None], deeds: Callable[[], Sequence[Record]] = lambda: ()) -> None:
        self._seen, self._read_deeds = seen, deeds
        self._hour = Hour()
        self._deeds: Sequence[Record] = ()
        self._deeds_at = 0.0
        self._viewers = 0
        self._shown: tuple[int, bytes] = (0, b"")
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="page", daemon=True)
        html = _HTML.read_text(encoding="utf-8")
        self._html, self._headers = html, headers(html)

    @property
    def routes(self) -> Sequence[BaseRoute]:
        """What the server answers for it."""
        return (Route("/", self._answer_page), Route("/live", self._answer_live), Route("/history", self._answer_past))

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
        if not self._learn_deeds() and not new:
            return
        found = seen.overview
        if new:
            with self._lock:
                self._hour.add(found, seen.readings.topics)
        said = json.dumps(document(seen, found, self._hour, self._deeds), default=_plain, allow_nan=False)
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


GUARDS: Final = {
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
"""With every answer."""


def headers(html: str) -> dict[str, str]:
    """Give the page's headers: what a browser may do with it, which is to run what the file holds and nothing else.

    Args:
        html: the file; its script and its style are allowed by their hashes.
    """
    script, style = (_hashes(html, tag) for tag in ("script", "style"))
    policy = (
        f"default-src 'none'; script-src {script}; style-src {style}; connect-src 'self'; img-src data:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
        "require-trusted-types-for 'script'; trusted-types 'none'"
    )
    return GUARDS | {"Content-Security-Policy": policy, "X-Frame-Options": "DENY"}


def _hashes(html: str, tag: str) -> str:
    """Give the hashes of a tag's contents, as Content Security Policy Level 3 spells them."""
    contents = re.findall(rf"<{tag}>(.*?)</{tag}>", html, flags=re.DOTALL)
    return " ".join(f"'sha256-{base64.b64encode(hashlib.sha256(c.encode()).digest()).decode()}'" for c in contents)


def _plain(value: Any) -> str:
    return str(value.isoformat()) if hasattr(value, "isoformat") else str(value)

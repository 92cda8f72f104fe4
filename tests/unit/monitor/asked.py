"""A web server's application asked by hand: requests that no browser and no library would send."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

HeaderList = Sequence[tuple[bytes, bytes]]


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes

    @property
    def kind(self) -> str:
        """Its content type, without parameters."""
        return dict(self.headers).get(b"content-type", b"").decode().partition(";")[0]


def ask(app: Any, method: str, path: str, *, query: bytes, headers: HeaderList, body: bytes) -> Answer:
    """Send a request and take the answer's beginning; a stream is left at once.

    Args:
        app: by ASGI 3.
        method: any word.
        path: decoded, as servers give it.
        query: its bytes, without the question mark.
        headers: names in lower case.
        body: it comes in two parts.

    Raises:
        Exception: what the application did not catch, for which a server answers 500.
    """
    half = len(body) // 2
    parts = [
        {"type": "http.request", "body": body[:half], "more_body": True},
        {"type": "http.request", "body": body[half:], "more_body": False},
    ]
    said: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        await asyncio.sleep(0)
        return parts.pop(0) if parts else {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        await asyncio.sleep(0)
        said.append(message)

    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode("utf-8", "surrogatepass"),
        "root_path": "",
        "query_string": query,
        "headers": list(headers),
        "client": ("127.0.0.1", 50000),
        "server": ("127.0.0.1", 8080),
        "state": {},
    }
    asyncio.run(app(scope, receive, send))
    begun = said[0]
    return Answer(begun["status"], list(begun["headers"]), b"".join(m.get("body", b"") for m in said[1:]))

"""What the page is guarded by before anybody asks who somebody is: what a browser may do with it, and whom it is for."""

import base64
import hashlib
import re
from collections.abc import Callable, Collection
from typing import Final

import structlog
from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from afflux.errors import AffluxError
from afflux.monitor.page.entry import is_own_host

log = structlog.get_logger()

GUARDS: Final = {
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
"""With every answer."""


class OwnHosts:
    """Lets no request through that was meant for another server.

    Args:
        app: answers the others.
        hosts: gives the declared names.
    """

    def __init__(self, app: ASGIApp, hosts: Callable[[], Collection[str]]) -> None:
        self._app, self._hosts = app, hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or say which name is missing."""
        host = Headers(scope=scope).get("host", "")
        try:
            named = self._hosts()
        except AffluxError:  # a reference among them leads nowhere
            named = ()
        if is_own_host(host, named):
            await self._app(scope, receive, send)
            return
        log.warning("request refused", reason="its Host is neither an address nor a declared name", host=host[:200])
        said = "this page is asked for by an address, localhost, or a name in the topology's monitor.page.hosts\n"
        await PlainTextResponse(said, status_code=421, headers=GUARDS)(scope, receive, send)


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

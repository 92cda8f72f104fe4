"""Who may act on the page: a token with a name opens a session, and nothing counts that another site may have sent.

What guards an act, each against something else:

- `Host` is this machine's address or a declared name: a name that an attacker lets point here is none (DNS rebinding).
- `Origin` is the page's own, and `Sec-Fetch-Site` says so where a browser sends it: another site's script or form.
- The session's cookie is `HttpOnly` and `SameSite=Strict`: no script reads it, no other site sends it.
- Each act carries the session's own CSRF token, which only the page's script was told: whatever is left.
"""

import hashlib
import hmac
import ipaddress
import secrets
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

SHORTEST: Final = 16
"""Characters of a token, so that nobody can guess one."""
SESSION_SECONDS: Final = 8 * 3600.0
SESSIONS: Final = 64
"""At once; the oldest ends where one more begins."""


@dataclass(frozen=True, slots=True)
class Session:
    """Somebody who may act.

    Attributes:
        name: the token's.
        csrf: what each act has to carry.
        token: the token's digest; the session ends with it.
        until: when it ends, by the clock of `Entry`.
    """

    name: str
    csrf: str
    token: bytes
    until: float


class Entry:
    """Lets people in.

    Args:
        tokens: gives name -> token as they are now, secrets resolved; may raise AffluxError.
        clock: seconds that only grow.
    """

    def __init__(self, tokens: Callable[[], Mapping[str, str]], clock: Callable[[], float] = time.monotonic) -> None:
        self._tokens, self._clock = tokens, clock
        self._sessions: dict[bytes, Session] = {}

    def enter(self, token: str) -> tuple[str, Session] | None:
        """Begin a session; returns its cookie and itself, or None where nobody has that token."""
        given = _digest(token)
        names = [name for name, known in self._tokens().items() if hmac.compare_digest(_digest(known), given)]
        if not names:
            return None
        cookie = secrets.token_urlsafe(32)
        session = Session(names[0], secrets.token_urlsafe(32), given, self._clock() + SESSION_SECONDS)
        while len(self._sessions) >= SESSIONS:
            del self._sessions[next(iter(self._sessions))]
        self._sessions[_digest(cookie)] = session
        return cookie, session

    def session(self, cookie: str) -> Session | None:
        """Give the session of a cookie; None where it is over, or its token is not valid any more."""
        known = self._sessions.get(_digest(cookie))
        if known is None:
            return None
        valid = self._tokens().get(known.name)
        if valid is None or not hmac.compare_digest(_digest(valid), known.token) or self._clock() >= known.until:
            self.leave(cookie)
            return None
        return known

    def leave(self, cookie: str) -> None:
        """End a session."""
        self._sessions.pop(_digest(cookie), None)


def is_own_host(host: str, named: Collection[str]) -> bool:
    """Tell whether a request was meant for this server, by its `Host`: an address, `localhost`, or a declared name."""
    try:
        name = urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return False
    if name == "localhost" or name in {each.lower() for each in named}:
        return True
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def foreign(headers: Mapping[str, str], *, changes: bool) -> str:
    """Say why a request does not come from the page itself; empty where it does.

    Args:
        headers: the request's, by lower-case names.
        changes: whether it asks for a change; then the page's own origin must stand in it.
    """
    site = headers.get("sec-fetch-site", "same-origin")
    if site != "same-origin":
        return f"it comes from elsewhere ({site})"
    origin = headers.get("origin")
    if origin is None:
        return "it does not say where it comes from" if changes else ""
    try:
        parts = urlsplit(origin)
    except ValueError:
        return "it comes from nowhere"
    if parts.scheme not in {"http", "https"} or parts.netloc.lower() != headers.get("host", "").lower():
        return "it comes from another site"
    return ""


def is_session_of(session: Session, csrf: str) -> bool:
    """Tell whether a CSRF token is the session's own."""
    return hmac.compare_digest(_digest(session.csrf), _digest(csrf))


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()

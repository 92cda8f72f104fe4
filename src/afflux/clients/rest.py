"""A server that speaks JSON over HTTP: time limits, retries of what may be retried, readable errors."""

import threading
from collections.abc import Callable, Mapping
from typing import Any, TypedDict
from urllib.parse import quote, unquote, urlsplit, urlunsplit

import requests
from tenacity import RetryCallState, Retrying, retry_if_exception, wait_random_exponential

from afflux.errors import ServerError

CONNECT_SECONDS = 3.05
READ_SECONDS = 30.0
NO_ANSWER_PATIENCE = 3.0
"""Seconds of trying while nobody listens: a server that restarts is waited for, a wrong address is told soon."""
BUSY_PATIENCE = 30.0
"""Seconds of trying while the server answers that it is busy: a rebalance of Kafka Connect takes this long."""

_OK = range(200, 300)
_CONFLICT = 409
_SERVER_FAULT = 500
_WHO = frozenset({401, 403})
_JSON = {"Accept": "application/json", "Content-Type": "application/json"}


class Secured(TypedDict):
    """What `Rest` takes of a login and of TLS."""

    auth: tuple[str, str] | None
    verify: str | bool
    cert: tuple[str, str] | None


def secured(properties: Mapping[str, str]) -> Secured:
    """Read login and TLS from properties named as in Confluent's clients.

    Args:
        properties: `basic.auth.user.info` (`user:password`), `ssl.ca.location`, `ssl.certificate.location` and
            `ssl.key.location`, secrets resolved; others are ignored.
    """
    user, _, password = properties.get("basic.auth.user.info", "").partition(":")
    certificate, key = properties.get("ssl.certificate.location"), properties.get("ssl.key.location")
    return {
        "auth": (user, password) if user else None,
        "verify": properties.get("ssl.ca.location", True),
        "cert": (certificate, key) if certificate and key else None,
    }


class Unavailable(Exception):  # noqa: N818 - a state of the server, not a fault of the caller
    """Nobody answered at all."""


class Rest:
    """One HTTP server, or several that are as good as each other; safe to use from several threads.

    Args:
        url: its address, or several separated by commas: the one that answered last is asked, and the next one
            where it does not answer any more. A user and password in it are used to log in and never shown.
        name: how to call it in messages, such as `Kafka Connect`.
        error: the kind of error to raise.
        hint: what to do when nobody answers at the address.
        auth: user and password, where they are not in the URL.
        verify: a file of CA certificates, or True for the system's.
        cert: files of the client's certificate and key.
    """

    def __init__(
        self,
        url: str,
        *,
        name: str,
        error: Callable[..., ServerError],
        hint: str,
        auth: tuple[str, str] | None = None,
        verify: str | bool = True,
        cert: tuple[str, str] | None = None,
    ) -> None:
        self._servers = [_server(each.strip(), auth) for each in url.split(",")]
        self._asked = 0
        self._name, self._error, self._hint = name, error, hint
        self._verify, self._cert = verify, cert
        self._sessions = threading.local()  # connections are kept, and no two threads share one

    @property
    def url(self) -> str:
        """The address that is asked at present, without user and password."""
        return self._servers[self._asked][0]

    def get(self, *path: str, **query: str | list[str]) -> Any:
        """Read; retried while the server is away or busy."""
        return self.call("GET", *path, query=query)

    def put(self, *path: str, body: Any = None, read_seconds: float = READ_SECONDS) -> Any:
        """Set a thing to a state; retried, for setting it twice changes nothing."""
        return self.call("PUT", *path, body=body, read_seconds=read_seconds)

    def delete(self, *path: str) -> Any:
        """Remove a thing; retried. That it is gone already is fine, and gives None."""
        return self.call("DELETE", *path, missing_ok=True)

    def call(
        self,
        method: str,
        *path: str,
        query: dict[str, Any] | None = None,
        body: Any = None,
        retry: bool = True,
        missing_ok: bool = False,
        read_seconds: float = READ_SECONDS,
    ) -> Any:
        """Ask once, or again while that may help.

        Args:
            method: an HTTP method.
            path: the path's parts, not yet quoted.
            query: the query's parameters.
            body: sent as JSON.
            retry: whether asking twice is the same as asking once.
            missing_ok: give None for 404 instead of an error.
            read_seconds: how long an answer may take.

        Returns:
            The answer's JSON, or None where it has none.

        Raises:
            ServerError: of the kind given at the start; `transient` when the server was away or busy.
        """

        def once() -> Any:
            answer = self._send(method, path, query, body, read_seconds)
            if missing_ok and answer.status_code == requests.codes.not_found:
                return None
            self._refuse(answer, method, path)
            return answer.json() if answer.content else None

        if not retry:
            return once()
        return Retrying(
            retry=retry_if_exception(lambda error: isinstance(error, ServerError) and error.transient),
            stop=_out_of_patience,
            wait=wait_random_exponential(multiplier=0.2, max=3),
            reraise=True,
        )(once)

    def _send(
        self, method: str, path: tuple[str, ...], query: dict[str, Any] | None, body: Any, read_seconds: float
    ) -> requests.Response:
        place = self._asked
        server, auth = self._servers[place]
        where = f"{self._name} at {server}"
        try:
            return self._session().request(
                method,
                "/".join((server, *(quote(part, safe="") for part in path))),
                params=query,
                json=body,
                headers=_JSON,
                auth=auth,
                verify=self._verify,
                cert=self._cert,
                timeout=(CONNECT_SECONDS, read_seconds),
            )
        except requests.exceptions.SSLError as error:
            raise self._error(f"{where}: no secure connection: {_root(error)}", hint=self._hint) from None
        except requests.ReadTimeout:
            self._ask_next(place)
            raise self._error(
                f"{where} did not answer {method} /{'/'.join(path)} in {read_seconds:g} s",
                hint=self._hint,
                transient=True,
            ) from None
        except requests.ConnectionError as error:
            self._ask_next(place)
            raise self._error(
                f"{where} does not answer: {_root(error)}", hint=self._hint, transient=True
            ) from Unavailable()
        except requests.RequestException as error:
            raise self._error(f"{where}: {_root(error)}", hint=self._hint) from None

    def _ask_next(self, place: int) -> None:
        self._asked = (place + 1) % len(self._servers)

    def _session(self) -> requests.Session:
        session: requests.Session | None = getattr(self._sessions, "session", None)
        if session is None:
            session = self._sessions.session = requests.Session()
        return session

    def _refuse(self, answer: requests.Response, method: str, path: tuple[str, ...]) -> None:
        status = answer.status_code
        if status not in _OK:
            raise self._error(
                f"{self._name} at {self.url} refused {method} /{'/'.join(path)} ({status}): {_readable(answer)}",
                hint="Check its login: basic.auth.user.info of its properties." if status in _WHO else "",
                transient=status == _CONFLICT or status >= _SERVER_FAULT,
            )


def _server(url: str, auth: tuple[str, str] | None) -> tuple[str, tuple[str, str] | None]:
    """Take the login out of an address: (address, login)."""
    parts = urlsplit(url)
    if parts.username:
        auth = (unquote(parts.username), unquote(parts.password or ""))
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2])).rstrip("/"), auth


def _readable(answer: requests.Response) -> str:
    """Say what a refusing server meant, in one line: its JSON `message`, or the start of its text."""
    try:
        body = answer.json()
    except ValueError:
        body = None
    text = body.get("message") if isinstance(body, dict) else None
    return " ".join(str(text or answer.text or answer.reason or "no reason given").split())[:600]


def _out_of_patience(state: RetryCallState) -> bool:
    error = state.outcome.exception() if state.outcome else None
    patience = NO_ANSWER_PATIENCE if error and isinstance(error.__cause__, Unavailable) else BUSY_PATIENCE
    return (state.seconds_since_start or 0.0) >= patience


def _root(error: BaseException) -> str:
    """The innermost reason of a chain that requests and urllib3 wrap several times."""
    seen: list[BaseException] = []
    inner: BaseException | None = error
    while inner is not None and inner not in seen:
        seen.append(inner)
        reason = getattr(inner, "reason", None)
        inner = reason if isinstance(reason, BaseException) else inner.__cause__ or inner.__context__
    text = str(seen[-1]) or type(seen[-1]).__name__
    return text.partition("] ")[2] or text

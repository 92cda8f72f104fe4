"""What people may do on the page: the requests, each let through by `entry`, and the hands that carry them out."""

import json
import threading
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

import structlog
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from afflux.errors import AffluxError
from afflux.monitor.page.entry import SESSION_SECONDS, Entry, Session, foreign, is_session_of

log = structlog.get_logger()

Answer = Callable[[Request], Awaitable[Response]]

LARGEST: Final = 64 * 1024
"""Bytes of a request."""
_FIELDS: Final = ("action", "shard", "sink", "why", "confirm")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What somebody wants to be done.

    Attributes:
        action: which of the page's actions.
        by: who: the token's name, and from where.
        why: the reason, in that person's words.
        shard: to which shard, where it is of one.
        sink: to which sink's dead letters, where it is of those.
        ids: which dead letters, `topic:partition:offset`.
        confirm: the shard's name once more, where the action asks for it.
    """

    action: str
    by: str
    why: str
    shard: str = ""
    sink: str = ""
    ids: tuple[str, ...] = ()
    confirm: str = ""


class Hands(Protocol):
    """What carries out what people want; every method may raise AffluxError, and is called from any thread."""

    def tokens(self) -> Mapping[str, str]:
        """Give name -> token of those who may act; none: nobody may."""
        ...

    def hosts(self) -> Collection[str]:
        """Give the names that the page may be asked for by."""
        ...

    def act(self, wish: Wish) -> str:
        """Do something, and say what came of it."""
        ...

    def letters(self, sink: str) -> Mapping[str, Any]:
        """Give a sink's open dead letters: `letters`, the oldest first, how `many` there are, and `notes`."""
        ...

    def letter(self, sink: str, number: str) -> str:
        """Give all there is of one dead letter, its key and event decoded, as text."""
        ...


class Refused(Exception):  # noqa: N818 - no error of afflux's: it becomes an answer here, and goes no further
    """Why a request is not followed.

    Args:
        status: of the answer, as HTTP has it.
        error: what is wrong with it.
        hint: what to do next.
    """

    def __init__(self, status: int, error: str, hint: str = "") -> None:
        super().__init__(error)
        self.status, self.error, self.hint = status, error, hint


class Acts:
    """Answers what the page's script asks for when somebody acts.

    Args:
        hands: what carries it out.
        guards: headers of every answer.
        topology: gives the topology's name.
        done: told when something was done.
    """

    def __init__(
        self, hands: Hands, guards: Mapping[str, str], topology: Callable[[], str], done: Callable[[], None]
    ) -> None:
        self._hands, self._guards, self._topology, self._done = hands, dict(guards), topology, done
        self._entry = Entry(hands.tokens)
        self._busy = threading.Lock()

    @property
    def routes(self) -> Sequence[Route]:
        """What the server answers for it."""
        return (
            Route("/session", self._answering(self._session_of)),
            Route("/enter", self._answering(self._enter), methods=["POST"]),
            Route("/leave", self._answering(self._leave), methods=["POST"]),
            Route("/dead-letters", self._answering(self._letters)),
            Route("/act", self._answering(self._act), methods=["POST"]),
        )

    def _answering(self, answer: Answer) -> Answer:
        async def guarded(request: Request) -> Response:
            try:
                return await answer(request)
            except Refused as refused:
                if refused.status in {401, 403}:
                    log.warning("refused", path=request.url.path, address=_address(request), reason=refused.error)
                status, error, hint = refused.status, refused.error, refused.hint
            except AffluxError as failed:
                status, error, hint = 422, failed.message, failed.hint
            return JSONResponse({"error": error, "hint": hint}, status_code=status, headers=self._guards)

        return guarded

    async def _session_of(self, request: Request) -> Response:
        """Tell whether anybody may act here, and who the asking one is."""
        _see_own(request, changes=False)
        session = await self._session(request)
        try:
            may = bool(await run_in_threadpool(self._hands.tokens))
        except AffluxError:
            may = True  # entering says what is wrong with the tokens
        return self._say({"may": may, **_of(session)})

    async def _enter(self, request: Request) -> Response:
        asked = await _asked(request)
        try:
            entered = await run_in_threadpool(self._entry.enter, str(asked.get("token", "")))
        except AffluxError as error:
            log.warning("the page's tokens can't be read", reason=error.message, hint=error.hint)
            raise Refused(503, "the tokens can't be read", "the supervisor's log says why") from None
        if entered is None:
            raise Refused(401, "no token is like this one")
        cookie, session = entered
        log.info("entered", name=session.name, address=_address(request))
        answer = self._say(_of(session))
        self._give(answer, request, cookie, SESSION_SECONDS)
        return answer

    async def _leave(self, request: Request) -> Response:
        await _asked(request)
        self._entry.leave(request.cookies.get(self._cookie, ""))
        answer = self._say(_of(None))
        self._give(answer, request, "", 0)
        return answer

    async def _letters(self, request: Request) -> Response:
        """Give the dead letters: they hold rows, so that only who may act may read them."""
        _see_own(request, changes=False)
        if await self._session(request) is None:
            raise Refused(401, "only who has a token may read dead letters")
        sink, number = request.query_params.get("sink", ""), request.query_params.get("id", "")
        if number:
            return self._say({"text": await run_in_threadpool(self._hands.letter, sink, number)})
        return self._say(await run_in_threadpool(self._hands.letters, sink))

    async def _act(self, request: Request) -> Response:
        asked = await _asked(request)
        session = await self._session(request)
        if session is None:
            raise Refused(401, "your session is over", "enter your token again")
        if not is_session_of(session, request.headers.get("x-afflux-csrf", "")):
            raise Refused(403, "it does not carry this session's CSRF token", "reload the page")
        wish = _wish(asked, f"{session.name} at {_address(request)}")
        if not self._busy.acquire(blocking=False):
            raise Refused(409, "something else is being done", "wait for its end")
        try:
            return self._say({"told": await run_in_threadpool(self._hands.act, wish)})
        finally:
            self._busy.release()
            self._done()

    @property
    def _cookie(self) -> str:
        """One host may have several pages, and cookies do not know ports."""
        return f"afflux-{self._topology()}"

    def _give(self, answer: Response, request: Request, cookie: str, seconds: float) -> None:
        secure = request.headers["origin"].startswith("https:")
        # Without a path it is the page's own folder's, wherever a proxy puts that.
        answer.set_cookie(
            self._cookie, cookie, max_age=int(seconds), path=None, secure=secure, httponly=True, samesite="strict"
        )

    async def _session(self, request: Request) -> Session | None:
        try:
            return await run_in_threadpool(self._entry.session, request.cookies.get(self._cookie, ""))
        except AffluxError:  # the tokens can't be read: nobody may act
            return None

    def _say(self, what: Mapping[str, Any]) -> JSONResponse:
        return JSONResponse(dict(what), headers=self._guards)


def _see_own(request: Request, *, changes: bool) -> None:
    """Raise Refused where a request does not come from the page itself."""
    if strange := foreign(request.headers, changes=changes):
        raise Refused(403, strange)


async def _asked(request: Request) -> dict[str, Any]:
    """Give what a request asks for, if it comes from the page itself; raises Refused else."""
    _see_own(request, changes=True)
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        raise Refused(415, "it is not JSON")
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > LARGEST:
            raise Refused(413, "it is too long")
    try:
        asked = json.loads(body)
        json.dumps(asked, ensure_ascii=False).encode()  # halves of surrogates are no text: nobody could write them down
    except (ValueError, RecursionError):
        asked = None
    if not isinstance(asked, dict):
        raise Refused(400, "it is no JSON object")
    return asked


def _wish(asked: Mapping[str, Any], by: str) -> Wish:
    """Read a wish; raises Refused where it is none."""
    texts, ids = {name: asked.get(name, "") for name in _FIELDS}, asked.get("ids", [])
    if not all(isinstance(text, str) for text in texts.values()):
        raise Refused(400, "its fields are not texts")
    if not isinstance(ids, list) or not all(isinstance(number, str) for number in ids):
        raise Refused(400, "its ids are not texts")
    texts["why"] = " ".join(texts["why"].split())
    if not texts["why"]:
        raise Refused(400, "say why", "the reason is kept with the deed")
    return Wish(by=by, ids=tuple(ids), **texts)


def _of(session: Session | None) -> dict[str, Any]:
    return {"name": session.name if session else None, "csrf": session.csrf if session else None}


def _address(request: Request) -> str:
    return request.client.host if request.client else "an address that is not known"

"""Whatever a request holds: no fault, no deed without token, origin and CSRF token, and nothing comes back as markup."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from afflux.monitor.health import HealthServer
from afflux.monitor.page import Page, Seen, serve
from hostile import HOSTILE
from looks import declared, readings, streaming
from unit.monitor.acting import TOKEN, Remembering
from unit.monitor.asked import Answer, HeaderList, ask

HOST, ORIGIN = b"127.0.0.1:8080", b"http://127.0.0.1:8080"
PATHS = [
    "/",
    "/live",
    "/history",
    "/session",
    "/enter",
    "/leave",
    "/dead-letters",
    "/act",
    "/metrics",
    "/livez",
    "/readyz",
]
METHODS = ["GET", "POST", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH", "get", "", "\u0130"]
WISH = {"action": "restart", "shard": "shard0", "why": "it hangs"}


@dataclass
class Place:
    """A page under attack, and somebody's session on it."""

    app: Any
    hands: Remembering
    cookie: bytes
    csrf: bytes

    def right(self) -> dict[bytes, bytes]:
        """The headers of an act that is let through."""
        return {
            b"host": HOST,
            b"origin": ORIGIN,
            b"sec-fetch-site": b"same-origin",
            b"content-type": b"application/json",
            b"cookie": self.cookie,
            b"x-afflux-csrf": self.csrf,
        }

    def ask(self, method: str, path: str, headers: HeaderList, body: bytes, query: bytes = b"") -> tuple[Answer, int]:
        """Ask, see that the answer is a good one, and tell how many deeds it has led to."""
        before = len(self.hands.wishes)
        answer = ask(self.app, method, path, query=query, headers=headers, body=body)
        assert answer.status < 500, answer.body
        assert all(b"\r" not in value and b"\n" not in value for _, value in answer.headers)
        assert b"location" not in dict(answer.headers)
        assert answer.kind in {
            "",
            "application/json",
            "text/plain",
            "text/html",
            "text/event-stream",
            "application/openmetrics-text",
        }
        if answer.kind == "text/html":
            assert answer.body.decode() in {serve.assembled(), ""}
        if answer.kind == "application/json" and answer.body:
            json.loads(answer.body)
        assert TOKEN.encode() not in answer.body
        return answer, len(self.hands.wishes) - before


@pytest.fixture(scope="module")
def place() -> Iterator[Place]:
    of, hands = declared(2), Remembering()
    page = Page(lambda: Seen(topology=of, readings=readings(of), streams=streaming(["shard0", "shard1"])), hands=hands)
    page.turn()
    server = HealthServer("127.0.0.1", 0, str, str, pages=page.routes)
    made = Place(server._server.config.app, hands, b"", b"")
    answer, _ = made.ask("POST", "/enter", [*made.right().items()], json.dumps({"token": TOKEN}).encode())
    (given_cookie,) = (value for name, value in answer.headers if name == b"set-cookie")
    made.cookie, made.csrf = given_cookie.partition(b";")[0], json.loads(answer.body)["csrf"].encode()
    yield made
    server._socket.close()


FIELD = st.binary(max_size=40).map(lambda raw: raw.replace(b"\r", b"").replace(b"\n", b""))
TEXT = st.text(st.characters(), max_size=40) | st.sampled_from([name[:200] for name in HOSTILE])
TREE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=10,
)
ORIGINS = st.sampled_from(
    [
        b"null",
        b"http://[",
        b"http://[::1",
        b"http://127.0.0.1",
        b"https://evil.example",
        b"http://127.0.0.1:8080@evil",
        b"//",
        b":",
    ]
)
HOSTS = st.sampled_from(
    [b"[", b"evil.example", b"127.0.0.1:8080/..", b"a@127.0.0.1", b"127.0.0.1:99999", b"\xe2\x84\xa6"]
)
WISHES = st.dictionaries(st.sampled_from(["action", "shard", "sink", "why", "confirm", "ids", "x"]), TREE, max_size=7)
BODIES = st.binary(max_size=200) | st.one_of(TREE, WISHES.map(lambda w: WISH | w), WISHES).map(
    lambda tree: json.dumps(tree).encode()
)


@st.composite
def bent(draw: st.DrawFn) -> dict[bytes, bytes | None]:
    """A few of the right headers, changed or left out."""
    changes: dict[bytes, bytes | None] = {}
    for name in draw(
        st.lists(
            st.sampled_from([b"host", b"origin", b"sec-fetch-site", b"content-type", b"cookie", b"x-afflux-csrf"]),
            max_size=3,
        )
    ):
        value = {b"host": HOSTS, b"origin": ORIGINS}.get(name, st.nothing()) | FIELD | st.none()
        changes[name] = draw(value)
    return changes


@dataclass(frozen=True)
class Request:
    """Something that is asked."""

    method: str = "POST"
    path: str = "/act"
    query: bytes = b""
    changes: Mapping[bytes, bytes | None] = field(default_factory=dict)
    more: tuple[tuple[bytes, bytes], ...] = ()
    body: bytes = b"{}"


NAMES = st.sampled_from([b"shard", b"sink", b"id"])
OTHERS = st.sampled_from([b"accept", b"range", b"content-length", b"x-forwarded-host", b"cookie"])
REQUESTS = st.builds(
    Request,
    method=st.sampled_from(METHODS) | TEXT,
    path=st.sampled_from(PATHS) | st.sampled_from(PATHS).map(lambda p: p + "/") | TEXT.map(lambda t: "/" + t) | TEXT,
    query=st.binary(max_size=60) | st.builds(lambda name, value: name + b"=" + value, NAMES, FIELD),
    changes=bent(),
    more=st.lists(st.tuples(OTHERS, FIELD), max_size=2).map(tuple),
    body=BODIES,
)


@given(REQUESTS)
@example(Request(changes={b"origin": b"http://[::1"}))
@example(Request(path="/enter", body=b'{"token": "\\ud800"}'))
@example(Request(body=b'{"action": "\\ud800", "why": "x"}'))
@example(Request("GET", "/dead-letters", b"sink=%ed%a0%80&id=%00"))
@example(Request("GET", "/metrics", more=((b"accept", b"application/openmetrics-text;version=x;q=y"),)))
@example(Request("GET", "/live/", changes={b"host": b"evil.example"}))
def test_no_request_makes_a_fault_or_acts_but_the_right_one(place: Place, asked: Request) -> None:
    headers = place.right() | asked.changes
    sent = [(name, value) for name, value in headers.items() if value is not None] + [*asked.more]
    answer, deeds = place.ask(asked.method, asked.path, sent, asked.body, asked.query)
    if deeds:
        assert (asked.method, asked.path, answer.status) == ("POST", "/act", 200)
        assert headers[b"origin"] == ORIGIN
        assert headers[b"x-afflux-csrf"] == place.csrf
        assert headers.get(b"sec-fetch-site") in {None, b"same-origin"}
        assert json.loads(asked.body)["why"].split()
    if asked.path == "/leave" and answer.status == 200:
        _enter_again(place)


def _enter_again(place: Place) -> None:
    answer, _ = place.ask("POST", "/enter", [*place.right().items()], json.dumps({"token": TOKEN}).encode())
    place.cookie = next(value for name, value in answer.headers if name == b"set-cookie").partition(b";")[0]
    place.csrf = json.loads(answer.body)["csrf"].encode()


@given(
    st.sets(
        st.sampled_from(["host", "origin", "sec-fetch-site", "content-type", "cookie", "x-afflux-csrf"]), min_size=1
    ),
    FIELD,
)
def test_each_guard_alone_holds_whatever_stands_in_its_place(place: Place, wrong: set[str], value: bytes) -> None:
    right = place.right()
    headers = right | {name.encode(): value for name in wrong}
    same = {b"host": HOST, b"sec-fetch-site": b"same-origin", b"content-type": b"application/json"}
    if all(headers[name] == same.get(name, right[name]) for name in right):
        return
    _, deeds = place.ask("POST", "/act", [*headers.items()], json.dumps(WISH).encode())
    assert deeds == 0


@given(TREE)
def test_no_token_but_the_right_one_opens_anything(place: Place, token: object) -> None:
    headers = [(name, value) for name, value in place.right().items() if name not in {b"cookie", b"x-afflux-csrf"}]
    answer, _ = place.ask("POST", "/enter", headers, json.dumps({"token": token}).encode())
    assert answer.status in {400, 401}
    assert b"set-cookie" not in dict(answer.headers)


@given(st.dictionaries(st.sampled_from(["action", "shard", "sink", "confirm"]), TEXT), TEXT)
def test_what_is_wished_comes_to_the_hands_as_it_was_said(place: Place, fields: dict[str, str], why: str) -> None:
    wish = WISH | fields | {"why": why}
    answer, deeds = place.ask("POST", "/act", [*place.right().items()], json.dumps(wish).encode())
    unpaired = any("\ud800" <= character <= "\udfff" for text in wish.values() for character in text)
    if unpaired or not why.split():
        assert (answer.status, deeds) == (400, 0)
    elif wish["shard"] != "none":
        assert (answer.status, deeds) == (200, 1)
        assert {name: getattr(place.hands.wishes[-1], name) for name in fields} == fields


def test_a_cookie_of_many_parts_is_read_without_a_fault(place: Place) -> None:
    jar = SimpleCookie({f"c{number}": "x" for number in range(200)})
    headers = place.right() | {b"cookie": jar.output(header="", sep=";").encode() + b";=;;\xff=\xfe;" + place.cookie}
    answer, deeds = place.ask("POST", "/act", [*headers.items()], json.dumps(WISH).encode())
    assert (answer.status, deeds) == (200, 1)

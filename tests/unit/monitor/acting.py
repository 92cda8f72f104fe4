"""A page on which people may act, whose hands only remember what was asked for."""

from collections.abc import Collection, Mapping
from contextlib import contextmanager
from typing import Any

import requests

from afflux.errors import UsageError
from afflux.monitor.health import HealthServer
from afflux.monitor.page import Page, Seen
from afflux.monitor.page.acts import Wish
from looks import declared, readings, streaming

TOKEN = "correct-horse-battery-staple"


class Remembering:
    """Hands that do nothing."""

    def __init__(self, tokens: Mapping[str, str] | None = None, hosts: Collection[str] = ()) -> None:
        self.known = {"ops": TOKEN} if tokens is None else dict(tokens)
        self._hosts = hosts
        self.wishes: list[Wish] = []
        self.found: dict[str, Any] = {"letters": [], "many": 0, "notes": []}
        self.text = "{}"

    def tokens(self) -> Mapping[str, str]:
        return dict(self.known)

    def hosts(self) -> Collection[str]:
        return self._hosts

    def act(self, wish: Wish) -> str:
        if wish.shard == "none":
            raise UsageError("there is no shard 'none'", hint="look again")
        self.wishes.append(wish)
        return f"{wish.action} is done"

    def letters(self, sink: str) -> Mapping[str, Any]:
        return self.found | {"sink": sink}

    def letter(self, sink: str, number: str) -> str:
        return f"{sink} {number}\n{self.text}"


class Browser:
    """A person's browser on the page, as far as requests can be one."""

    def __init__(self, port: int) -> None:
        self.origin = f"http://127.0.0.1:{port}"
        self.http = requests.Session()
        self.csrf = ""

    def enter(self, token: str = TOKEN) -> requests.Response:
        answer = self.post("enter", {"token": token})
        self.csrf = answer.json().get("csrf") or ""
        return answer

    def post(self, path: str, what: object, **headers: str | None) -> requests.Response:
        """Post as the page's script does; a header that is None is left out."""
        own = {"Origin": self.origin, "Sec-Fetch-Site": "same-origin", "X-Afflux-Csrf": self.csrf}
        given = own | {name.replace("_", "-"): value for name, value in headers.items()}
        return self.http.post(
            f"{self.origin}/{path}", json=what, headers={k: v for k, v in given.items() if v is not None}, timeout=10
        )

    def act(self, **headers: str | None) -> requests.Response:
        return self.post("act", {"action": "restart", "shard": "shard0", "why": "it hangs"}, **headers)

    def get(self, path: str, **headers: str) -> requests.Response:
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.http.get(f"{self.origin}/{path}", headers=given, timeout=10)


@contextmanager
def served(hands: Remembering | None) -> Any:
    """Serve a page; gives its port."""
    of = declared(2)
    seen = Seen(topology=of, readings=readings(of), streams=streaming(shard.name for shard in of.shards))
    page = Page(lambda: seen, hands=hands)
    page.turn()
    server = HealthServer("127.0.0.1", 0, str, str, pages=page.routes)
    server.start()
    try:
        yield server.port
    finally:
        page._stop.set()
        server.stop()

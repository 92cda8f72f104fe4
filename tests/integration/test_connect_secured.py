"""Kafka Connect behind TLS and a login: a proxy as people put one before it, in front of the real worker."""

import base64
import ssl
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
import requests
import trustme

from afflux import control
from afflux.clients.connect import Connect
from afflux.errors import ConnectError
from afflux.stack import Addresses
from afflux.topology.load import load_resolved
from estate import Estate, estate

pytestmark = pytest.mark.stack

LOGIN = "operator:p@ss, word:"


class Guard(ThreadingHTTPServer):
    """Lets in who has the login, and hands on what they ask to the worker behind it."""

    def __init__(self, behind: str, context: ssl.SSLContext) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.behind = behind
        self.socket = context.wrap_socket(self.socket, server_side=True)


class Handler(BaseHTTPRequestHandler):
    server: Guard

    def _hand_on(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.headers.get("Authorization") != f"Basic {base64.b64encode(LOGIN.encode()).decode()}":
            self.send_error(401, "who are you?")
            return
        headers = {"Content-Type": "application/json"}
        answer = requests.request(self.command, self.server.behind + self.path, data=body, headers=headers, timeout=60)
        self.send_response(answer.status_code)
        self.send_header("Content-Length", str(len(answer.content)))
        self.end_headers()
        self.wfile.write(answer.content)

    do_GET = do_PUT = do_POST = do_DELETE = _hand_on  # noqa: N815 - the base class's names

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> tuple[trustme.CA, Path]:
    made = trustme.CA()
    file = tmp_path_factory.mktemp("ca") / "ca.pem"
    made.cert_pem.write_to_path(str(file))
    return made, file


@pytest.fixture(scope="module")
def guarded(addresses: Addresses, authority: tuple[trustme.CA, Path]) -> Iterator[str]:
    """The address of the worker as people reach it."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority[0].issue_cert("localhost").configure_cert(context)
    with Guard(addresses.connect[0], context) as guard:
        thread = Thread(target=guard.serve_forever, args=(0.05,))
        thread.start()
        yield f"https://localhost:{guard.server_port}"
        guard.shutdown()
        thread.join()


@pytest.fixture
def place(addresses: Addresses, tmp_path: Path) -> Iterator[Estate]:
    with estate(addresses, tmp_path, "secured", shards=1) as made:
        made.sql("create table $.orders (id int primary key, note text)", "insert into $.orders values (1, 'old')")
        yield made


def test_a_topology_is_set_up_through_tls_and_a_login(
    place: Estate, guarded: str, authority: tuple[trustme.CA, Path], tmp_path: Path
) -> None:
    secrets = tmp_path / "connect.properties"
    secrets.write_text(f"login={LOGIN}\n")
    text = place.path.read_text()
    (line,) = [line for line in text.splitlines() if line.startswith("connect:")]
    properties = f'{{basic.auth.user.info: "${{file:{secrets}:login}}", ssl.ca.location: {authority[1]}}}'
    place.path.write_text(text.replace(line, f"connect: {{url: '{guarded}', properties: {properties}}}"))
    place.operate("connectors", "apply")
    place.operate("connectors", "plan")
    (status,) = control.status(load_resolved(place.path))
    assert status.verdict is control.Verdict.STREAMING


def test_a_wrong_login_is_said_without_it(guarded: str, authority: tuple[trustme.CA, Path]) -> None:
    wrong = {"basic.auth.user.info": "operator:hunter2", "ssl.ca.location": str(authority[1])}
    with pytest.raises(ConnectError, match="401") as raised:
        Connect(guarded, wrong).connectors()
    assert "hunter2" not in raised.value.message + raised.value.hint


def test_a_server_that_nobody_vouches_for_is_not_spoken_to(guarded: str) -> None:
    with pytest.raises(ConnectError, match="no secure connection"):
        Connect(guarded, {"basic.auth.user.info": LOGIN}).connectors()

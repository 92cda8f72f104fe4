"""The clients of HTTP servers against a real one, which answers what a test lays down."""

import json
from base64 import b64encode
from collections import deque
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest

from afflux.clients.connect import Connect, first_reason
from afflux.clients.registry import Registry
from afflux.errors import ConnectError, RegistryError


class Server(ThreadingHTTPServer):
    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers: deque[tuple[int, Any]] = deque()
        self.asked: list[tuple[str, str]] = []
        self.logins: list[str | None] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def _answer(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.asked.append((self.command, self.path))
        self.server.logins.append(self.headers.get("Authorization"))
        status, body = self.server.answers.popleft()
        content = body.encode() if isinstance(body, str) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_PUT = do_POST = do_DELETE = _answer  # noqa: N815 - the base class's names

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as running:
        thread = Thread(target=running.serve_forever, args=(0.01,))
        thread.start()
        yield running
        running.shutdown()
        thread.join()


REBALANCE = (409, {"error_code": 409, "message": "Cannot complete request because of a conflicting operation"})


def test_a_rebalance_is_waited_for(server: Server) -> None:
    server.answers.extend([REBALANCE, (500, {"message": "Request timed out"}), (200, {})])
    assert Connect(server.url).connectors() == {}
    assert len(server.asked) == 3


def test_a_refused_config_is_not_sent_again(server: Server) -> None:
    message = (
        "Connector configuration is invalid and contains the following 1 error(s):\nError while validating connector"
        ' config: FATAL: database "nodb" does not exist\nYou can also find the above list of errors at the endpoint'
        " `/connector-plugins/{connectorType}/config/validate`"
    )
    server.answers.append((400, {"error_code": 400, "message": message}))
    with pytest.raises(ConnectError) as raised:
        Connect(server.url).put_config("orders-shard0", {})
    assert raised.value.message == (
        f"Kafka Connect at {server.url} refused PUT /connectors/orders-shard0/config (400): "
        'FATAL: database "nodb" does not exist'
    )
    assert len(server.asked) == 1


def test_a_connector_that_exists_already_is_made(server: Server) -> None:
    server.answers.append((409, {"message": "Connector orders-shard0 already exists"}))
    Connect(server.url).create_stopped("orders-shard0", {})
    assert server.asked == [("POST", "/connectors")]


def test_what_is_gone_already_is_removed(server: Server) -> None:
    server.answers.append((404, {"message": "not found"}))
    Connect(server.url).delete("a name/with a slash")
    assert server.asked == [("DELETE", "/connectors/a%20name%2Fwith%20a%20slash")]


def test_a_half_made_connector_is_left_out(server: Server) -> None:
    server.answers.append((200, {"orders-shard0": {"info": {"config": {}}}}))
    assert Connect(server.url).connectors() == {}


def test_a_password_in_the_url_logs_in_and_is_never_told(server: Server) -> None:
    server.answers.append((403, "forbidden"))
    with pytest.raises(ConnectError) as raised:
        Connect(server.url.replace("://", "://ann:hunter2@")).connectors()
    assert "hunter2" not in raised.value.message
    assert server.logins == ["Basic YW5uOmh1bnRlcjI="]


def test_nobody_listening_is_told_with_the_address_and_a_hint() -> None:
    with pytest.raises(ConnectError) as raised:
        Connect("http://127.0.0.1:1").connectors()
    assert raised.value.message == "Kafka Connect at http://127.0.0.1:1 does not answer: Connection refused"
    assert raised.value.hint
    assert raised.value.transient


def test_a_subject_without_a_level_has_the_registry_s(server: Server) -> None:
    server.answers.extend([(404, {"error_code": 40401}), (200, {"compatibilityLevel": "BACKWARD"})])
    assert Registry(server.url).compatibility("a-value") == "BACKWARD"
    assert [path for _, path in server.asked] == ["/config/a-value?defaultToGlobal=true", "/config"]


def test_the_registry_is_logged_in_to_as_confluent_s_clients_do(server: Server) -> None:
    server.answers.append((200, []))
    Registry(server.url, {"basic.auth.user.info": "ann:hunter2"}).subjects()
    assert server.logins == ["Basic YW5uOmh1bnRlcjI="]


def test_an_answer_that_is_no_json_is_still_readable(server: Server) -> None:
    server.answers.append((400, "<html>\n  Bad   gateway </html>"))
    with pytest.raises(RegistryError, match=r"refused GET /subjects \(400\): <html> Bad gateway </html>"):
        Registry(server.url).subjects()


def test_a_trace_becomes_one_line() -> None:
    trace = "a.b.CException: outer\n\tat a.b.C\nCaused by: a.b.DException: inner\n\tat a.b.D\n\t... 3 more"
    assert first_reason(trace) == "outer: inner"
    assert first_reason("") == ""


def test_of_several_workers_the_next_is_asked_when_one_is_gone(server: Server) -> None:
    server.answers.extend([(200, {}), (200, {})])
    gone = Server()
    gone.server_close()
    client = Connect(f"{gone.url}, {server.url}")
    assert client.connectors() == {}
    assert client.url == server.url
    assert client.connectors() == {}


def test_a_password_in_the_address_is_sent_as_it_is(server: Server) -> None:
    server.answers.append((200, {}))
    Connect(server.url.replace("http://", "http://me:p%40ss%2C@")).connectors()
    assert server.logins == [f"Basic {b64encode(b'me:p@ss,').decode()}"]


def test_login_by_properties(server: Server) -> None:
    server.answers.append((200, {}))
    Connect(server.url, {"basic.auth.user.info": "me:secret"}).connectors()
    assert server.logins == [f"Basic {b64encode(b'me:secret').decode()}"]


def test_what_failed_is_restarted_by_itself_where_it_runs(server: Server) -> None:
    tasks = [{"id": n, "state": state, "worker_id": "w"} for n, state in enumerate(("RUNNING", "FAILED"))]
    status = (200, {"connector": {"state": "RUNNING", "worker_id": "w"}, "tasks": tasks})
    server.answers.extend([status, (204, "")])
    Connect(server.url).restart("c")
    assert server.asked == [("GET", "/connectors/c/status"), ("POST", "/connectors/c/tasks/1/restart")]
    server.asked.clear()
    server.answers.extend([status, (204, ""), (204, ""), (204, "")])
    Connect(server.url).restart("c", only_failed=False)
    assert [path for _, path in server.asked][1:] == [
        "/connectors/c/restart",
        "/connectors/c/tasks/0/restart",
        "/connectors/c/tasks/1/restart",
    ]


def test_a_leader_of_connect_that_can_not_write_any_more_is_told_with_what_helps(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("afflux.clients.rest.BUSY_PATIENCE", 0.0)
    said = {"error_code": 500, "message": "Cannot produce to config topic without claiming write privileges first"}
    server.answers.append((500, said))
    with pytest.raises(ConnectError, match="write privileges") as raised:
        Connect(server.url).change_state("c", "pause")
    assert "restart a worker" in raised.value.hint

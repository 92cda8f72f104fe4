import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

import pytest
from structlog.testing import capture_logs

from afflux.monitor.alarms import Alert
from afflux.monitor.notices.log import Log
from afflux.monitor.notices.webhook import Webhook
from afflux.topology.monitor import Webhook as Model

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)


def alert(severity: Any = "page", ended: datetime | None = None) -> Alert:
    about = (("shard", "shard0"),)
    return Alert("AffluxSlotLost", severity, about, "lost", "means", "docs/runbooks.md#affluxslotlost", BEGAN, ended)


class Receiver(BaseHTTPRequestHandler):
    """Takes messages; the first of them in vain."""

    refuse: ClassVar[int]
    messages: ClassVar[list[tuple[dict[str, Any], str]]]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        kind = type(self)
        kind.refuse -= 1
        self.send_response(503 if kind.refuse >= 0 else 200)
        self.end_headers()
        if kind.refuse < 0:
            kind.messages.append((json.loads(body), self.headers.get("Authorization", "")))

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def receiver() -> Iterator[tuple[str, type[Receiver]]]:
    made = type("Made", (Receiver,), {"refuse": 1, "messages": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), made)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/x", made
    server.shutdown()
    server.server_close()


def test_a_webhook_gets_what_alertmanager_would_send_also_when_it_is_away_for_a_moment(
    receiver: tuple[str, type[Receiver]], monkeypatch: pytest.MonkeyPatch
) -> None:
    url, made = receiver
    monkeypatch.setenv("ALERT_TOKEN", "Bearer abc")
    hook = Webhook(Model(url=url, headers={"Authorization": "${env:ALERT_TOKEN}"}, least="page"))
    hook.tell([alert("warning")])
    hook.tell([alert()])
    hook.tell([alert(ended=BEGAN)])
    hook.close()
    assert [(body["status"], authorization) for body, authorization in made.messages] == [
        ("firing", "Bearer abc"),
        ("resolved", "Bearer abc"),
    ]
    (one,) = made.messages[0][0]["alerts"]
    assert one["labels"] == {"alertname": "AffluxSlotLost", "severity": "page", "shard": "shard0"}
    assert one["annotations"]["runbook_url"] == "docs/runbooks.md#affluxslotlost"
    assert one["startsAt"] == "2026-01-01T00:00:00+00:00"


def test_a_webhook_that_fails_says_so_without_its_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOWHERE", raising=False)
    with capture_logs() as logs:
        hook = Webhook(Model(url="http://127.0.0.1:9/?token=${env:NOWHERE}"))
        hook.tell([alert()])
        hook.close()
    (line,) = logs
    assert line["event"] == "webhook failed"
    assert "NOWHERE" in line["reason"]


def test_alerts_are_in_the_log_when_they_begin_and_when_they_end() -> None:
    with capture_logs() as logs:
        Log().tell([alert(), alert("warning"), alert(ended=datetime(2026, 1, 1, 0, 5, tzinfo=UTC))])
    assert [(line["event"], line["log_level"], line.get("seconds")) for line in logs] == [
        ("alert", "error", None),
        ("alert", "warning", None),
        ("alert ended", "info", 300),
    ]
    assert logs[0]["shard"] == "shard0"

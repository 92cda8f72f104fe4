"""An orchestrator is told whether to wait, to look or to restart, and why."""

from collections.abc import Iterator

import pytest
import requests

from afflux.monitor.health import HealthServer


class Process:
    """What a daemon says of itself."""

    def __init__(self) -> None:
        self.dead = self.waits = self.begins = ""


@pytest.fixture
def process() -> Process:
    return Process()


@pytest.fixture
def address(process: Process) -> Iterator[str]:
    server = HealthServer("127.0.0.1", 0, lambda: process.dead, lambda: process.waits, started=lambda: process.begins)
    server.start()
    yield f"http://127.0.0.1:{server.port}"
    server.stop()


@pytest.mark.parametrize(("path", "why"), [("livez", "dead"), ("readyz", "waits"), ("startedz", "begins")])
def test_each_probe_has_its_own_reason(process: Process, address: str, path: str, why: str) -> None:
    answer = requests.get(f"{address}/{path}", timeout=5)
    assert (answer.status_code, answer.json()) == (200, {"ok": True, "reason": None})
    setattr(process, why, "the broker is away")
    answer = requests.get(f"{address}/{path}", timeout=5)
    assert (answer.status_code, answer.json()) == (503, {"ok": False, "reason": "the broker is away"})
    others = {"livez", "readyz", "startedz"} - {path}
    assert all(requests.get(f"{address}/{other}", timeout=5).ok for other in others)


@pytest.mark.parametrize(
    ("accept", "kind"), [("application/openmetrics-text", "application/openmetrics-text"), ("*/*", "text/plain")]
)
def test_metrics_come_in_the_form_that_is_asked_for(address: str, accept: str, kind: str) -> None:
    answer = requests.get(f"{address}/metrics", headers={"accept": accept}, timeout=5)
    assert answer.headers["content-type"].startswith(kind)
    assert "afflux_sink_lag_offsets" in answer.text

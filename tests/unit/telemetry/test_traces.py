"""Traces are sent where the environment says, and nowhere unless it does."""

import gzip
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from afflux.telemetry import traces
from afflux.telemetry.traces import Step, Traces

STEPS = [Step("prepare", 1000.0, 1000.5), Step("apply", 1000.5, 1002.0)]


class Collector(HTTPServer):
    """Takes traces by OTLP over HTTP."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.requests: list[ExportTraceServiceRequest] = []


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        if self.headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        assert isinstance(self.server, Collector)
        self.server.requests.append(ExportTraceServiceRequest.FromString(body))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def collector() -> Iterator[Collector]:
    server = Collector()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join(10)


def test_a_batch_is_a_trace_of_its_steps(collector: Collector, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{collector.server_port}")
    made = traces.from_environment("orders", "warehouse")
    made.batch(STEPS, {"afflux.events": 7, "afflux.tables": ["public.orders"]})
    made.close()
    (request,) = collector.requests
    (of_service,) = request.resource_spans
    about = {a.key: a.value.string_value for a in of_service.resource.attributes}
    assert (about["service.name"], about["afflux.topology"], about["afflux.sink"]) == ("afflux", "orders", "warehouse")
    spans = {span.name: span for scope in of_service.scope_spans for span in scope.spans}
    assert {name: (span.start_time_unix_nano, span.end_time_unix_nano) for name, span in spans.items()} == {
        "batch": (1_000_000_000_000, 1_002_000_000_000),
        "prepare": (1_000_000_000_000, 1_000_500_000_000),
        "apply": (1_000_500_000_000, 1_002_000_000_000),
    }
    assert {span.parent_span_id for name, span in spans.items() if name != "batch"} == {spans["batch"].span_id}
    assert {a.key for a in spans["batch"].attributes} == {"afflux.events", "afflux.tables"}


def test_without_the_variables_nothing_is_sent(collector: Collector, monkeypatch: pytest.MonkeyPatch) -> None:
    for switch in traces._SWITCHES:
        monkeypatch.delenv(switch, raising=False)
    made = traces.from_environment("orders", "warehouse")
    made.batch(STEPS, {})
    made.close()
    assert collector.requests == []


def test_a_batch_without_steps_is_none() -> None:
    Traces().batch([], {})

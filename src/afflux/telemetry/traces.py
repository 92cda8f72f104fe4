"""Traces of batches by OpenTelemetry: off unless the standard variables say where they go.

`OTEL_EXPORTER_OTLP_ENDPOINT` (or `..._TRACES_ENDPOINT`) turns them on; the others of OpenTelemetry's hold too, such as
`OTEL_EXPORTER_OTLP_HEADERS` and `OTEL_TRACES_SAMPLER`. Needs the extra `otel`.
"""

import logging
import os
import threading
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import structlog

from afflux import __version__
from afflux.errors import UsageError

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SpanExporter

Attributes = Mapping[str, str | int | float | Sequence[str]]

log = structlog.get_logger()

_LAST_SECONDS = 2.0
"""How long a process that leaves waits for its last traces to be sent."""
_SWITCHES = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")


class Step(NamedTuple):
    """What was done with a batch, and when, in seconds since 1970."""

    name: str
    begun: float
    ended: float


class Traces:
    """Sends a trace a batch; keeps nobody waiting, and drops what can't be sent.

    Args:
        provider: makes spans and hands them over; None to do nothing.
        exporter: sends them.
    """

    def __init__(self, provider: "TracerProvider | None" = None, exporter: "SpanExporter | None" = None) -> None:
        self._provider, self._exporter = provider, exporter
        self._tracer = provider.get_tracer("afflux", __version__) if provider else None

    def batch(self, steps: Sequence[Step], attributes: Attributes) -> None:
        """Tell of a batch that has become durable.

        Args:
            steps: what was done with it, in order.
            attributes: what is to be said of it; no value of a row is among them.
        """
        if self._tracer is None or not steps:
            return
        from opentelemetry import trace  # noqa: PLC0415 - an extra

        whole = self._tracer.start_span("batch", start_time=_nanoseconds(steps[0].begun), attributes=attributes)
        inside = trace.set_span_in_context(whole)
        for step in steps:
            part = self._tracer.start_span(step.name, inside, start_time=_nanoseconds(step.begun))
            part.end(_nanoseconds(step.ended))
        whole.end(_nanoseconds(steps[-1].ended))

    def close(self) -> None:
        """Send what waits to be sent, as far as that does not take long."""
        if self._provider is not None and self._exporter is not None:
            sent = threading.Thread(target=self._provider.force_flush, daemon=True)
            sent.start()
            sent.join(_LAST_SECONDS)
            self._exporter.shutdown()  # else the provider waits for attempts that are repeated
            self._provider.shutdown()


def from_environment(topology: str, sink: str) -> Traces:
    """Make traces as the environment wants them: none, unless it says where they go.

    Args:
        topology: the topology's name, an attribute of the service.
        sink: the sink's, likewise.

    Raises:
        UsageError: they are wanted, and the extra is not installed.
    """
    if not any(os.environ.get(switch) for switch in _SWITCHES):
        return Traces()
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415 - an extra
        from opentelemetry.sdk.resources import Resource  # noqa: PLC0415 - likewise
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415 - likewise
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415 - likewise
    except ModuleNotFoundError as error:
        raise UsageError(
            f"{_SWITCHES[0]} wants traces, and {error.name} is not installed", hint="pip install 'afflux[otel]'"
        ) from error
    about = {"service.name": "afflux", "service.version": __version__, "afflux.topology": topology, "afflux.sink": sink}
    library = logging.getLogger("opentelemetry")
    library.propagate, library.handlers = False, [_Forward()]
    provider, exporter = TracerProvider(resource=Resource.create(about)), OTLPSpanExporter()
    provider.add_span_processor(BatchSpanProcessor(exporter))
    return Traces(provider, exporter)


class _Forward(logging.Handler):
    """Puts what the library says into afflux's own log: failures as warnings, the rest for who debugs."""

    def emit(self, record: logging.LogRecord) -> None:
        say = log.warning if record.levelno >= logging.ERROR else log.debug
        say("traces", reason=record.getMessage())


def _nanoseconds(seconds: float) -> int:
    return int(seconds * 1e9)

"""Structured logs: one event a line, on standard error, for people on a terminal and as JSON elsewhere."""

import logging
import sys
from typing import Any

import structlog
from structlog.typing import EventDict

from afflux.printable import printable


def configure(level: str = "info", *, json: bool | None = None) -> None:
    """Set up logging for the process.

    Args:
        level: `debug`, `info`, `warning` or `error`.
        json: whether to write JSON; None does where standard error is no terminal.
    """
    as_json = not sys.stderr.isatty() if json is None else json
    renderers = (
        [structlog.processors.JSONRenderer()] if as_json else [_fit, structlog.dev.ConsoleRenderer(pad_event_to=28)]
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            *renderers,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


def _fit(_logger: Any, _method: str, event: EventDict) -> EventDict:
    """Make what is logged fit for a terminal; only a traceback has lines of its own."""
    return {k: printable(v, lines=k == "exception") if isinstance(v, str) else v for k, v in event.items()}

"""Alerts to an address of the user's, in the form that Alertmanager's own webhooks have (version 4)."""

import queue
import threading
from collections.abc import Sequence
from typing import Any, Final

import requests
import structlog
from tenacity import RetryError, Retrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from afflux.errors import AffluxError
from afflux.monitor.alarms import Alert
from afflux.topology import monitor as model
from afflux.topology.secrets import redact, resolve

log = structlog.get_logger()

ATTEMPTS: Final = 5
SECONDS: Final = (3.05, 10.0)
_WAITING: Final = 1000
"""Messages that may wait for an address that is away; the oldest go first."""


class Webhook:
    """Posts alerts to one address, from a thread of its own.

    Args:
        hook: the topology's.
    """

    def __init__(self, hook: model.Webhook) -> None:
        self._hook = hook
        self._messages: queue.Queue[dict[str, Any] | None] = queue.Queue(_WAITING)
        self._thread = threading.Thread(target=self._run, name="webhook", daemon=True)
        self._thread.start()

    def tell(self, alerts: Sequence[Alert]) -> None:
        """Send alerts of the severities that the address wants."""
        wanted = [alert for alert in alerts if self._hook.least == "warning" or alert.severity == "page"]
        for status in ("firing", "resolved"):
            some = [alert for alert in wanted if (alert.ended is None) == (status == "firing")]
            if some:
                self._put(message(status, some))

    def close(self) -> None:
        """Send what waits, as long as that takes no longer than a few seconds."""
        self._put(None)
        self._thread.join(timeout=5)

    def _put(self, message: dict[str, Any] | None) -> None:
        while True:
            try:
                return self._messages.put_nowait(message)
            except queue.Full:
                self._messages.get_nowait()

    def _run(self) -> None:
        while (message := self._messages.get()) is not None:
            try:
                self._send(message)
            except (AffluxError, RetryError, requests.RequestException) as error:
                # Not its text: an error of the library's quotes the address, with what is secret in it.
                reason = error.message if isinstance(error, AffluxError) else type(error).__name__
                log.warning("webhook failed", url=redact(self._hook.url), reason=reason)

    def _send(self, message: dict[str, Any]) -> None:
        url = resolve(self._hook.url)
        headers = {key: resolve(value) for key, value in self._hook.headers.items()}
        patient = Retrying(
            retry=retry_if_exception_type(requests.RequestException),
            stop=stop_after_attempt(ATTEMPTS),
            wait=wait_random_exponential(multiplier=0.5, max=30),
            reraise=True,
        )
        for attempt in patient:
            with attempt:
                requests.post(url, json=message, headers=headers, timeout=SECONDS).raise_for_status()


def message(status: str, alerts: Sequence[Alert]) -> dict[str, Any]:
    """Give the body of a request.

    Args:
        status: `firing` or `resolved`.
        alerts: which.
    """
    return {
        "version": "4",
        "receiver": "afflux",
        "status": status,
        "alerts": [
            {
                "status": status,
                "labels": alert.labels,
                "annotations": {
                    "summary": alert.summary,
                    "description": alert.means,
                    "runbook_url": alert.runbook,
                },
                "startsAt": alert.began.isoformat(),
                "endsAt": alert.ended.isoformat() if alert.ended else "0001-01-01T00:00:00Z",
            }
            for alert in alerts
        ],
    }

"""Alerts in the log."""

from collections.abc import Sequence

import structlog

from afflux.monitor.alarms import Alert

log = structlog.get_logger()


class Log:
    """Tells of alerts in the process's log."""

    def tell(self, alerts: Sequence[Alert]) -> None:
        """Write a line for each."""
        for alert in alerts:
            fields = {"alert": alert.name, "severity": alert.severity, **dict(alert.about)}
            if alert.ended is not None:
                log.info("alert ended", **fields, seconds=round((alert.ended - alert.began).total_seconds()))
            elif alert.severity == "page":
                log.error("alert", **fields, summary=alert.summary, runbook=alert.runbook)
            else:
                log.warning("alert", **fields, summary=alert.summary, runbook=alert.runbook)

    def close(self) -> None:
        """Nothing is held."""

"""Where alerts are told, besides Prometheus: one file a way, and one line in `notices_of`."""

from collections.abc import Sequence
from typing import Protocol

from afflux.monitor.alarms import Alert
from afflux.monitor.notices.log import Log
from afflux.monitor.notices.webhook import Webhook
from afflux.topology.model import Topology


class Notice(Protocol):
    """A way to tell of alerts."""

    def tell(self, alerts: Sequence[Alert]) -> None:
        """Tell of alerts that have begun, or ended; returns at once, and never raises."""
        ...

    def close(self) -> None:
        """Tell no more."""
        ...


def notices_of(topology: Topology) -> list[Notice]:
    """Make the ways that a topology asks for."""
    return [Log(), *(Webhook(hook) for hook in topology.monitor.alerts.webhooks)]

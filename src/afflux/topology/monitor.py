"""`monitor`: how fresh the warehouse shall be, and what is an alert."""

from typing import Annotated, Literal

from pydantic import Field

from afflux.topology.part import Name, Part, Time, seconds


class Headroom(Part):
    """How long before Kafka deletes an event that a sink has not applied somebody is told."""

    warn: Time = "24h"
    """When to warn."""
    page: Time = "4h"
    """When to wake somebody."""


class Webhook(Part):
    """An address that alerts are sent to as JSON, by POST, when they begin and when they end."""

    url: str
    """The address."""
    headers: dict[str, str] = {}
    """Headers of the request; secrets as references, such as `Authorization: ${env:ALERT_TOKEN}`."""
    least: Literal["warning", "page"] = "warning"
    """The least severity that is sent."""


class Alerts(Part):
    """What is an alert, and where it goes besides the log and Prometheus."""

    lag: Annotated[int, Field(ge=0)] = 10_000
    """Events of one shard that a sink has not applied; more of them for `lasting` are an alert."""
    lasting: Time = "5m"
    """How long a shard may lag or be too old."""
    heartbeat: Time = "2m"
    """How long a shard's heartbeat may fail to come through."""
    retention: Headroom = Headroom()
    """How long before Kafka deletes an event that a sink has not applied somebody is told."""
    webhooks: list[Webhook] = []
    """Where alerts are sent, besides the log and Prometheus."""

    @property
    def lasting_seconds(self) -> float:
        """`lasting` in seconds."""
        return seconds(self.lasting)


class PageAccess(Part):
    """Who may act on the page of `afflux supervise`, and by which names it is asked for."""

    tokens: dict[Name, str] = {}
    """Name -> token (16 characters or more, a reference): who has one may act, under its name; without, nobody may."""
    hosts: list[str] = []
    """Names that browsers may ask for the page by, besides `localhost` and addresses."""


class Monitor(Part):
    """How fresh the warehouse shall be, and what is an alert."""

    freshness: Time = "1m"
    """The objective: how old the warehouse may be, by each shard's watermark."""
    alerts: Alerts = Alerts()
    """What is an alert, and where it goes."""
    page: PageAccess = PageAccess()
    """Who may act on the page of `afflux supervise`, and by which names it is asked for."""

    @property
    def freshness_seconds(self) -> float:
        """`freshness` in seconds."""
        return seconds(self.freshness)

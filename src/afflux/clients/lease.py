"""Who may act: the member of a consumer group that the broker has given partition 0 of a topic."""

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

import confluent_kafka
from confluent_kafka import Consumer
from confluent_kafka.admin import AdminClient

from afflux.clients.topics import QUIET, REQUEST_SECONDS

SESSION_SECONDS = 10.0
"""After this long without a sign of life the broker gives the partition to another member."""
_POLL_SECONDS = 0.5
_REJOIN_SECONDS = 2.0


class Lease:
    """A place in the group, kept by a thread of its own.

    Args:
        bootstrap_servers: `host:port`, several with commas.
        properties: librdkafka's, secrets resolved.
        topic: of one partition; it exists.
        group: the consumer group, this lease's alone.
        name: what others see of this member, such as `host:pid`.
        on_change: told, from the lease's thread, whenever it is won or lost.
    """

    def __init__(
        self,
        bootstrap_servers: str,
        properties: Mapping[str, str],
        topic: str,
        *,
        group: str,
        name: str,
        on_change: Callable[[bool], None] = lambda _held: None,
    ) -> None:
        self._common: dict[str, Any] = {**properties, "bootstrap.servers": bootstrap_servers, "client.id": name}
        self._settings = {
            **self._common,
            "group.id": group,
            # The member that has the partition keeps it when others come.
            "partition.assignment.strategy": "cooperative-sticky",
            "session.timeout.ms": int(SESSION_SECONDS * 1000),
            "heartbeat.interval.ms": 2_000,
            "enable.auto.commit": False,
            "auto.offset.reset": "latest",
            "allow.auto.create.topics": False,
        }
        self._topic, self._group, self._on_change = topic, group, on_change
        self._assigned = False
        self._polled = 0.0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="lease", daemon=True)

    @property
    def held(self) -> bool:
        """Whether this process may act.

        One that was frozen beyond its session finds out by its own clock, before the broker can tell it.
        """
        return self._assigned and time.monotonic() - self._polled < SESSION_SECONDS

    def start(self) -> None:
        """Join the group."""
        self._thread.start()

    def close(self) -> None:
        """Leave the group, so that another member has the partition at once."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(SESSION_SECONDS)

    def holder(self) -> str:
        """Ask the broker for the name of the member that has the partition; empty where it does not say."""
        admin = AdminClient(self._common, logger=QUIET)  # has to outlive its request
        try:
            asked = admin.describe_consumer_groups([self._group], request_timeout=REQUEST_SECONDS)
            members = asked[self._group].result(2 * REQUEST_SECONDS).members
        except (confluent_kafka.KafkaException, TimeoutError):
            return ""
        return next((str(m.client_id) for m in members if m.assignment and m.assignment.topic_partitions), "")

    def _keep(self) -> None:
        while not self._stop.is_set():
            consumer = Consumer(self._settings, logger=QUIET)
            try:
                consumer.subscribe([self._topic], on_assign=self._won, on_revoke=self._lost, on_lost=self._lost)
                while not self._stop.is_set():
                    message = consumer.poll(_POLL_SECONDS)
                    self._polled = time.monotonic()
                    if message is not None and (error := message.error()) is not None and error.fatal():
                        break
            finally:
                self._set(held=False)
                consumer.close()
            self._stop.wait(_REJOIN_SECONDS)

    def _won(self, consumer: Consumer, partitions: list[Any]) -> None:
        if partitions:
            consumer.incremental_assign(partitions)
            consumer.pause(partitions)  # what is written there is read by others
            self._polled = time.monotonic()
            self._set(held=True)

    def _lost(self, _consumer: Consumer, partitions: list[Any]) -> None:
        if partitions:
            self._set(held=False)

    def _set(self, *, held: bool) -> None:
        if held != self._assigned:
            self._assigned = held
            self._on_change(held)

"""What becomes of dead letters beside the stream: each goes to a Kafka topic where that is wanted, settled ones are forgotten."""

import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import confluent_kafka
import structlog
from confluent_kafka import Producer

from afflux.clients.topics import QUIET, Topic, Topics
from afflux.errors import KafkaError
from afflux.sinks.batch import DeadLetter
from afflux.sinks.state import SinkState
from afflux.topology.model import Topology
from afflux.topology.part import seconds
from afflux.topology.sinks import Letters

log = structlog.get_logger()

_FORGET_SECONDS = 600.0
_MOST = 500
"""Dead letters that are written at once."""
_ANSWER_SECONDS = 10.0


class Burials:
    """Looks after a sink's dead letters; a chore of each worker.

    Args:
        letters: what the topology says of them.
        state: the sink's state.
        sink: the sink's name.
        topics: the broker's.
        properties: librdkafka's, secrets resolved.
    """

    def __init__(
        self, letters: Letters, state: SinkState, sink: str, topics: Topics, properties: Mapping[str, str]
    ) -> None:
        self._letters, self._state, self._sink = letters, state, sink
        self._topics, self._properties = topics, properties
        self._producer: Producer | None = None
        self._next_forget = 0.0

    def follow(self, topology: Topology) -> None:
        """Go by another topology."""
        self._letters = next((sink.dead_letters for sink in topology.sinks if sink.name == self._sink), self._letters)
        self._producer = None

    def round(self) -> None:
        """Write new dead letters to their topic, and forget old ones that are settled.

        Raises:
            KafkaError: the broker does not answer, or refuses; they are written again at the next round.
            SinkError: the target does not answer.
        """
        if self._letters.topic:
            while letters := self._state.untold_letters(_MOST):
                self._write(self._letters.topic, letters)
                self._state.tell_letters([letter.id for letter in letters])
        if time.monotonic() >= self._next_forget:
            self._next_forget = time.monotonic() + _FORGET_SECONDS
            if self._letters.retention != "forever":
                before = datetime.now(UTC) - timedelta(seconds=seconds(self._letters.retention))
                forgotten = self._state.forget_letters(before)
                if forgotten:
                    log.info("settled dead letters forgotten", letters=forgotten, last_seen_before=before.isoformat())

    def close(self) -> None:
        """Nothing is held that has not been written."""

    def _write(self, topic: str, letters: Sequence[DeadLetter]) -> None:
        if self._producer is None:
            self._topics.create([Topic(topic, 1)])
            settings: dict[str, Any] = {
                **self._properties,
                "bootstrap.servers": self._topics.bootstrap_servers,
                "enable.idempotence": True,
                "delivery.timeout.ms": int(_ANSWER_SECONDS * 1000),
            }
            self._producer = Producer(settings, logger=QUIET)
        lost: list[Any] = []
        for letter in letters:
            try:
                self._producer.produce(
                    topic,
                    letter.value,
                    letter.key,
                    headers=headers_of(letter),
                    on_delivery=lambda error, _: lost.append(error) if error else None,
                )
            except confluent_kafka.KafkaException as error:
                raise KafkaError(
                    f"dead letter {letter.id} can't be written to topic {topic}: {error.args[0].str()}"
                ) from None
        if self._producer.flush(2 * _ANSWER_SECONDS) or lost:
            raise KafkaError(
                f"dead letters can't be written to topic {topic}: {lost[0] if lost else 'no answer'}", transient=True
            )


def headers_of(letter: DeadLetter) -> list[tuple[str, str | bytes | None]]:
    """Give the headers of a dead letter's record: the event's own, and where it was and what is wrong with it. Pure."""
    said = {
        "afflux.topic": letter.partition.topic,
        "afflux.partition": str(letter.partition.number),
        "afflux.offset": str(letter.offset),
        "afflux.kind": letter.kind,
        "afflux.reason": letter.reason,
    }
    return [*letter.headers, *said.items()]

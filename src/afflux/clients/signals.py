"""The topic by which connectors are sent signals: Debezium's, JSON with the topic prefix as key.

It is kept for good, so it is also where afflux notes which copies have ended: records under a key that no connector
listens to.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import confluent_kafka
from confluent_kafka import Consumer, Message, Producer, TopicPartition

from afflux.clients.topics import QUIET
from afflux.errors import KafkaError

ANSWER_SECONDS = 10.0
_NOTES: Final = "afflux notes"
"""The key of afflux's own records; no topic prefix can hold a blank."""
_COPY, _ENDED, _LOG = "execute-snapshot", "copy ended", "log"
_NOTED: Final = "connector"
"""The key of a note's data that says whose it is."""


@dataclass(frozen=True)
class Sent:
    """A signal for a copy that was sent.

    Args:
        id: its own.
        topic_prefix: of the connector that it is for.
        tables: regular expressions for `schema.table`.
        blocking: whether changes wait meanwhile.
        at: when, in milliseconds since 1970.
        ended: whether its copy is known to have come to a good end, or is asked for by another one.
    """

    id: str
    topic_prefix: str = ""
    tables: tuple[str, ...] = ()
    blocking: bool = False
    at: int = 0
    ended: bool = False


@dataclass
class Ledger:
    """What stands in a signal topic."""

    signals: dict[str, Sent] = field(default_factory=dict)
    """The signals for copies that were sent, by their ids, in order."""
    notes: dict[str, dict[str, str]] = field(default_factory=dict)
    """Connector -> what was noted of it last."""

    def add(self, key: bytes, record: bytes, at: int) -> None:
        """Take a record in; what somebody else wrote in another form is left out.

        Args:
            key: its key.
            record: its value.
            at: when it was written, in milliseconds since 1970.
        """
        try:
            value = json.loads(record)
        except ValueError:
            return
        if not isinstance(value, dict) or not isinstance(value.get("id"), str):
            return
        name, kind, data = value["id"], value.get("type"), value.get("data")
        if kind == _ENDED and name in self.signals:
            self.signals[name] = replace(self.signals[name], ended=True)
        elif kind == _LOG and isinstance(data, dict) and _NOTED in data:
            self.notes[str(data[_NOTED])] = dict(data.get("config", {}))
        elif kind == _COPY and isinstance(data, dict):
            self.signals[name] = Sent(
                id=name,
                topic_prefix=key.decode(errors="replace"),
                tables=tuple(str(table) for table in data.get("data-collections", ())),
                blocking=str(data.get("type", "")).upper() == "BLOCKING",
                at=at,
            )


class Signals:
    """One signal topic.

    Args:
        bootstrap_servers: `host:port`, several with commas.
        properties: librdkafka's, secrets resolved.
        topic: the topic; it exists and has one partition.
    """

    def __init__(self, bootstrap_servers: str, properties: Mapping[str, str], topic: str) -> None:
        self._settings = {**properties, "bootstrap.servers": bootstrap_servers}
        self._where = f"topic {topic} of Kafka at {bootstrap_servers}"
        self._topic = topic

    def sent(self) -> Ledger:
        """Return what was sent and noted so far."""
        # The group is never joined nor committed to; librdkafka wants a name for it.
        settings = {**self._settings, "group.id": "afflux-signals", "enable.auto.commit": False}
        consumer = Consumer({**settings, "enable.partition.eof": True}, logger=QUIET)
        found = Ledger()
        try:
            low, high = consumer.get_watermark_offsets(TopicPartition(self._topic, 0), timeout=ANSWER_SECONDS)
            if low == high:
                return found
            consumer.assign([TopicPartition(self._topic, 0, low)])
            for message in self._read(consumer):
                found.add(message.key() or b"", message.value() or b"", message.timestamp()[1])
        except confluent_kafka.KafkaException as error:
            raise self._failed("read", error) from None
        finally:
            consumer.close()
        return found

    def snapshot(
        self,
        topic_prefix: str,
        *,
        id: str,  # noqa: A002 - Debezium's word
        tables: Sequence[str],
        blocking: bool = False,
        where: str = "",
    ) -> None:
        """Ask a connector for a snapshot of some tables; return when the broker has the signal.

        Args:
            topic_prefix: the connector's.
            id: by which its notifications name the snapshot.
            tables: regular expressions for `schema.table`.
            blocking: whether changes wait meanwhile; else the snapshot is read in chunks between them.
            where: which rows of each table; empty for all. In chunks a condition such as `id > 5`, with `blocking`
                a whole SELECT.
        """
        data: dict[str, Any] = {"data-collections": list(tables), "type": "BLOCKING" if blocking else "INCREMENTAL"}
        if where:
            # A blocking snapshot takes the name of the table there, and passes over an expression (observed).
            names = [re.sub(r"\\(.)", r"\1", table) for table in tables] if blocking else tables
            data["additional-conditions"] = [{"data-collection": name, "filter": where} for name in names]
        self._write(topic_prefix, {"id": id, "type": _COPY, "data": data})

    def note_end(self, signal: str) -> None:
        """Note that the copy of a signal has come to a good end, or is asked for by another one."""
        self._write(_NOTES, {"id": signal, "type": _ENDED})

    def note(self, topic_prefix: str, *, connector: str, config: Mapping[str, str]) -> None:
        """Note some properties of a connector, for `sent` to give back; to Debezium it is a line for its log.

        Args:
            topic_prefix: the connector's.
            connector: its name.
            config: the properties.
        """
        data = {"message": "afflux has noted the tables of this connector", _NOTED: connector, "config": dict(config)}
        self._write(topic_prefix, {"id": f"{connector}-noted", "type": _LOG, "data": data})

    def _write(self, key: str, value: Mapping[str, Any]) -> None:
        producer = Producer({**self._settings, "enable.idempotence": True}, logger=QUIET)
        lost: list[Any] = []
        producer.produce(
            self._topic,
            key=key,
            value=json.dumps(value),
            partition=0,
            on_delivery=lambda error, _: lost.append(error) if error else None,
        )
        if producer.flush(ANSWER_SECONDS) or lost:
            raise KafkaError(
                f"a signal could not be written to {self._where}: {lost[0] if lost else 'no answer'}",
                transient=True,
            )

    def _read(self, consumer: Consumer) -> Iterator[Message]:
        while True:
            message = consumer.poll(ANSWER_SECONDS)
            if message is None:
                raise KafkaError(f"{self._where} can't be read to its end", transient=True)
            error = message.error()
            if error is not None and error.code() == confluent_kafka.KafkaError._PARTITION_EOF:  # noqa: SLF001 - so spelt
                return
            if error is not None:
                raise self._failed("read", confluent_kafka.KafkaException(error))
            yield message

    def _failed(self, what: str, error: confluent_kafka.KafkaException) -> KafkaError:
        return KafkaError(f"{self._where} can't be {what}: {error.args[0].str()}", transient=True)

"""The broker's topics: what there is, and making and setting them."""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

import confluent_kafka
from confluent_kafka import IsolationLevel, TopicCollection, TopicPartition
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # the library re-exports without saying so
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ConfigSource,
    NewTopic,
    OffsetSpec,
    ResourceType,
)

from afflux.errors import KafkaError

REQUEST_SECONDS = 10.0
_NO_ID = "AAAAAAAAAAAAAAAAAAAAAA"
"""The id of all zeros, in Kafka's base64: the broker has none."""

# librdkafka tells of a broker that is away on its own log too; the errors raised here say it once.
QUIET = logging.getLogger("afflux.librdkafka")
QUIET.addHandler(logging.NullHandler())
QUIET.propagate = False


@dataclass(frozen=True)
class Topic:
    """A topic: how it is cut, and those of its settings that are its own."""

    name: str
    partitions: int
    replication: int | None = None
    """None, for one to be made: the broker's default."""
    config: Mapping[str, str] = field(default_factory=dict)
    id: str = ""
    """The broker's own; another one under the same name is another topic."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """The brokers and partitions of a cluster, as any broker tells them.

    Attributes:
        brokers: how many there are.
        partitions: of each topic, the numbers of its partitions.
        leaderless: partitions that nobody can write or read now.
        thin: partitions of which a copy lags behind or is away.
    """

    brokers: int
    partitions: Mapping[str, tuple[int, ...]]
    leaderless: frozenset[tuple[str, int]] = frozenset()
    thin: frozenset[tuple[str, int]] = frozenset()


class Topics:
    """The topics of a Kafka cluster.

    Args:
        bootstrap_servers: `host:port`, several with commas.
        properties: librdkafka's, such as `security.protocol`, secrets resolved.
    """

    def __init__(self, bootstrap_servers: str, properties: Mapping[str, str] | None = None) -> None:
        self.bootstrap_servers = bootstrap_servers
        self._turned_away = ""
        """What a broker said last that would not speak to this client."""
        settings: dict[str, Any] = {
            **(properties or {}),
            "bootstrap.servers": bootstrap_servers,
            "error_cb": self._heard,
        }
        try:
            self._admin = AdminClient(settings, logger=QUIET)
        except confluent_kafka.KafkaException as error:
            raise KafkaError(f"Kafka client: {_text(error)}", hint="Check kafka.properties of the topology.") from None

    def names(self) -> set[str]:
        """Return the names of all topics that this client may see."""
        return set(self._ask("list topics", lambda: self._admin.list_topics(timeout=REQUEST_SECONDS)).topics)

    def cluster(self) -> Cluster:
        """Return what the cluster consists of."""
        found = self._ask("list topics", lambda: self._admin.list_topics(timeout=REQUEST_SECONDS))
        each = {(name, n): part for name, topic in found.topics.items() for n, part in topic.partitions.items()}
        return Cluster(
            brokers=len(found.brokers),
            partitions={name: tuple(sorted(topic.partitions)) for name, topic in found.topics.items()},
            leaderless=frozenset(place for place, part in each.items() if part.leader < 0),
            thin=frozenset(place for place, part in each.items() if len(part.isrs) < len(part.replicas)),
        )

    def settings(self, names: Iterable[str], keys: Iterable[str]) -> dict[str, dict[str, str]]:
        """Return the values that hold for topics that exist, be they the topic's own or the broker's.

        Args:
            names: the topics.
            keys: which settings, such as `retention.ms`.
        """
        resources = [ConfigResource(ResourceType.TOPIC, name) for name in sorted(set(names))]
        if not resources:
            return {}
        wanted = set(keys)
        futures = self._ask(
            "read topic settings",
            lambda: self._admin.describe_configs(resources, request_timeout=REQUEST_SECONDS),
        )
        missing = confluent_kafka.KafkaError.UNKNOWN_TOPIC_OR_PART
        answers = {r.name: self._result("read settings", future, fine=missing) for r, future in futures.items()}
        return {
            name: {key: entry.value for key, entry in entries.items() if key in wanted and entry.value is not None}
            for name, entries in answers.items()
            if entries is not None
        }

    def describe(self, names: Iterable[str]) -> dict[str, Topic]:
        """Return those of the named topics that exist, with the settings that differ from the broker's."""
        wanted = sorted(set(names) & self.names())
        if not wanted:
            return {}
        described = self._ask(
            "describe topics",
            lambda: self._admin.describe_topics(TopicCollection(wanted), request_timeout=REQUEST_SECONDS),
        )
        resources = [ConfigResource(ResourceType.TOPIC, name) for name in wanted]
        configs = self._ask(
            "read topic settings",
            lambda: self._admin.describe_configs(resources, request_timeout=REQUEST_SECONDS),
        )
        own = {
            resource.name: _own_settings(self._result("read settings", future)) for resource, future in configs.items()
        }
        found = {}
        for name, future in described.items():
            answer = self._result(f"describe topic {name}", future)
            found[name] = Topic(
                name,
                partitions=len(answer.partitions),
                replication=len(answer.partitions[0].replicas),
                config=own[name],
                id=str(answer.topic_id),
            )
        return found

    def ids(self, names: Iterable[str]) -> dict[str, str]:
        """Return the broker's ids of those of the named topics that exist; a broker that has no ids gives none."""
        wanted = sorted(set(names))
        if not wanted:
            return {}
        described = self._ask(
            "describe topics",
            lambda: self._admin.describe_topics(TopicCollection(wanted), request_timeout=REQUEST_SECONDS),
        )
        missing = confluent_kafka.KafkaError.UNKNOWN_TOPIC_OR_PART
        answers = {name: self._result(f"describe topic {name}", f, fine=missing) for name, f in described.items()}
        ids = {name: str(answer.topic_id) for name, answer in answers.items() if answer is not None}
        return {name: of for name, of in ids.items() if of != _NO_ID}

    def end_offsets(self, names: Iterable[str], *, committed: bool = True) -> dict[tuple[str, int], int]:
        """Return the end of each partition of topics, by topic and partition number.

        Args:
            names: the topics.
            committed: the end of what is committed; else of everything, open transactions included.
        """
        isolation = IsolationLevel.READ_COMMITTED if committed else IsolationLevel.READ_UNCOMMITTED
        return self._offsets(names, OffsetSpec.latest(), isolation)  # type: ignore[no-untyped-call]  # the library leaves it without types

    def ranges(self, names: Iterable[str]) -> dict[tuple[str, int], tuple[int, int]]:
        """Return the first offset that each partition of topics holds, and its read-committed end."""
        wanted = set(names)
        starts = self._offsets(wanted, OffsetSpec.earliest())  # type: ignore[no-untyped-call]  # likewise
        ends = self.end_offsets(wanted)
        return {place: (start, ends[place]) for place, start in starts.items() if place in ends}

    def offsets_at(self, names: Iterable[str], milliseconds: int) -> dict[tuple[str, int], int]:
        """Return the first offset of each partition of topics that was written at a time or later.

        Args:
            names: the topics.
            milliseconds: the time, since 1970.

        Returns:
            By topic and partition number; partitions in which nothing was written since are left out.
        """
        found = self._offsets(names, OffsetSpec.for_timestamp(milliseconds))
        return {place: offset for place, offset in found.items() if offset >= 0}

    def _offsets(
        self, names: Iterable[str], spec: OffsetSpec, isolation: IsolationLevel = IsolationLevel.READ_COMMITTED
    ) -> dict[tuple[str, int], int]:
        described = self._ask("list topics", lambda: self._admin.list_topics(timeout=REQUEST_SECONDS)).topics
        wanted = {
            TopicPartition(name, number): spec
            for name in sorted(set(names) & described.keys())
            for number in described[name].partitions
        }
        if not wanted:
            return {}
        futures = self._ask(
            "read offsets of topics",
            lambda: self._admin.list_offsets(wanted, isolation_level=isolation, request_timeout=REQUEST_SECONDS),
        )
        return {(p.topic, p.partition): self._result("read offsets", future).offset for p, future in futures.items()}

    def create(self, topics: Sequence[Topic]) -> None:
        """Make topics; those that exist are left as they are."""
        new = [
            NewTopic(t.name, num_partitions=t.partitions, replication_factor=t.replication or -1, config=dict(t.config))
            for t in topics
        ]
        if new:
            futures = self._ask(
                "create topics", lambda: self._admin.create_topics(new, request_timeout=REQUEST_SECONDS)
            )
            for name, future in futures.items():
                self._result(f"create topic {name}", future, fine=confluent_kafka.KafkaError.TOPIC_ALREADY_EXISTS)

    def configure(self, name: str, settings: Mapping[str, str]) -> None:
        """Set some settings of a topic; the others stay."""
        entries = [
            ConfigEntry(key, value, incremental_operation=AlterConfigOpType.SET) for key, value in settings.items()
        ]
        resource = ConfigResource(ResourceType.TOPIC, name, incremental_configs=entries)
        futures = self._ask(
            "set topic settings",
            lambda: self._admin.incremental_alter_configs([resource], request_timeout=REQUEST_SECONDS),
        )
        for future in futures.values():
            self._result(f"set {', '.join(settings)} of topic {name}", future)

    def delete(self, names: Iterable[str]) -> None:
        """Delete topics; those that are not there are fine."""
        wanted = sorted(set(names))
        if wanted:
            futures = self._ask(
                "delete topics", lambda: self._admin.delete_topics(wanted, request_timeout=REQUEST_SECONDS)
            )
            for name, future in futures.items():
                self._result(f"delete topic {name}", future, fine=confluent_kafka.KafkaError.UNKNOWN_TOPIC_OR_PART)

    def _heard(self, error: confluent_kafka.KafkaError) -> None:
        if error.code() in _TURNED_AWAY:
            self._turned_away = error.str()

    def _ask(self, what: str, request: Callable[[], Any]) -> Any:
        try:
            return request()
        except confluent_kafka.KafkaException as error:
            raise self._error(what, error) from None

    def _result(self, what: str, future: "Future[Any]", fine: int | None = None) -> Any:
        try:
            return future.result()
        except confluent_kafka.KafkaException as error:
            if fine is not None and error.args[0].code() == fine:
                return None
            raise self._error(what, error) from None

    def _error(self, what: str, error: confluent_kafka.KafkaException) -> KafkaError:
        code = error.args[0].code()
        if code in _AWAY:
            self._admin.poll(0)
            if said := self._turned_away:
                self._turned_away = ""
                return KafkaError(
                    f"Kafka at {self.bootstrap_servers} does not let this client in: {said}",
                    hint="Check kafka.properties: ssl.ca.location for the certificate, sasl.* for the login. "
                    "Has the server's certificate expired?",
                    transient=True,
                )
            return KafkaError(
                f"no Kafka broker answers at {self.bootstrap_servers}",
                hint="Is the broker running, and are kafka.bootstrap_servers and kafka.properties right?",
                transient=True,
            )
        return KafkaError(
            f"Kafka at {self.bootstrap_servers} refused to {what}: {_text(error)}",
            hint=_HINTS.get(code, ""),
            transient=code in _PASSING or bool(error.args[0].retriable()),
        )


_AWAY = {
    confluent_kafka.KafkaError._TRANSPORT,  # noqa: SLF001 - librdkafka's own codes are spelt so
    confluent_kafka.KafkaError._ALL_BROKERS_DOWN,  # noqa: SLF001 - likewise
    confluent_kafka.KafkaError._TIMED_OUT,  # noqa: SLF001 - likewise
    confluent_kafka.KafkaError._RESOLVE,  # noqa: SLF001 - likewise
}
# What Kafka's protocol calls retriable, and librdkafka's word for "no leader is known now". Seen where a broker woke
# after half a minute: it was there and led nothing yet.
_PASSING = {
    confluent_kafka.KafkaError._NOENT,  # noqa: SLF001 - likewise
    confluent_kafka.KafkaError._TIMED_OUT_QUEUE,  # noqa: SLF001 - likewise
    confluent_kafka.KafkaError.LEADER_NOT_AVAILABLE,
    confluent_kafka.KafkaError.NOT_LEADER_FOR_PARTITION,
    confluent_kafka.KafkaError.REQUEST_TIMED_OUT,
    confluent_kafka.KafkaError.BROKER_NOT_AVAILABLE,
    confluent_kafka.KafkaError.REPLICA_NOT_AVAILABLE,
    confluent_kafka.KafkaError.NETWORK_EXCEPTION,
    confluent_kafka.KafkaError.NOT_CONTROLLER,
    confluent_kafka.KafkaError.KAFKA_STORAGE_ERROR,
    confluent_kafka.KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
    confluent_kafka.KafkaError.COORDINATOR_NOT_AVAILABLE,
    confluent_kafka.KafkaError.NOT_COORDINATOR,
}
_TURNED_AWAY = {
    confluent_kafka.KafkaError._SSL,  # noqa: SLF001 - likewise
    confluent_kafka.KafkaError._AUTHENTICATION,  # noqa: SLF001 - likewise
    confluent_kafka.KafkaError.SASL_AUTHENTICATION_FAILED,
}
_HINTS = {
    confluent_kafka.KafkaError.INVALID_REPLICATION_FACTOR: "kafka.topics.replication asks for more brokers than run.",
    confluent_kafka.KafkaError.TOPIC_AUTHORIZATION_FAILED: "Allow it for the user of kafka.properties.",
    confluent_kafka.KafkaError.CLUSTER_AUTHORIZATION_FAILED: "Allow it for the user of kafka.properties.",
    confluent_kafka.KafkaError._AUTHENTICATION: "Check sasl.* in kafka.properties.",  # noqa: SLF001 - likewise
}


def _own_settings(entries: Mapping[str, ConfigEntry]) -> dict[str, str]:
    return {
        key: entry.value
        for key, entry in entries.items()
        if ConfigSource(entry.source) is ConfigSource.DYNAMIC_TOPIC_CONFIG and entry.value is not None
    }


def _text(error: confluent_kafka.KafkaException) -> str:
    detail = error.args[0]
    return str(detail.str() if hasattr(detail, "str") else detail)

"""The model of `topology.yaml`: the declared whole of shards, tables, transforms and sinks.

A value of this model is complete: defaults are filled in, references to secrets are still references
(see `secrets.py`), and nothing here talks to a server. What a file must fulfil beyond these shapes
stands in `values.py` (one value) and `rules.py` (several together), which `load` asks.
"""

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, WithJsonSchema

from afflux.topology.guard import Guard
from afflux.topology.kinds import KINDS
from afflux.topology.masking import ColumnRule, Masking
from afflux.topology.monitor import Monitor
from afflux.topology.part import Duration, Name, Part, PropertyText, Time, seconds
from afflux.topology.sinks import PostgresSink, Sink

Compatibility = Literal[
    "NONE", "BACKWARD", "BACKWARD_TRANSITIVE", "FORWARD", "FORWARD_TRANSITIVE", "FULL", "FULL_TRANSITIVE"
]
"""Levels of compatibility, by the Confluent API's names."""


class Topics(Part):
    """How new topics are made; existing ones are taken as they are."""

    partitions: Annotated[int, Field(ge=1)] = 1
    """More than one only for a very hot table: a topic is one table of one shard already."""
    replication: Annotated[int, Field(ge=1, le=32767)] | None = None
    """Copies of each partition; without it the broker's default."""
    min_insync: Annotated[int, Field(ge=1, le=32767)] | None = None
    """Copies that must have a record before it counts as written; without it the broker's default."""
    retention: Duration | None = None
    """How long records stay: `7d`, `12h`, `30m`, `45s` or `forever`; without it the broker's default."""
    max_message_bytes: Annotated[int, Field(ge=1)] = 64 * 1024 * 1024
    """The largest record, in bytes."""

    @property
    def retention_ms(self) -> int | None:
        """Kafka's `retention.ms`, -1 for `forever`; None: the broker's default."""
        if self.retention is None:
            return None
        return -1 if self.retention == "forever" else int(seconds(self.retention) * 1000)


class Kafka(Part):
    """Where the broker is."""

    bootstrap_servers: str
    """Brokers to begin with, `host:port`, separated by commas."""
    properties: dict[str, PropertyText] = {}
    """Any librdkafka property: `security.protocol`, `sasl.*`, `ssl.*`."""
    topics: Topics = Topics()
    """How new topics are made."""


class Registry(Part):
    """The schema registry, spoken to through the Confluent API."""

    url: str
    """The Confluent API; Apicurio has it at `/apis/ccompat/v7`."""
    properties: dict[str, PropertyText] = {}
    """Login and TLS, by the names of Confluent's client: `basic.auth.user.info`, `ssl.ca.location`."""
    compatibility: Compatibility = "NONE"
    """What the registry demands of a new version of these topics' schemas; any but `NONE` can stop a connector."""


class Connect(Part):
    """Kafka Connect's REST address, and how its converters reach the registry."""

    url: str
    """Kafka Connect's REST address; of several workers, separated by commas, the first that answers is asked."""
    properties: dict[str, PropertyText] = {}
    """Login and TLS: `basic.auth.user.info`, `ssl.ca.location`, `ssl.certificate.location`, `ssl.key.location`."""
    registry_url: str | None = None
    """The registry's address for the converter, where it differs from what `registry.url` gives."""
    converter: Literal["apicurio", "confluent", "worker"] = "apicurio"
    """What writes the records as Avro: Apicurio's converter, Confluent's, or what the workers are set to."""
    connectors: Literal["afflux", "given"] = "afflux"
    """Who makes the connectors: `afflux`, or others, such as Strimzi from its resources (`given`)."""


class Shard(Part):
    """One source database."""

    name: Name
    """The shard's name, which its connector, slot, publication and topics carry."""
    host: str
    """Host name or address."""
    port: Annotated[int, Field(ge=1, le=65535)] = 5432
    """PostgreSQL's port."""
    database: str | None = None
    """This shard's database, where it is not `source.database`."""


class ShardQuery(Part):
    """Shards as rows of a directory: columns `name`, `host`, and optionally `port`, `database`."""

    url: str
    """The directory's PostgreSQL, `postgresql://user:${env:NAME}@host/database`."""
    sql: str
    """A query with the columns `name`, `host`, and optionally `port` and `database`."""


class ShardsByQuery(Part):
    """The long form of `source.shards` for shards that a directory lists."""

    query: ShardQuery
    """The directory, which is asked again every 10 s."""


class Names(Part):
    """Templates of what is made for a shard; `{name}` is the topology's, `{shard}` the shard's."""

    connector: str = "{name}-{shard}"
    """The connector's name in Kafka Connect."""
    slot: str = "afflux_{name}_{shard}"
    """The replication slot; `-` becomes `_`, at most 63 characters."""
    publication: str = "afflux_{name}_{shard}"
    """The publication; `-` becomes `_`, at most 63 characters."""
    topic_prefix: str = "{shard}"
    """What the shard's topics begin with."""


class ReadBack(Part):
    """How rows are read at their shards that came without unchanged values which the target has not."""

    connections: Annotated[int, Field(ge=1)] = 2
    """Connections to the shards at once, of one worker."""


def _read_back_form(value: object) -> str:
    return "limit" if isinstance(value, dict | ReadBack) else "true or false"


def _shards_form(value: object) -> str:
    return "directory" if isinstance(value, dict | ShardsByQuery) else "list of shards"


class Source(Part):
    """The shards, and how to log in to them."""

    kind: Annotated[str, WithJsonSchema({"enum": list(KINDS)})] = "postgresql"
    """What the shards are."""
    database: str
    """The shards' database."""
    user: str
    """The role that Debezium and afflux log in as."""
    password: str
    """Its password, as a reference: `${env:NAME}` or `${file:/path:key}`."""
    shards: Annotated[
        Annotated[list[Shard], Field(min_length=1), Tag("list of shards")] | Annotated[ShardsByQuery, Tag("directory")],
        Discriminator(_shards_form),
    ]
    """The shards, or a query that lists them."""
    config: dict[str, str | int | float | bool] = {}
    """Any connector property, passed through over afflux's own."""
    names: Names = Names()
    """Templates of the names of what is made for a shard."""
    read_back: Annotated[
        Annotated[bool, Tag("true or false")] | Annotated[ReadBack, Tag("limit")], Discriminator(_read_back_form)
    ] = True
    """Whether the sink may read a row at its shard, by key, that came without values which the target has not."""
    on_shard_removed: Literal["keep", "delete"] = "keep"
    """What becomes of the rows of a shard that is taken out of the topology."""
    move_window: Time = "30s"
    """How long one key may be on two shards while its row moves, before that counts as a collision."""
    guard: Guard = Guard()
    """How far a shard's WAL may fill before somebody is told, and what is done at last."""


def _key_form(value: object) -> str:
    return "columns" if isinstance(value, list) else "word"


class OnError(Part):
    """How many events that can't be applied are borne, before their table is stopped."""

    most: Annotated[int, Field(ge=0)] = 1000
    """Dead letters of one table of one shard within the window; the next one stops it. 0: the first one does."""
    window: Duration = "1h"
    """The time in which they are counted: `45s`, `30m`, `12h`, `7d` or `forever`."""

    @property
    def window_seconds(self) -> float:
        """The window in seconds, infinite for `forever`."""
        return seconds(self.window)


class Table(Part):
    """One table of the shards, or many by a regular expression, and its place in the target."""

    source: str
    """A table, `schema.table`, or a regular expression for the whole of such names."""
    target: str | None = None
    """The table in the target, `schema.table`; without it the name that the transforms give."""
    key: Annotated[
        Annotated[Literal["source", "with_shard"], Tag("word")] | Annotated[list[str], Tag("columns")],
        Discriminator(_key_form),
    ] = "source"
    """What identifies a row in the target: the source's key, or that and the shard, or these columns."""
    mode: Literal["upsert", "append", "history"] = "upsert"
    """How changes are written: over the row, each as a row, or as versions with their times."""
    deletes: Literal["hard", "soft"] = "hard"
    """Whether a deleted row goes, or stays and is marked."""
    shared: bool = False
    """Whether other topologies may write the target table, too, which then have to say the same."""
    lineage: bool = False
    """Whether each row says by which event it came; with `append` and `history` it always does."""
    allow_duplicates: bool = False
    """Whether `append` and `history` are right even where Kafka Connect may deliver a change twice."""
    shards: Literal["all", "one"] = "all"
    """From all shards, or from the first one alone (a reference table)."""
    columns: dict[str, ColumnRule] = {}
    """Columns that are masked before anything is written: column -> how."""
    on_error: OnError = OnError()
    """How many events that can't be applied are borne, before the table is stopped."""


class RegexRouter(Part):
    """Kafka Connect's RegexRouter: the topic's name, matched as a whole, is replaced."""

    type: Literal["RegexRouter"]
    """The transform, by Kafka Connect's name."""
    regex: str
    """A regular expression for a topic's whole name."""
    replacement: str
    """The new name; `$1` is the first group."""


Transform = RegexRouter
"""The single-message transforms there are (a union, once there are several)."""


class Topology(Part):
    """The declared whole."""

    name: Name
    """The topology's name, which everything made for it carries."""
    kafka: Kafka
    """The broker."""
    registry: Registry
    """The schema registry."""
    connect: Connect
    """Kafka Connect."""
    source: Source
    """The shards, and how to log in to them."""
    tables: Annotated[list[Table], Field(min_length=1)]
    """Which tables are copied; of several entries that fit, the exact name wins, then the first."""
    transforms: list[Transform] = []
    """Kafka Connect's single-message transforms, in order."""
    sinks: Annotated[list[Sink], Field(min_length=1)]
    """The targets."""
    masking: Masking | None = None
    """The key of hashed columns."""
    monitor: Monitor = Monitor()
    """How fresh the warehouse shall be, and what is an alert."""

    @property
    def own_sinks(self) -> list[Sink]:
        """The sinks that `afflux run` writes."""
        written = {sink.name for sink in self.connect_sinks}
        return [sink for sink in self.sinks if sink.name not in written]

    @property
    def connect_sinks(self) -> list[PostgresSink]:
        """The sinks that Debezium's JDBC sink writes, inside Kafka Connect."""
        return [sink for sink in self.sinks if isinstance(sink, PostgresSink) and sink.engine == "connect"]

    @property
    def shards(self) -> list[Shard]:
        """The shards, once `load_resolved` has turned a directory query into rows."""
        assert isinstance(self.source.shards, list), "load_resolved() asks the directory"  # noqa: S101 - its promise
        return self.source.shards

    def seen_by(self, sink: Sink) -> "Topology":
        """Give the topology as a sink's daemon sees it: with its own login to Kafka, where it has one."""
        kafka = self.kafka.model_copy(update={"properties": self.kafka.properties | sink.kafka})
        return self.model_copy(update={"kafka": kafka})


Json = dict[str, Any]

"""The model of `topology.yaml`: the declared whole of shards, tables, transforms and sinks.

A value of this model is complete and consistent: defaults are filled in, references to secrets are
still references (see `secrets.py`), and nothing here talks to a server.
"""

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,47}$")]
"""A name that topics, connectors and slots can carry: lower case letters, digits, `_` and `-`."""


class Part(BaseModel):
    """One mapping of the file: unknown keys are errors, values do not change after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Topics(Part):
    """How new topics are made; existing ones are taken as they are."""

    partitions: Annotated[int, Field(ge=1)] = 1
    replication: Annotated[int, Field(ge=1)] | None = None
    """None: the broker's default."""
    min_insync: Annotated[int, Field(ge=1)] | None = None
    retention: str | None = None
    """A duration such as `7d`; None: the broker's default."""
    max_message_bytes: Annotated[int, Field(ge=1)] = 64 * 1024 * 1024


class Kafka(Part):
    """Where the broker is."""

    bootstrap_servers: str
    properties: dict[str, str] = {}
    """Any librdkafka property: `security.protocol`, `sasl.*`, `ssl.*`."""
    topics: Topics = Topics()


class Registry(Part):
    """The schema registry, spoken to through the Confluent API."""

    url: str
    properties: dict[str, str] = {}


class Connect(Part):
    """Kafka Connect's REST address, and how its converters reach the registry."""

    url: str
    registry_url: str | None = None
    """The registry's address for the converter, where it differs from what `registry.url` gives."""


class Shard(Part):
    """One source database."""

    name: Name
    host: str
    port: Annotated[int, Field(ge=1, le=65535)] = 5432
    database: str | None = None
    """None: `source.database`."""


class ShardQuery(Part):
    """Shards as rows of a directory: columns `name`, `host`, and optionally `port`, `database`."""

    url: str
    sql: str


class ShardsByQuery(Part):
    """The long form of `source.shards` for shards that a directory lists."""

    query: ShardQuery


class Names(Part):
    """Templates of what is made for a shard; `{name}` is the topology's, `{shard}` the shard's."""

    connector: str = "{name}-{shard}"
    slot: str = "afflux_{name}_{shard}"
    publication: str = "afflux_{name}_{shard}"
    topic_prefix: str = "{shard}"


class Source(Part):
    """The shards, and how to log in to them."""

    kind: Literal["postgresql"] = "postgresql"
    database: str
    user: str
    password: str
    shards: list[Shard] | ShardsByQuery
    config: dict[str, str | int | float | bool] = {}
    """Any connector property, passed through over afflux's own."""
    names: Names = Names()


class Table(Part):
    """One table of the shards, or many by a regular expression, and its place in the target."""

    source: str
    target: str | None = None
    """None: the name that the transforms give."""
    key: Literal["source", "with_shard"] | list[str] = "source"
    mode: Literal["upsert", "append", "history"] = "upsert"
    deletes: Literal["hard", "soft"] = "hard"
    shards: Literal["all", "one"] = "all"


class RegexRouter(Part):
    """Kafka Connect's RegexRouter: the topic's name, matched as a whole, is replaced."""

    type: Literal["RegexRouter"]
    regex: str
    replacement: str


Transform = RegexRouter
"""The single-message transforms there are (a union, once there are several)."""


class Batching(Part):
    """When a batch is full: whichever comes first."""

    rows: Annotated[int, Field(ge=1)] = 50_000
    bytes: Annotated[int, Field(ge=1)] = 64 * 1024 * 1024
    seconds: Annotated[float, Field(gt=0)] = 0.2


class PostgresSink(Part):
    """A PostgreSQL warehouse."""

    name: Name
    type: Literal["postgresql"]
    url: str
    batch: Batching = Batching()


Sink = PostgresSink
"""The sinks there are (a union, once there are several)."""


class Topology(Part):
    """The declared whole."""

    name: Name
    kafka: Kafka
    registry: Registry
    connect: Connect
    source: Source
    tables: Annotated[list[Table], Field(min_length=1)]
    transforms: list[Transform] = []
    sinks: Annotated[list[Sink], Field(min_length=1)]

    @model_validator(mode="after")
    def _names_are_unique(self) -> Self:
        shards = [shard.name for shard in self.source.shards] if isinstance(self.source.shards, list) else []
        for what, names in (("shard", shards), ("sink", [sink.name for sink in self.sinks])):
            twice = sorted({name for name in names if names.count(name) > 1})
            if twice:
                raise ValueError(f"two {what}s are named {twice[0]!r}")
        return self

    @property
    def shards(self) -> list[Shard]:
        """The shards, once `load` has resolved a directory query into rows."""
        assert isinstance(self.source.shards, list), "load() resolves queries"  # noqa: S101 - a promise of load()
        return self.source.shards


Json = dict[str, Any]

"""`sinks`: the targets."""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Discriminator, Field

from afflux.topology.part import Duration, Name, Part, PropertyText, Size, Time, seconds, size_bytes
from afflux.topology.regex import compiled


class Kind(StrEnum):
    """The kinds of targets that can be made from nothing, as the demo does."""

    POSTGRESQL = "postgresql"
    DELTA = "delta"
    DUCKDB = "duckdb"
    SQLITE = "sqlite"


class Batching(Part):
    """When a batch is full: whichever comes first."""

    rows: Annotated[int, Field(ge=1)] = 50_000
    """Events in a batch."""
    bytes: Annotated[int, Field(ge=1)] = 64 * 1024 * 1024
    """Bytes of a batch, as they came from Kafka."""
    seconds: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 0.2
    """How long a batch may wait to fill."""


class MetaColumns(Part):
    """What the columns of afflux's own are called in a target's tables."""

    shard: str = "_shard"
    """The shard whose row it is."""
    lsn: str = "_lsn"
    """The position in that shard's WAL of the event that made the row."""
    source_ts: str = "_source_ts"
    """The source's commit time."""
    synced_at: str = "_synced_at"
    """When the row was written."""
    deleted: str = "_deleted"
    """With `deletes: soft`, whether the row is deleted."""
    deleted_at: str = "_deleted_at"
    """With `deletes: soft`, the commit time of the delete."""
    op: str = "_op"
    """What the event was: `c`, `r`, `u`, `d` or `t`."""
    topic: str = "_topic"
    """The topic that it came by."""
    partition: str = "_partition"
    """The partition of that topic."""
    offset: str = "_offset"
    """Its offset there."""
    transaction: str = "_transaction"
    """The source's transaction id."""
    unchanged: str = "_unchanged"
    """With `append`, the columns whose values an update has left out."""
    valid_from: str = "_valid_from"
    """With `history`, the commit time from which a version is the one."""
    valid_to: str = "_valid_to"
    """With `history`, the commit time from which it is not any more."""
    current: str = "_current"
    """With `history`, whether a version is the one now."""
    end_op: str = "_end_op"
    """With `history`, what the event was that ended the version."""
    end_topic: str = "_end_topic"
    """With `history`, the topic that this event came by."""
    end_offset: str = "_end_offset"
    """With `history`, its offset there."""


class Letters(Part):
    """What becomes of events that could not be applied, beside the target's own list of them."""

    topic: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,249}$")] | None = None
    """A Kafka topic that each of them is written to as well, once or more."""
    retention: Duration = "30d"
    """How long one is kept that is superseded, replayed or discarded; open ones stay."""


class PostgresSink(Part):
    """A PostgreSQL warehouse."""

    name: Name
    """The sink's name; its consumer group is `afflux.<topology>.<sink>`."""
    type: Literal["postgresql"]
    """What the target is."""
    url: str
    """The target, `postgresql://user:${env:NAME}@host:port/database`."""
    engine: Literal["afflux", "connect"] = "afflux"
    """What writes it: `afflux run`, or Debezium's JDBC sink inside Kafka Connect."""
    config: dict[str, str | int | float | bool] = Field({})
    """With `engine: connect`, any property of the JDBC sink's connectors, passed through over afflux's own."""
    kafka: dict[str, PropertyText] = Field({})
    """Over `kafka.properties` for this sink's daemon: a login that may only read its topics."""
    batch: Batching = Batching()
    """When a batch is full."""
    meta: MetaColumns = MetaColumns()
    """What the columns of afflux's own are called."""
    dead_letters: Letters = Letters()
    """What becomes of events that could not be applied."""


class LakeBatching(Batching):
    """When a batch is full: whichever comes first. A lake's are larger, for each rewrites the files that it touches."""

    rows: Annotated[int, Field(ge=1)] = 200_000
    """Events in a batch."""
    bytes: Annotated[int, Field(ge=1)] = 256 * 1024 * 1024
    """Bytes of a batch, as they came from Kafka."""
    seconds: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 2.0
    """How long a batch may wait to fill."""


class LakeTable(Part):
    """How tables lie in the lake."""

    target: str
    """A table of the lake, `schema.table`, or a regular expression for the whole of such names."""
    partition_by: list[str] = Field([])
    """Columns whose values tell the folder that a row lies in; they count when the table is made."""
    order_by: list[str] = Field([])
    """Columns by which rows are laid close together, on a Z-order curve where there are several; the key without any."""
    change_data_feed: bool = False
    """Whether the table keeps a Delta change data feed; it counts when the table is made."""


class Upkeep(Part):
    """How the lake's files are kept in order, by the daemon that writes them."""

    retention: Time = "1d"
    """How long a version of a table can be read after it was replaced; then its files are removed."""
    file_size: Size = "128MiB"
    """How large files are made when small ones are put together."""
    small_files: Annotated[int, Field(ge=2)] = 50
    """How many small files a table may have, before they are put together."""
    optimize: bool = True
    """Whether the daemon puts files together and rows in order; `false` where another program does, for two are one too many."""

    @property
    def retention_seconds(self) -> float:
        """`retention` in seconds."""
        return seconds(self.retention)

    @property
    def file_bytes(self) -> int:
        """`file_size` in bytes."""
        return size_bytes(self.file_size)


class DeltaSink(Part):
    """A lake of Delta tables."""

    name: Name
    """The sink's name; its consumer group is `afflux.<topology>.<sink>`."""
    type: Literal["delta"]
    """What the target is."""
    path: str
    """The folder, or the address in an object store: `/data/lake`, `s3://bucket/lake`, `abfss://...`, `gs://...`."""
    kafka: dict[str, PropertyText] = Field({})
    """Over `kafka.properties` for this sink's daemon: a login that may only read its topics."""
    storage_options: dict[str, PropertyText] = Field({})
    """Of the object store, by delta-rs's names: `aws_access_key_id`, `azure_storage_account_key`, `google_service_account`."""
    batch: LakeBatching = LakeBatching()
    """When a batch is full."""
    meta: MetaColumns = MetaColumns()
    """What the columns of afflux's own are called."""
    tables: list[LakeTable] = Field([])
    """How tables lie in the lake; the first entry that fits a table counts."""
    upkeep: Upkeep = Upkeep()
    """How the lake's files are kept in order."""
    dead_letters: Letters = Letters()
    """What becomes of events that could not be applied."""

    def table(self, name: str) -> LakeTable:
        """Give how a table lies in the lake, by its name, `schema.table`."""
        fitting = (t for t in self.tables if t.target == name or compiled(t.target).fullmatch(name))
        return next(fitting, LakeTable(target=name))


class SqlBatching(Batching):
    """When a batch is full: whichever comes first. An embedded database is opened and closed for each."""

    seconds: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 1.0
    """How long a batch may wait to fill."""


class SqlSink(Part):
    """A database that SQLAlchemy knows: DuckDB, SQLite, MariaDB, MySQL, and others untested."""

    name: Name
    """The sink's name; its consumer group is `afflux.<topology>.<sink>`."""
    type: Literal["sql"]
    """What the target is."""
    url: str
    """The target, by SQLAlchemy's form: `duckdb:////data/warehouse.duckdb`, `mysql+pymysql://user:${env:NAME}@host/dw`."""
    batch: SqlBatching = SqlBatching()
    """When a batch is full."""
    kafka: dict[str, PropertyText] = Field({})
    """Over `kafka.properties` for this sink's daemon: a login that may only read its topics."""
    meta: MetaColumns = MetaColumns()
    """What the columns of afflux's own are called."""
    dead_letters: Letters = Letters()
    """What becomes of events that could not be applied."""


Sink = Annotated[PostgresSink | DeltaSink | SqlSink, Discriminator("type")]
"""The sinks there are."""

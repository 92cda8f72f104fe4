"""Where the parts of a running stack are."""

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class ShardAddress:
    """A source database.

    `admin_url` logs in as the owner of the application's tables, who may also end sessions and drop slots: tables
    made through it can be captured. `superuser_url` is for what only a superuser may.
    """

    name: str
    host: str
    port: int
    database: str
    admin_url: str = field(repr=False)
    superuser_url: str = field(repr=False)


@dataclass(frozen=True)
class Addresses:
    """Every address of a stack; those of databases hold their passwords."""

    kafka: str
    """`host:port`, for `bootstrap.servers`."""
    connect: list[str]
    """The REST API of each worker."""
    registry: str
    """The registry's Confluent-compatible API."""
    shards: list[ShardAddress]
    warehouse_url: str = field(repr=False)
    topology: Path
    """The topology written for this stack."""
    secrets: Path
    """The properties file that its references point into."""

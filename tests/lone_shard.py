"""A shard by itself, whose WAL may be filled and whose settings may be changed, beside the stack that tests share."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from afflux.stack.addresses import Addresses, ShardAddress, addresses_of
from afflux.stack.parts import parts_of
from afflux.stack.settle import AskedPorts, Wishes, settle
from afflux.stack.starting import start, stop
from afflux.stack.state import State
from afflux.topology.load import loads
from afflux.topology.model import Topology

TEXT = """
name: {name}
kafka: {{bootstrap_servers: "{kafka}"}}
registry: {{url: "{registry}"}}
connect: {{url: "{connect}"}}
source:
  database: app
  user: cdc
  password: "${{file:{secrets}:cdc_password}}"
  names: {{topic_prefix: "{name}.{{shard}}"}}
  config: {{heartbeat.interval.ms: 1000}}
  shards: [{{name: shard0, host: {host}, port: {port}}}]
  guard: {guard}
tables:
  - {{source: public.orders}}
transforms:
  - {{type: RegexRouter, regex: '.*\\.shard[0-9]+\\.(.*)', replacement: '$1'}}
sinks:
  - {{name: warehouse, type: postgresql, url: "postgresql://afflux:${{file:{stack}:warehouse_password}}@{warehouse}"}}
"""


@dataclass(frozen=True)
class LoneShard:
    """A server of its own.

    Attributes:
        address: where it is.
        secrets: the file with its passwords.
    """

    address: ShardAddress
    secrets: Path

    def sql(self, *statements: str) -> list[tuple[Any, ...]]:
        """Run statements as the superuser; give the rows of the last."""
        rows: list[tuple[Any, ...]] = []
        with psycopg.connect(self.address.superuser_url, autocommit=True) as connection:
            for statement in statements:
                cursor = connection.execute(statement.encode())
                rows = cursor.fetchall() if cursor.description else []
        return rows

    def write(self, megabytes: int) -> None:
        """Write WAL, and nothing else."""
        self.sql(
            f"select pg_logical_emit_message(false, 'noise', repeat('x', 1048576)) from generate_series(1, {megabytes})"
        )

    def topology(self, name: str, beside: Addresses, guard: str = "{}") -> Topology:
        """A topology of this shard, with the servers of a stack."""
        return loads(self.text(name, beside, guard))

    def text(self, name: str, beside: Addresses, guard: str = "{}") -> str:
        """The same as a file."""
        return TEXT.format(
            name=name,
            guard=guard,
            kafka=beside.kafka,
            registry=beside.registry,
            connect=beside.connect[0],
            warehouse=beside.warehouse_url.rpartition("@")[2],
            secrets=self.secrets,
            stack=beside.secrets,
            host=self.address.host,
            port=self.address.port,
        )


@contextmanager
def lone_shard(folder: Path, *, version: int = 16, **settings: str) -> Iterator[LoneShard]:
    """Run a shard by itself.

    Args:
        folder: for its files.
        version: of PostgreSQL.
        settings: of the server, some of which hold from its next start on.
    """
    folder.mkdir(parents=True, exist_ok=True)
    state = State.load_or_make(folder)
    settle(state, Wishes(1, 1, AskedPorts(), version))
    parts = [part for part in parts_of(state) if part.name == "shard0"]
    start(parts, _quiet)
    try:
        made = LoneShard(addresses_of(state).shards[0], state.secrets_file)
        if settings:
            made.sql(*(f"alter system set {key} = '{value}'" for key, value in settings.items()))
            stop(parts, _quiet)
            start(parts, _quiet)
        yield made
    finally:
        stop(parts, _quiet)
        state.remove()


def _quiet(_part: str, _phase: str) -> None:
    pass

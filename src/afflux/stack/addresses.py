"""Where the parts of a stack are, for those who speak to them."""

import shlex
import shutil
from dataclasses import dataclass, field
from pathlib import Path

from afflux.stack.account import wheel_programs
from afflux.stack.parts import parts_of
from afflux.stack.parts.connect import Connect
from afflux.stack.parts.postgres import Postgres, Shard, Warehouse
from afflux.stack.parts.registry import Registry
from afflux.stack.ports import HOST
from afflux.stack.state import State


@dataclass(frozen=True)
class ShardAddress:
    """A source database.

    `admin_url` logs in as `app`, the owner of the application's tables, who may also end sessions and drop slots:
    tables made through it can be captured. `superuser_url` is for what only a superuser may.
    """

    name: str
    host: str
    port: int
    database: str
    admin_url: str = field(repr=False)
    superuser_url: str = field(repr=False)


@dataclass(frozen=True)
class Addresses:
    """Every address of a stack. URLs of databases hold their passwords, and are kept out of `repr`."""

    kafka: str
    """`host:port`, for `bootstrap.servers`."""
    connect: list[str]
    """The REST API of each worker."""
    registry: str
    """The registry's Confluent-compatible API."""
    shards: list[ShardAddress]
    warehouse_url: str = field(repr=False)
    warehouse_superuser_url: str = field(repr=False)
    """For what only a superuser may."""
    topology: Path
    """The topology written for this stack."""
    secrets: Path
    """The properties file that the topology's references point into."""
    shown: dict[str, str]
    """Part -> its address as people may see it, without a password."""


def addresses_of(state: State) -> Addresses:
    """Return where the stack's parts are, running or not."""
    parts = parts_of(state)
    warehouse = next(part for part in parts if isinstance(part, Warehouse))
    registry = next(part for part in parts if isinstance(part, Registry))
    workers = [part for part in parts if isinstance(part, Connect)]
    shards = [part for part in parts if isinstance(part, Shard)]
    kafka = f"{HOST}:{state.spec.ports['kafka']}"
    return Addresses(
        kafka=kafka,
        connect=[worker.url for worker in workers],
        registry=registry.url,
        shards=[_shard(shard) for shard in shards],
        warehouse_url=warehouse.url(warehouse.owner, warehouse.owner_password),
        warehouse_superuser_url=warehouse.url("postgres", "postgres"),
        topology=state.topology_file,
        secrets=state.secrets_file,
        shown={
            "kafka": kafka,
            "registry": registry.url,
            **{worker.name: worker.url for worker in workers},
            **{part.name: part.url(part.owner) for part in (*shards, warehouse)},
        },
    )


def exports(state: State) -> dict[str, str]:
    """Return environment variables with which other programs find the stack.

    No password is among them: libpq (psql, psycopg) takes them from the file that PGPASSFILE names.
    """
    addresses = addresses_of(state)
    variables = {
        "AFFLUX_STATE": str(state.folder),
        "AFFLUX_TOPOLOGY": str(addresses.topology),
        "BOOTSTRAP_SERVERS": addresses.kafka,
        "CONNECT_URL": addresses.connect[0],
        "REGISTRY_URL": addresses.registry,
        "PGPASSFILE": str(state.pgpass_file),
    }
    for part in parts_of(state):
        if isinstance(part, Shard | Warehouse):
            variables[f"{part.name.upper()}_URL"] = part.url(part.owner)
    return variables


def as_shell(variables: dict[str, str], postgres: int) -> str:
    """Return the variables as lines for `eval`, with the stack's own psql on the PATH where there is no other."""
    lines = [f"export {name}={shlex.quote(value)}" for name, value in variables.items()]
    if shutil.which("psql") is None:
        lines.append(f'export PATH="$PATH":{shlex.quote(str(wheel_programs(postgres)))}')
    return "\n".join(lines)


def write_pgpass(state: State) -> None:
    """Write the passwords where libpq looks for them: host:port:database:user:password, for the owner's eyes alone."""
    lines = []
    for part in parts_of(state):
        if isinstance(part, Postgres):
            for user, whose in part.logins().items():
                lines.append(f"{HOST}:{part.port}:*:{user}:{state.password(whose)}\n")
    state.write_secret(state.pgpass_file, "".join(lines))


def _shard(part: Shard) -> ShardAddress:
    return ShardAddress(
        name=part.name,
        host=HOST,
        port=part.port,
        database=part.database,
        admin_url=part.url(part.owner, part.owner_password),
        superuser_url=part.url("postgres", "postgres"),
    )

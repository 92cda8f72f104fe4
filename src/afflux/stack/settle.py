"""What the stack shall consist of: the wishes of one `up` laid over what there is, written down before anything is made."""

from collections import Counter
from dataclasses import dataclass, field

from afflux.errors import UsageError
from afflux.stack.account import INSTALLS, TLS_VERSION, postgres_account, postgres_folder
from afflux.stack.parts import parts_of
from afflux.stack.parts.base import Part
from afflux.stack.parts.connect import Connect
from afflux.stack.parts.postgres import Shard
from afflux.stack.ports import find_free
from afflux.stack.state import State

UNUSABLE = ':,}"\\\n'
"""Characters that `${file:...}`, Kafka's lists of folders or class paths can't carry in a path."""


@dataclass(frozen=True)
class AskedPorts:
    """Ports that the user asks for; None: keep what there is, or find a free one."""

    kafka: int | None = None
    registry: int | None = None
    connect: int | None = None
    """The first worker's; the others' follow."""
    postgres: int | None = None
    """The first shard's; the others' follow."""
    warehouse: int | None = None

    def of(self, part: Part) -> int | None:
        """Return the port asked for a part."""
        if isinstance(part, Connect):
            return None if self.connect is None else self.connect + int(part.name.removeprefix("connect-"))
        if isinstance(part, Shard):
            return None if self.postgres is None else self.postgres + int(part.name.removeprefix("shard"))
        asked: int | None = getattr(self, part.name, None)
        return asked


@dataclass(frozen=True)
class Wishes:
    """What one `up` asks for; None: as it is, or the default of a new stack."""

    shards: int | None = None
    """How many at least; 3 in a new stack."""
    workers: int | None = None
    """How many of Kafka Connect at least; 1 in a new stack."""
    ports: AskedPorts = field(default_factory=AskedPorts)
    postgres: int | None = None
    """PostgreSQL's major version, one of `account.INSTALLS`; 16 in a new stack."""
    secure: bool = False
    """Whether everything shall ask for TLS and a login; of a new stack alone, which stays what it is."""
    jdbc_sink: bool = False
    """Whether Kafka Connect shall have Debezium's JDBC sink, too; a stack that has it keeps it."""


def settle(state: State, wishes: Wishes) -> None:
    """Lay the wishes over the state and save it. A stack grows; it never shrinks.

    Raises:
        UsageError: a wish does not fit what is there; nothing has been changed.
    """
    spec = state.spec
    if unusable := set(UNUSABLE) & set(str(state.folder)):
        raise UsageError(
            f"the state folder {str(state.folder)!r} has {' '.join(sorted(unusable))!r} in its path, "
            "which Kafka's configuration can't carry",
            hint="choose another one with --state",
        )
    if wishes.postgres is not None and wishes.postgres not in INSTALLS:
        known = " and ".join(map(str, INSTALLS))
        raise UsageError(f"there is no PostgreSQL {wishes.postgres} in the local stack: there are {known}")
    if wishes.postgres is not None and spec.shards and wishes.postgres != spec.postgres:
        raise UsageError(
            f"this stack's data is of PostgreSQL {spec.postgres}, not {wishes.postgres}",
            hint="begin anew with `afflux stack down --purge`, or choose another --state folder",
        )
    if wishes.secure and spec.shards and not spec.secure:
        raise UsageError(
            "this stack was made without TLS and logins",
            hint="begin anew with `afflux stack down --purge`, or choose another --state folder",
        )
    if wishes.secure and (wishes.postgres or spec.postgres) != TLS_VERSION:
        raise UsageError(f"a secured stack's PostgreSQL is {TLS_VERSION}: only that one comes with TLS")
    spec.jdbc_sink = spec.jdbc_sink or wishes.jdbc_sink
    spec.secure = spec.secure or wishes.secure
    spec.postgres = wishes.postgres or spec.postgres
    spec.shards = max(spec.shards, wishes.shards or (0 if spec.shards else 3))
    spec.workers = max(spec.workers, wishes.workers or (0 if spec.workers else 1))
    _settle_ports(state, wishes.ports)
    if spec.postgres_folder is None:
        spec.postgres_folder = postgres_folder(state.folder, postgres_account())
    state.make_passwords()
    if spec.secure:
        state.authority.open()
    state.save()


def _settle_ports(state: State, asked: AskedPorts) -> None:
    ports = state.spec.ports
    parts = parts_of(state)
    wanted = {part.name: port for part in parts if (port := asked.of(part)) is not None}
    for part in parts:
        port = wanted.get(part.name)
        if port is not None and ports.get(part.name, port) != port and part.process.find():
            raise UsageError(
                f"{part.name} runs on port {ports[part.name]}, not {port}",
                hint="a port changes only while its part is stopped: run `afflux stack down` first",
            )
    ports.update(wanted)
    for part in parts:
        for name in part.ports:
            if name not in ports:
                ports[name] = find_free(f"{state.folder} {name}", ports.values())
    port, times = Counter(ports.values()).most_common(1)[0]
    if times > 1:
        names = " and ".join(name for name in ports if ports[name] == port)
        raise UsageError(f"port {port} is asked for {names}", hint="give each part a port of its own")

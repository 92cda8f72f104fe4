"""The stack as a whole: bring it up, look at it, take it down."""

import signal
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import psutil

from afflux.errors import StackError, UsageError
from afflux.stack.account import INSTALLS, postgres_account, postgres_folder
from afflux.stack.addresses import Addresses, ShardAddress
from afflux.stack.bundles import load_lock
from afflux.stack.fetch import Progress, fetch
from afflux.stack.filelock import locked
from afflux.stack.parts.base import NotReady, Part
from afflux.stack.parts.connect import Connect, assemble_plugins
from afflux.stack.parts.kafka import Kafka
from afflux.stack.parts.postgres import RegistryStorage, Shard, Warehouse
from afflux.stack.parts.registry import Registry
from afflux.stack.ports import HOST, find_free
from afflux.stack.starting import Report, start, stop
from afflux.stack.state import State
from afflux.stack.topology_file import write_topology


@dataclass(frozen=True)
class PartStatus:
    """One part as it is now."""

    part: str
    state: str
    """`ready` (it answered), `silent` (its process lives but does not answer) or `stopped`."""
    pid: int | None
    port: int
    rss_mib: int | None
    """Resident memory of the part's process and its children, shared pages counted once each, in MiB."""
    since: datetime | None


class Stack:
    """The local stack of one state folder.

    Args:
        state: the state folder; made by the first `up`.
    """

    def __init__(self, state: Path) -> None:
        self.folder = state.expanduser().resolve()

    def up(
        self,
        shards: int | None = None,
        workers: int | None = None,
        *,
        ports: Mapping[str, int] | None = None,
        postgres: int | None = None,
        report: Report | None = None,
        progress: Progress | None = None,
    ) -> Addresses:
        """Bring up what does not run, and return when all of it answers. What runs stays as it is.

        Args:
            shards: how many at least; None: as many as there are, 3 in a new stack.
            workers: how many of Kafka Connect at least; None: as many as there are, 1 in a new stack.
            ports: part name -> the port it shall have; others keep theirs or get a free one.
            postgres: major version of PostgreSQL, 16 (the default) or 18; fixed once there is data.
            report: told (part, phase) as things happen, from several threads.
            progress: told (bytes there, bytes wanted) while files are fetched, from several threads.

        Raises:
            UsageError: the wish does not fit what is there.
            StackError: something does not start; what this call had started is stopped again.
        """
        report = report or (lambda *_: None)
        fetch(load_lock().files(), progress)
        self.folder.mkdir(parents=True, exist_ok=True)
        with locked(self.folder / "lock", lambda: report("stack", "waiting for another afflux to finish")):
            state = State.load_or_make(self.folder)
            self._grow(state, shards, workers, ports or {}, postgres)
            parts = _parts(state)
            if not any(part.process.find() for part in parts if isinstance(part, Connect)):
                assemble_plugins(self.folder / "plugins")
            start(parts, report)
            write_topology(state)
        return self.addresses()

    def addresses(self) -> Addresses:
        """Return where the parts are.

        Raises:
            StackError: there is no stack in this folder.
        """
        state = self._state()
        parts = _parts(state)

        def shard(part: Shard) -> ShardAddress:
            return ShardAddress(
                name=part.name,
                host=HOST,
                port=part.port,
                database=part.database,
                admin_url=part.url("app", "app"),
                superuser_url=part.url("postgres", "postgres"),
            )

        return Addresses(
            kafka=f"{HOST}:{state.spec.ports['kafka']}",
            connect=[part.url for part in parts if isinstance(part, Connect)],
            registry=next(part.url for part in parts if isinstance(part, Registry)),
            shards=[shard(part) for part in parts if isinstance(part, Shard)],
            warehouse_url=next(part.url("afflux", "warehouse") for part in parts if isinstance(part, Warehouse)),
            topology=state.topology_file,
            secrets=state.secrets_file,
        )

    def down(self, *, purge: bool = False, report: Report | None = None) -> None:
        """Stop every part. Harmless when none runs.

        Args:
            purge: remove every file of the stack as well.
            report: told (part, phase) as things happen.
        """
        if State.load(self.folder) is None:
            return
        report = report or (lambda *_: None)
        with locked(self.folder / "lock", lambda: report("stack", "waiting for another afflux to finish")):
            state = State.load(self.folder)
            if state is None:
                return
            stop(_parts(state), report)
            if purge:
                state.remove()

    def status(self) -> list[PartStatus]:
        """Return every part as it is now; each is asked a request.

        Raises:
            StackError: there is no stack in this folder.
        """
        parts = _parts(self._state())
        with ThreadPoolExecutor(len(parts)) as pool:
            return list(pool.map(_look, parts))

    def kill(self, part: str, signal: int = signal.SIGKILL) -> None:
        """Send one part's process a signal; return after SIGKILL when it is gone.

        Raises:
            UsageError: there is no such part.
            StackError: it does not run.
        """
        process = self.part(part).process
        if not process.send(signal):
            raise StackError(f"{part} does not run")
        if signal == _SIGKILL and not process.gone(10):
            raise StackError(f"{part} is still there 10 s after SIGKILL")

    def start(self, part: str) -> None:
        """Start one part that does not run, and return when it answers; harmless when it does.

        Raises:
            UsageError: there is no such part.
            StackError: it does not start.
        """
        with locked(self.folder / "lock"):
            start([self.part(part)], lambda *_: None)

    def part(self, name: str) -> Part:
        """Return a part by its name.

        Raises:
            UsageError: there is no such part; the message names those there are.
        """
        parts = {part.name: part for part in _parts(self._state())}
        if name not in parts:
            raise UsageError(f"the stack has no part {name!r}", hint=f"it has {', '.join(parts)}")
        return parts[name]

    def _state(self) -> State:
        state = State.load(self.folder)
        if state is None:
            raise StackError(f"there is no stack in {self.folder}", hint="run `afflux stack up` first")
        return state

    def _grow(
        self, state: State, shards: int | None, workers: int | None, ports: Mapping[str, int], postgres: int | None
    ) -> None:
        """Settle what the stack shall consist of, and write it down before anything is made."""
        spec = state.spec
        if postgres is not None and postgres not in INSTALLS:
            raise UsageError(f"PostgreSQL {postgres} is not in this version: there are {', '.join(map(str, INSTALLS))}")
        if postgres is not None and spec.shards and postgres != spec.postgres:
            raise UsageError(
                f"this stack's data is of PostgreSQL {spec.postgres}, not {postgres}",
                hint="begin anew with `afflux stack down --purge`, or choose another --state folder",
            )
        spec.postgres = postgres or spec.postgres
        if spec.postgres_folder is None:
            spec.postgres_folder = postgres_folder(state.folder, postgres_account())
        spec.shards = max(spec.shards, shards or (0 if spec.shards else 3))
        spec.workers = max(spec.workers, workers or (0 if spec.workers else 1))
        state.make_passwords()
        parts = {part.name: part for part in _parts(state)}
        for name, port in ports.items():
            if name in parts and spec.ports.get(name, port) != port and parts[name].process.find():
                raise UsageError(
                    f"{name} runs on port {spec.ports[name]}, not {port}",
                    hint="a port changes only while the part is stopped: run `afflux stack down` first",
                )
        for name, part in parts.items():
            for port_name in part.ports:
                if port_name in ports:
                    spec.ports[port_name] = ports[port_name]
                elif port_name not in spec.ports:
                    taken = {*spec.ports.values(), *ports.values()}
                    spec.ports[port_name] = find_free(f"{state.folder} {port_name}", taken)
            del name
        state.save()


_SIGKILL = signal.SIGKILL


def _parts(state: State) -> list[Part]:
    spec = state.spec
    return [
        Kafka("kafka", state),
        RegistryStorage("registry-db", state),
        Registry("registry", state),
        *(Connect(f"connect-{number}", state) for number in range(spec.workers)),
        *(Shard(f"shard{number}", state) for number in range(spec.shards)),
        Warehouse("warehouse", state),
    ]


def _look(part: Part) -> PartStatus:
    process = part.process.find()
    if process is None:
        return PartStatus(part.name, "stopped", None, part.port, None, None)
    try:
        part.answer()
        state = "ready"
    except NotReady:
        state = "silent"
    try:
        family: Sequence[psutil.Process] = [process, *process.children(recursive=True)]
        resident = sum(member.memory_info().rss for member in family) >> 20
        since = datetime.fromtimestamp(process.create_time(), UTC)
    except psutil.NoSuchProcess:
        return PartStatus(part.name, "stopped", None, part.port, None, None)
    return PartStatus(part.name, state, process.pid, part.port, resident, since)



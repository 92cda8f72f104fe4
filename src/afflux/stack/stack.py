"""The stack as a whole: bring it up, look at it, take it down."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from signal import SIGKILL

from afflux.errors import StackError, UsageError
from afflux.stack import logs
from afflux.stack.addresses import Addresses, addresses_of, as_shell, exports, write_pgpass
from afflux.stack.bundles import JDBC_SINK, load_lock
from afflux.stack.fetch import Progress, fetch
from afflux.stack.filelock import locked
from afflux.stack.parts import parts_of
from afflux.stack.parts.base import Part
from afflux.stack.parts.connect import Connect, assemble_plugins
from afflux.stack.rotation import PartCertificate, certificates, rotate
from afflux.stack.settle import AskedPorts, Wishes, settle
from afflux.stack.starting import Report, start, stop
from afflux.stack.state import State
from afflux.stack.status import PartStatus, look
from afflux.stack.topology_file import write_topology


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
        ports: AskedPorts | None = None,
        postgres: int | None = None,
        secure: bool = False,
        jdbc_sink: bool = False,
        report: Report | None = None,
        progress: Progress | None = None,
    ) -> Addresses:
        """Bring up what does not run, and return when all of it answers. What runs stays as it is.

        Args:
            shards: how many at least; None: as many as there are, 3 in a new stack.
            workers: how many of Kafka Connect at least; None: as many as there are, 1 in a new stack.
            ports: those to listen on; a stack keeps its ports from one `up` to the next.
            postgres: major version of PostgreSQL, 16 (the default) or 18; fixed once there is data.
            secure: whether all of it asks for TLS and a login, in a new stack; one that is there stays as it is.
            jdbc_sink: whether Kafka Connect shall have Debezium's JDBC sink, too; a running one must be stopped first.
            report: told (part, phase) as things happen, from several threads.
            progress: told (bytes there, bytes wanted) while files are fetched, from several threads.

        Raises:
            UsageError: a wish does not fit what is there.
            StackError: something can't be fetched or does not start; what this call had started is stopped again.
            KeyboardInterrupt: likewise.
        """
        report = report or _nothing
        fetch(load_lock().files(), progress)
        self.folder.mkdir(parents=True, exist_ok=True)
        with locked(self.folder / "lock", lambda: report("stack", "waiting for another afflux to finish")):
            state = State.load_or_make(self.folder)
            connect_runs = any(part.process.find() for part in parts_of(state) if isinstance(part, Connect))
            if jdbc_sink and connect_runs and not state.spec.jdbc_sink:
                raise UsageError(
                    "Kafka Connect runs without the JDBC sink, and finds plugins at its start alone",
                    hint="run `afflux stack down`, then `afflux stack up --jdbc-sink`",
                )
            settle(state, Wishes(shards, workers, ports or AskedPorts(), postgres, secure, jdbc_sink))
            if state.spec.jdbc_sink:
                fetch(load_lock().bundles[JDBC_SINK], progress)
            if state.spec.secure:
                fetch([load_lock().postgres_tls()], progress)
            write_pgpass(state)
            parts = parts_of(state)
            if not connect_runs:
                assemble_plugins(self.folder / "plugins", jdbc_sink=state.spec.jdbc_sink)
            start(parts, report)
            if not write_topology(state):
                report("topology.yaml", "edited by you, left as it is")
            return addresses_of(state)

    def addresses(self) -> Addresses:
        """Return where the parts are.

        Raises:
            StackError: there is no stack in this folder.
        """
        return addresses_of(self._state())

    def env(self) -> str:
        """Return shell commands that let other programs find the stack; no password is among them.

        Raises:
            StackError: there is no stack in this folder.
        """
        state = self._state()
        return as_shell(exports(state), state.spec.postgres)

    def down(self, *, purge: bool = False, report: Report | None = None) -> None:
        """Stop every part. Harmless when none runs.

        Args:
            purge: remove every file of the stack as well.
            report: told (part, phase) as things happen, from several threads.
        """
        report = report or _nothing
        if State.load(self.folder) is None:
            report("stack", f"there is none in {self.folder}")
            return
        with locked(self.folder / "lock", lambda: report("stack", "waiting for another afflux to finish")):
            state = self._state()
            stop(parts_of(state), report)
            if purge:
                state.remove()

    def status(self) -> list[PartStatus]:
        """Return every part as it is now; each is asked a request.

        Raises:
            StackError: there is no stack in this folder.
        """
        parts = parts_of(self._state())
        with ThreadPoolExecutor(len(parts)) as pool:
            return list(pool.map(look, parts))

    def log(self, part: str, lines: int, *, follow: bool = False) -> Iterator[str]:
        """Give the last lines of a part's log; when following, new ones too, for ever.

        Raises:
            UsageError: there is no such part.
        """
        log = self.part(part).process.log
        return logs.follow(log, lines) if follow else iter(logs.tail(log, lines))

    def kill(self, part: str, signal: int = SIGKILL) -> None:
        """Send one part's process a signal; after SIGKILL return when it is gone.

        Raises:
            UsageError: there is no such part.
            StackError: it does not run.
        """
        process = self.part(part).process
        if not process.send(signal):
            raise StackError(f"{part} does not run", hint="see `afflux stack status`")
        if signal == SIGKILL and not process.gone(10):
            raise StackError(f"{part} is still there 10 s after SIGKILL")

    def start(self, part: str) -> None:
        """Start one part that does not run, and return when it answers; harmless when it does.

        Raises:
            UsageError: there is no such part.
            StackError: it does not start.
        """
        with locked(self.folder / "lock"):
            start([self.part(part)], _nothing)

    def certificates(self) -> list[PartCertificate]:
        """Return every server's certificate of a secured stack.

        Raises:
            UsageError: the stack is not a secured one.
        """
        return certificates(self._state())

    def rotate(self, report: Report | None = None) -> list[PartCertificate]:
        """Give every server of a secured stack a new key and certificate, as it serves; see `rotation.rotate`."""
        with locked(self.folder / "lock"):
            return rotate(self._state(), report or _nothing)

    def part(self, name: str) -> Part:
        """Return a part by its name.

        Raises:
            UsageError: there is no such part; the hint names those there are.
        """
        parts = {part.name: part for part in parts_of(self._state())}
        if name not in parts:
            raise UsageError(f"the stack has no part {name!r}", hint=f"it has {', '.join(parts)}")
        return parts[name]

    def _state(self) -> State:
        state = State.load(self.folder)
        if state is None:
            raise StackError(f"there is no stack in {self.folder}", hint="run `afflux stack up` first")
        return state


def _nothing(_part: str, _phase: str) -> None:
    """Tell nobody."""

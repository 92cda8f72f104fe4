"""One process of the stack: started detached, remembered in a file, found again, stopped.

A process is known by its pid and its start time together, so a reused pid is never taken for it. Where the machine's
clock was set meanwhile, which shifts start times, it has to run the same command in the same folder.
"""

import os
import signal
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from pydantic import BaseModel

from afflux.stack.account import Account
from afflux.stack.logs import tail

LARGEST_LOG = 16 * 1024 * 1024
"""Bytes; a log that is larger when its part starts is put aside, over the one put aside before."""

CLOCK_JITTER = 3.0
"""Seconds; a start time is counted from the boot time, which Linux gives in whole seconds and which moves by one."""

_CHILDREN: set[int] = set()
"""Pids of processes this one is the parent of: it has to collect them when they end."""


@dataclass(frozen=True)
class Launch:
    """How a part is started: the command, what is added to its environment, and as whom."""

    command: Sequence[str]
    environment: dict[str, str]
    folder: Path
    account: Account | None = None


class _Record(BaseModel):
    pid: int
    started: float
    command: list[str] = []
    folder: Path = Path()

    def fits(self, process: psutil.Process) -> bool:
        try:
            if abs(process.create_time() - self.started) < CLOCK_JITTER:
                return True
            return process.cmdline() == self.command and _works_in(process) in (None, self.folder)
        except psutil.Error:
            return False


def _works_in(process: psutil.Process) -> Path | None:
    """Return a process's folder; None where the system does not show another account's, as in many containers."""
    try:
        return Path(process.cwd())
    except psutil.AccessDenied:
        return None


def has_ended(process: psutil.Process, patience: float) -> bool:
    """Wait up to so many seconds for a process to end; return whether it has.

    One that has ended but was not collected by its parent counts as ended: what adopts ours may be slow at that.
    """
    give_up = time.monotonic() + patience
    while _is_alive(process):
        if time.monotonic() > give_up:
            return False
        time.sleep(0.05)
    return True


def _is_alive(process: psutil.Process) -> bool:
    if process.pid in _CHILDREN:
        with suppress(ChildProcessError):
            os.waitpid(process.pid, os.WNOHANG)
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@dataclass(frozen=True)
class Process:
    """The place where a part's process is remembered, and the process if it is alive."""

    record: Path
    log: Path
    stop_signals: Sequence[signal.Signals] = field(default=(signal.SIGTERM,))

    def start(self, launch: Launch) -> None:
        """Start the process in a session of its own, so that it outlives this one and no Ctrl-C reaches it."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        self.record.parent.mkdir(parents=True, exist_ok=True)
        if self.log.exists() and self.log.stat().st_size > LARGEST_LOG:
            self.log.replace(self.log.with_suffix(".old.log"))
        account = launch.account
        with self.log.open("ab") as log:
            child = subprocess.Popen(
                launch.command,
                env=launch.environment,
                cwd=launch.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                user=account.uid if account else None,
                group=account.gid if account else None,
                extra_groups=[] if account else None,
            )
        _CHILDREN.add(child.pid)
        child.returncode = 0  # it is to outlive us, which Popen would warn of; it is collected by its pid
        try:
            started = psutil.Process(child.pid).create_time()
            command = list(launch.command)
            record = _Record(pid=child.pid, started=started, command=command, folder=launch.folder.resolve())
            making = self.record.with_suffix(".part")
            making.write_text(record.model_dump_json())
            making.replace(self.record)
        except BaseException:
            os.kill(child.pid, signal.SIGKILL)  # nobody would ever find it again
            raise

    def find(self) -> psutil.Process | None:
        """Return the process if it is alive."""
        try:
            record = _Record.model_validate_json(self.record.read_text())
        except (FileNotFoundError, ValueError):
            return None
        try:
            process = psutil.Process(record.pid)
        except psutil.NoSuchProcess:
            return None
        return process if record.fits(process) and _is_alive(process) else None

    def send(self, number: int) -> bool:
        """Send a signal; return whether there was a process to send it to."""
        process = self.find()
        if process is None:
            return False
        try:
            os.kill(process.pid, number)
        except ProcessLookupError:
            return False
        return True

    def stop(self, patience: float) -> None:
        """Stop the process: each stop signal in turn, then SIGKILL; return when it is gone.

        Args:
            patience: seconds given to each signal before the next, harder one.
        """
        for number in (*self.stop_signals, signal.SIGKILL):
            if not self.send(number) or self.gone(max(patience, 10) if number == signal.SIGKILL else patience):
                self.record.unlink(missing_ok=True)
                break

    def gone(self, patience: float) -> bool:
        """Wait up to so many seconds for the process to end; return whether it has."""
        process = self.find()
        return process is None or has_ended(process, patience)

    def last_lines(self, count: int) -> str:
        """Return the end of the part's log."""
        return "\n".join(tail(self.log, count))

"""Kafka Connect's REST interface."""

import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from afflux.clients.rest import Rest, secured
from afflux.errors import ConnectError

VALIDATE_SECONDS = 100.0
"""Setting a config makes Connect validate it, which opens a connection to the shard; its own limit is 90 s."""

LISTEN_SECONDS = 1.0

_FAILED = "FAILED"
_PREFACE = re.compile(r"^Connector configuration is invalid and contains the following \d+ error\(s\): ?")
_POSTSCRIPT = re.compile(r" ?You can also find the above list of errors at the endpoint `[^`]*`$")
_EXISTS = "already exists"
_NO_RIGHT = "without claiming write privileges"
_TWICE_TOLD = re.compile(r"Error while validating connector config: ")


@dataclass(frozen=True)
class Task:
    """One task of a connector: its state (`RUNNING`, `FAILED`, ...) and, when failed, its stack trace."""

    id: int
    state: str
    worker: str = ""
    trace: str = ""

    @property
    def reason(self) -> str:
        """Why it failed, in one line: the trace's first line and its innermost cause."""
        return first_reason(self.trace)


@dataclass(frozen=True)
class Connector:
    """A connector as Connect knows it."""

    name: str
    config: dict[str, str]
    state: str
    worker: str = ""
    trace: str = ""
    tasks: tuple[Task, ...] = field(default_factory=tuple)


class Connect:
    """A Kafka Connect cluster.

    Args:
        url: the REST address of any of its workers, or of several, separated by commas; it may hold a user and
            password.
        properties: login and TLS, see `secured`.
    """

    def __init__(self, url: str, properties: Mapping[str, str] | None = None) -> None:
        self._rest = Rest(
            url,
            name="Kafka Connect",
            error=_readable_error,
            hint="Is Kafka Connect running, and is connect.url of the topology its REST address?",
            **secured(properties or {}),
        )

    @property
    def url(self) -> str:
        """The address that is asked at present, without user and password."""
        return self._rest.url

    def connectors(self) -> dict[str, Connector]:
        """Return every connector of the cluster, by name, with its config and state."""
        answer: dict[str, Any] = self._rest.get("connectors", expand=["info", "status"])
        return {
            name: _connector(name, both["info"]["config"], both["status"])
            for name, both in answer.items()
            if "info" in both and "status" in both  # one that is being made or removed has half
        }

    def plugins(self) -> dict[str, str]:
        """Return the class name -> version of each connector, converter and transform that is installed."""
        found: list[dict[str, str]] = self._rest.get("connector-plugins", connectorsOnly="false")
        return {plugin["class"]: plugin.get("version") or "" for plugin in found}

    def status(self, name: str) -> Connector | None:
        """Return one connector's state (its config left empty), or None when there is no such connector."""
        answer = self._rest.call("GET", "connectors", name, "status", missing_ok=True)
        return None if answer is None else _connector(name, {}, answer)

    def validate(self, config: dict[str, str]) -> dict[str, list[str]]:
        """Return property -> complaints; empty when Connect would take the config. It connects to the shard."""
        short = config["connector.class"].rpartition(".")[2]
        answer = self._rest.put(
            "connector-plugins", short, "config", "validate", body=config, read_seconds=VALIDATE_SECONDS
        )
        values = (entry["value"] for entry in answer["configs"])
        return {value["name"]: value["errors"] for value in values if value["errors"]}

    def create_stopped(self, name: str, config: dict[str, str]) -> None:
        """Make a connector that does not run yet; one that exists stays as it is."""
        body = {"name": name, "config": config, "initial_state": "STOPPED"}
        try:
            self._rest.call("POST", "connectors", body=body, read_seconds=VALIDATE_SECONDS)
        except ConnectError as error:
            if _EXISTS not in error.message:
                raise

    def put_config(self, name: str, config: dict[str, str]) -> None:
        """Make a connector, or give an existing one this config whole; a running one restarts with it."""
        self._rest.put("connectors", name, "config", body=config, read_seconds=VALIDATE_SECONDS)

    def restart(self, name: str, *, only_failed: bool = True) -> None:
        """Restart a connector and its tasks, or those of them that failed; each by itself, where it runs.

        To restart them all at once, Connect writes into its config topic first. A leader whose right to write there
        has ended, as it may when the broker has died, never asks for it again where it finds that out by such a
        request: from then on it refuses every change until the group is balanced anew (observed on 4.3.1).
        """
        there = self.status(name)
        if there is None or not only_failed or there.state == _FAILED:
            self._rest.call("POST", "connectors", name, "restart")
        for task in there.tasks if there is not None else ():
            if not only_failed or task.state == _FAILED:
                self._rest.call("POST", "connectors", name, "tasks", str(task.id), "restart")

    def change_state(self, name: str, verb: Literal["pause", "resume", "stop"]) -> None:
        """Pause (tasks stay), stop (tasks go, offsets can be changed) or resume a connector."""
        self._rest.put("connectors", name, verb)

    def delete(self, name: str) -> None:
        """Remove a connector; its offsets stay. One that is not there is fine."""
        self._rest.delete("connectors", name)

    def offsets(self, name: str) -> list[dict[str, Any]] | None:
        """Return where a connector stands, as Connect stores it; None when there is no such connector."""
        answer = self._rest.call("GET", "connectors", name, "offsets", missing_ok=True)
        return None if answer is None else [entry["offset"] for entry in answer["offsets"]]

    def delete_offsets(self, name: str) -> None:
        """Forget where a connector stands; it must be stopped. Without offsets this changes nothing."""
        self._rest.delete("connectors", name, "offsets")


def listens(worker: str) -> bool:
    """Tell whether somebody listens at a worker's address, `host:port`, as Connect names its workers."""
    host, _, port = worker.rpartition(":")
    try:
        with socket.create_connection((host, int(port)), timeout=LISTEN_SECONDS):
            return True
    except (OSError, ValueError):
        return False


def first_reason(trace: str) -> str:
    """Return the first line of a Java stack trace, with its innermost cause where that says more."""
    lines = [line.strip() for line in trace.splitlines()]
    if not lines:
        return ""
    causes = [line.removeprefix("Caused by: ") for line in lines if line.startswith("Caused by: ")]
    texts = [_without_class(text) for text in (lines[0], *causes[-1:])]
    return texts[0] if len(texts) == 1 or texts[1] in texts[0] else f"{texts[0].rstrip('.')}: {texts[1]}"


def _without_class(line: str) -> str:
    """`org.apache.kafka.connect.errors.ConnectException: It broke` -> `It broke`."""
    return re.sub(r"^(?:[a-z_][\w$]*\.)+[A-Z][\w$]*: ", "", line)


def _connector(name: str, config: dict[str, str], status: dict[str, Any]) -> Connector:
    own = status["connector"]
    return Connector(
        name=name,
        config={key: value for key, value in config.items() if key != "name"},
        state=own["state"],
        worker=own.get("worker_id", ""),
        trace=own.get("trace", ""),
        tasks=tuple(
            Task(task["id"], task["state"], task.get("worker_id", ""), task.get("trace", ""))
            for task in sorted(status["tasks"], key=lambda task: int(task["id"]))
        ),
    )


def _readable_error(message: str, *, hint: str = "", transient: bool = False) -> ConnectError:
    """Leave out what Connect wraps around a validation error."""
    head, colon, tail = message.partition("): ")
    if colon:
        tail = _TWICE_TOLD.sub("", _POSTSCRIPT.sub("", _PREFACE.sub("", tail)))
        message = f"{head}{colon}{tail}"
    if _NO_RIGHT in message:
        hint = (
            "Kafka Connect's leader has lost its right to write configs and does not ask again: restart a worker of it"
        )
    return ConnectError(message, hint=hint, transient=transient and _EXISTS not in message)

"""What was done to a topology's connectors, slots and publications, by whom and why: kept in its control topic.

Each deed is written twice, before and after, so that one which its doer did not survive is seen. The same goes to the
log. No secret is in either: changes are shown as a plan shows them.
"""

import os
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

import structlog

from afflux.clients.journal import Journal
from afflux.clients.topics import Topic, Topics
from afflux.control.planned.changes import Change
from afflux.errors import AffluxError, KafkaError
from afflux.person import person
from afflux.topology.model import Topology
from afflux.topology.names import control_topic
from afflux.topology.secrets import resolve

log = structlog.get_logger()

_KEPT = {"cleanup.policy": "delete", "retention.ms": str(400 * 86_400_000)}
"""More than a year."""
_NEWEST = 300
"""Entries: as many deeds, or half as many with their ends."""


@dataclass(frozen=True)
class Deed:
    """Something that is done.

    Args:
        action: its kind, such as `restart connector`.
        object: to what, such as `connector orders-shard0`.
        shard: whose; empty for what all shards share.
        cause: the failure that it answers; empty where it only follows the topology.
        why: the reason in words.
        changes: what it changes, old against new.
    """

    action: str
    object: str
    shard: str = ""
    cause: str = ""
    why: str = ""
    changes: tuple[Change, ...] = ()


@dataclass(frozen=True)
class Record:
    """A deed as the topic tells it.

    Attributes:
        id: its own.
        began: when.
        ended: when; None for one whose end nobody has told.
        by: who, `user@host:process`.
        deed: what.
        error: why it failed; empty when it did not.
    """

    id: str
    began: datetime
    ended: datetime | None
    by: str
    deed: Deed
    error: str = ""

    @property
    def result(self) -> str:
        """`done`, `failed`, or `cut off` where its end is not told."""
        if self.ended is None:
            return "cut off"
        return "failed" if self.error else "done"


class Audit:
    """Writes what this process does.

    Args:
        journal: of the control topic.
        by: who does it.
    """

    def __init__(self, journal: Journal, by: str) -> None:
        self._journal, self.by = journal, by

    def begin(self, deed: Deed) -> str:
        """Tell that something is about to be done; returns what `end` asks for."""
        number = uuid.uuid4().hex[:12]
        self._tell(deed.shard, {"id": number, "at": _now(), "by": self.by, "state": "begun", **asdict(deed)})
        log.info("acting", **_fields(deed))
        return number

    def end(self, number: str, deed: Deed, error: str = "") -> None:
        """Tell that it is done, or why it failed."""
        self._tell(deed.shard, {"id": number, "at": _now(), "by": self.by, "state": "ended", "error": error})
        if error:
            log.warning("failed", **_fields(deed), error=error)
        else:
            log.info("done", **_fields(deed))

    @contextmanager
    def doing(self, deed: Deed) -> Iterator[None]:
        """Tell that something is about to be done, and afterwards that it is, or why it failed."""
        number = self.begin(deed)
        try:
            yield
        except AffluxError as error:
            self.end(number, deed, error.message)
            raise
        self.end(number, deed)

    def _tell(self, key: str, entry: dict[str, Any]) -> None:
        try:
            self._journal.write(key, entry)
        except KafkaError as error:
            # What is right to do does not become wrong because it can't be written down there; the log has it.
            log.warning("not written to the control topic", reason=error.message)


def journal(topology: Topology) -> Journal:
    """Give a topology's control topic, to read; `prepare` makes it."""
    return Journal(*_broker(topology), control_topic(topology))


def prepare(topology: Topology) -> None:
    """Make the control topic, if it is not there.

    Raises:
        KafkaError: the broker does not answer, or refuses.
    """
    topic = Topic(control_topic(topology), 1, topology.kafka.topics.replication, _KEPT)
    Topics(*_broker(topology)).create([topic])


def records(entries: Iterable[dict[str, Any]]) -> list[Record]:
    """Put together what a control topic tells, in order of the deeds' beginnings; what is no deed is left out."""
    found: dict[str, Record] = {}
    for entry in entries:
        number, at = str(entry.get("id", "")), _moment(entry.get("at"))
        if at is None:
            continue
        if entry.get("state") == "begun":
            found[number] = Record(number, at, None, str(entry.get("by", "")), _deed(entry))
        elif entry.get("state") == "ended" and (begun := found.get(number)):
            found[number] = Record(number, begun.began, at, begun.by, begun.deed, str(entry.get("error", "")))
    return list(found.values())


def newest(topology: Topology) -> list[Record]:
    """Give the newest deeds, in order of their beginnings; quick, however long the topic is.

    Raises:
        KafkaError: the topic can't be read.
    """
    return records(journal(topology).entries(_NEWEST))


def me() -> str:
    """Give who this process acts for: `user@host:process`."""
    return f"{person()}:{os.getpid()}"


def _broker(topology: Topology) -> tuple[str, dict[str, str]]:
    kafka = topology.kafka
    return resolve(kafka.bootstrap_servers), {key: resolve(value) for key, value in kafka.properties.items()}


def _deed(entry: dict[str, Any]) -> Deed:
    texts = {key: str(entry.get(key, "")) for key in ("action", "object", "shard", "cause", "why")}
    changes = [c for c in entry.get("changes", []) if isinstance(c, dict)]
    return Deed(**texts, changes=tuple(Change(str(c.get("key")), c.get("old"), c.get("new")) for c in changes))


def _fields(deed: Deed) -> dict[str, str]:
    return {key: value for key, value in asdict(deed).items() if value and key != "changes"}


def _moment(text: object) -> datetime | None:
    try:
        return datetime.fromisoformat(str(text))
    except ValueError:
        return None


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")

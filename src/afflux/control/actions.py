"""What a plan can be made of: one class a kind of action, each plain data that says what, why and at what risk."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar

from afflux.clients.catalog import Publication
from afflux.clients.topics import Topic
from afflux.control.copies import Signal
from afflux.topology.secrets import is_reference, is_secret_key


class Risk(StrEnum):
    """What an action may be felt as."""

    NONE = "none"
    RESTART = "restart"
    """The connector pauses for seconds; nothing is lost."""
    SNAPSHOT = "snapshot"
    """Whole tables are read from the shard."""
    LESS = "less"
    """From now on changes of some table are not followed."""


@dataclass(frozen=True)
class Change:
    """One value that an action changes; None where there is none."""

    key: str
    old: str | None
    new: str | None


@dataclass(frozen=True, kw_only=True)
class Action:
    """One step of a plan.

    Args:
        shard: whose; empty for what all shards share.
        object: what it touches, such as `topic shard0.public.orders`.
        reason: why, in a few words.
        risk: what it may be felt as.
    """

    kind: ClassVar[str]
    shard: str
    object: str
    reason: str
    risk: Risk = Risk.NONE

    @property
    def words(self) -> str:
        """The action as a sentence says it, such as `create connector orders-shard0`."""
        return f"{self.kind.partition(' ')[0]} {self.object}"

    def changes(self) -> list[Change]:
        """Return what it changes, old against new, without secrets."""
        return []


@dataclass(frozen=True, kw_only=True)
class CreateTopics(Action):
    """Make topics."""

    kind: ClassVar[str] = "create topics"
    topics: tuple[Topic, ...]

    def changes(self) -> list[Change]:
        """Return each topic, with how it is cut and its settings."""
        return [Change(f"topic {topic.name}", None, _cut(topic)) for topic in self.topics]


@dataclass(frozen=True, kw_only=True)
class SetTopic(Action):
    """Set some settings of a topic."""

    kind: ClassVar[str] = "set topic"
    topic: str
    old: Mapping[str, str]
    new: Mapping[str, str]

    def changes(self) -> list[Change]:
        """Return the settings."""
        return _difference({key: self.old[key] for key in self.new if key in self.old}, self.new)


@dataclass(frozen=True, kw_only=True)
class SetPublication(Action):
    """Make a publication, or set an existing one to these tables."""

    kind: ClassVar[str] = "set publication"
    old: Publication | None
    new: Publication

    def changes(self) -> list[Change]:
        """Return the tables that come and go, and the options that change."""
        before, after = self.old.tables if self.old else frozenset(), self.new.tables
        tables = [
            Change(f"{schema}.{name}", *(("published", None) if (schema, name) in before else (None, "published")))
            for schema, name in sorted(before ^ after)
        ]
        return tables + _difference(_options(self.old), _options(self.new))


@dataclass(frozen=True, kw_only=True)
class FreeSubjects(Action):
    """Free subjects of the registry from its compatibility rules, those too that are still to come."""

    kind: ClassVar[str] = "free subjects"
    rules: Mapping[str, str]
    """Subject -> the level that binds it."""

    def changes(self) -> list[Change]:
        """Return each subject's level."""
        return [Change(f"compatibility of {subject}", level, "NONE") for subject, level in self.rules.items()]


@dataclass(frozen=True, kw_only=True)
class CreateConnector(Action):
    """Make a connector; its slot is new, so offsets that an older one left are removed first."""

    kind: ClassVar[str] = "create connector"
    name: str
    config: Mapping[str, str]
    forget: bool
    """Whether old offsets are removed: there is no slot, so they point to nothing."""

    def changes(self) -> list[Change]:
        """Return its config."""
        return _difference({}, self.config)


@dataclass(frozen=True, kw_only=True)
class SetConnector(Action):
    """Give a connector another config."""

    kind: ClassVar[str] = "set connector"
    name: str
    old: Mapping[str, str]
    new: Mapping[str, str]

    def changes(self) -> list[Change]:
        """Return the properties that change."""
        return _difference(self.old, self.new)


@dataclass(frozen=True, kw_only=True)
class NoteTables(Action):
    """Remember which tables a connector follows that others make."""

    kind: ClassVar[str] = "note tables"
    name: str
    topic_prefix: str
    old: Mapping[str, str]
    new: Mapping[str, str]

    def changes(self) -> list[Change]:
        """Return what was noted, and what will be."""
        return _difference(self.old, self.new)


@dataclass(frozen=True, kw_only=True)
class StartConnector(Action):
    """Start a connector that was made and never started."""

    kind: ClassVar[str] = "start connector"
    name: str

    def changes(self) -> list[Change]:
        """Return its state."""
        return [Change("state", "STOPPED", "RUNNING")]


@dataclass(frozen=True, kw_only=True)
class RestartConnector(Action):
    """Restart what failed of a connector."""

    kind: ClassVar[str] = "restart connector"
    name: str

    def changes(self) -> list[Change]:
        """Return its state."""
        return [Change("state", "FAILED", "RUNNING")]


@dataclass(frozen=True, kw_only=True)
class CopyTables(Action):
    """Ask a running connector for the rows that tables new to it have already."""

    kind: ClassVar[str] = "copy tables"
    signal: Signal
    topic_prefix: str

    def changes(self) -> list[Change]:
        """Return the tables."""
        return [Change("rows of", None, table.replace("\\", "")) for table in self.signal.tables]


def _cut(topic: Topic) -> str:
    replication = "the broker's" if topic.replication is None else str(topic.replication)
    settings = [f"{key}={value}" for key, value in sorted(topic.config.items())]
    return ", ".join([f"partitions={topic.partitions}", f"replication={replication}", *settings])


def _options(publication: Publication | None) -> dict[str, str]:
    if publication is None:
        return {}
    return {
        "publish": ", ".join(sorted(publication.operations)),
        "publish_via_partition_root": str(publication.via_root).lower(),
        "filters": "yes" if publication.filtered else "none",
    }


def _difference(old: Mapping[str, str], new: Mapping[str, str]) -> list[Change]:
    keys = [key for key in sorted(old.keys() | new.keys()) if old.get(key) != new.get(key)]
    return [Change(key, _shown(key, old.get(key)), _shown(key, new.get(key))) for key in keys]


def _shown(key: str, value: str | None) -> str | None:
    """A secret that is a mere reference may be shown; one that somebody wrote out by hand may not."""
    return "***" if value and is_secret_key(key) and not is_reference(value) else value

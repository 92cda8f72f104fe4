"""What a plan can be made of: one class a kind of action, each plain data that says what, why and at what risk."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar

from afflux.clients.catalog import Publication
from afflux.clients.topics import Topic
from afflux.control.planned.changes import Change, difference, publication_difference, topic_shape
from afflux.control.seen.copies import Signal, plain


class Risk(StrEnum):
    """What an action may be felt as, from least to worst."""

    NONE = "none"
    RESTART = "restart"
    """The connector pauses for seconds; nothing is lost."""
    SNAPSHOT = "snapshot"
    """Whole tables are read from the shard."""
    REMOVAL = "removal"
    """A shard's changes are not followed any more; its slot keeps them."""
    DATA_LOSS = "data-loss"
    """Changes are lost to the target: rows that are deleted meanwhile stay in it."""


LEAVE = frozenset({Risk.REMOVAL, Risk.DATA_LOSS})
"""Risks that are taken only with leave."""


@dataclass(frozen=True, kw_only=True)
class _Action(ABC):
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

    @abstractmethod
    def changes(self) -> list[Change]:
        """Return what it changes, old against new, without secrets."""


@dataclass(frozen=True, kw_only=True)
class CreateTopics(_Action):
    """Make topics."""

    kind: ClassVar[str] = "create topics"
    topics: tuple[Topic, ...]

    def changes(self) -> list[Change]:
        """Return each topic, with how it is cut and its settings."""
        return [Change(f"topic {topic.name}", None, topic_shape(topic)) for topic in self.topics]


@dataclass(frozen=True, kw_only=True)
class SetTopic(_Action):
    """Set some settings of a topic."""

    kind: ClassVar[str] = "set topic"
    topic: str
    old: Mapping[str, str]
    new: Mapping[str, str]

    def changes(self) -> list[Change]:
        """Return the settings."""
        return difference({key: self.old[key] for key in self.new if key in self.old}, self.new)


@dataclass(frozen=True, kw_only=True)
class SetPublication(_Action):
    """Make a publication, or set an existing one to these tables."""

    kind: ClassVar[str] = "set publication"
    old: Publication | None
    new: Publication

    def changes(self) -> list[Change]:
        """Return the tables that come and go, and the options that change."""
        return publication_difference(self.old, self.new)


@dataclass(frozen=True, kw_only=True)
class SetCompatibility(_Action):
    """Hold subjects of the registry to the topology's level, those too that are still to come."""

    kind: ClassVar[str] = "set compatibility"
    old: Mapping[str, str]
    """Subject -> the level that binds it."""
    level: str

    def changes(self) -> list[Change]:
        """Return each subject's level."""
        return [Change(f"compatibility of {subject}", level, self.level) for subject, level in self.old.items()]


@dataclass(frozen=True, kw_only=True)
class CreateConnector(_Action):
    """Make a connector."""

    kind: ClassVar[str] = "create connector"
    name: str
    config: Mapping[str, str]
    forget: bool
    """Whether offsets that an older connector left are removed: there is no slot, so they point to nothing."""

    def changes(self) -> list[Change]:
        """Return its config."""
        return difference({}, self.config)


@dataclass(frozen=True, kw_only=True)
class SetConnector(_Action):
    """Give a connector another config."""

    kind: ClassVar[str] = "set connector"
    name: str
    old: Mapping[str, str]
    new: Mapping[str, str]
    running: bool = True
    """Whether it runs, so that the new config is tried at once."""

    def changes(self) -> list[Change]:
        """Return the properties that change."""
        return difference(self.old, self.new)


@dataclass(frozen=True, kw_only=True)
class NoteTables(_Action):
    """Remember which tables a connector follows that others make."""

    kind: ClassVar[str] = "note tables"
    name: str
    topic_prefix: str
    old: Mapping[str, str]
    new: Mapping[str, str]

    def changes(self) -> list[Change]:
        """Return what was noted, and what will be."""
        return difference(self.old, self.new)


@dataclass(frozen=True, kw_only=True)
class SetSink(_Action):
    """Make the connector that writes a shard's rows, or give it another config."""

    kind: ClassVar[str] = "set sink"
    name: str
    old: Mapping[str, str] | None
    new: Mapping[str, str]

    def changes(self) -> list[Change]:
        """Return the properties that change."""
        return difference(self.old or {}, self.new)


@dataclass(frozen=True, kw_only=True)
class RestartSink(_Action):
    """Restart what failed of a connector that writes a shard's rows."""

    kind: ClassVar[str] = "restart sink"
    name: str

    def changes(self) -> list[Change]:
        """Return its state."""
        return [Change("state", "FAILED", "RUNNING")]


@dataclass(frozen=True, kw_only=True)
class StartConnector(_Action):
    """Start a connector that was made and never started."""

    kind: ClassVar[str] = "start connector"
    name: str

    def changes(self) -> list[Change]:
        """Return its state."""
        return [Change("state", "STOPPED", "RUNNING")]


@dataclass(frozen=True, kw_only=True)
class RestartConnector(_Action):
    """Restart what failed of a connector, or all of it."""

    kind: ClassVar[str] = "restart connector"
    name: str
    whole: bool = False
    """Whether what runs is restarted, too."""

    def changes(self) -> list[Change]:
        """Return its state."""
        return [Change("state", "RUNNING" if self.whole else "FAILED", "RUNNING")]


@dataclass(frozen=True, kw_only=True)
class DropSlot(_Action):
    """Drop a slot that can't be read on, so that its connector begins anew with another one."""

    kind: ClassVar[str] = "drop slot"
    slot: str
    connector: str
    """Whose offsets lead nowhere without it."""

    def changes(self) -> list[Change]:
        """Return what goes."""
        return [Change(f"slot {self.slot}", "there", None), Change(f"offsets of {self.connector}", "there", None)]


@dataclass(frozen=True, kw_only=True)
class RemoveConnector(_Action):
    """Stop and remove the connector of a shard that the topology does not name any more; its slot stays."""

    kind: ClassVar[str] = "remove connector"
    name: str

    def changes(self) -> list[Change]:
        """Return its state."""
        return [Change("state", "there", None)]


@dataclass(frozen=True, kw_only=True)
class CopyTables(_Action):
    """Ask a running connector for the rows that tables new to it have already."""

    kind: ClassVar[str] = "copy tables"
    signal: Signal
    topic_prefix: str

    def changes(self) -> list[Change]:
        """Return the tables."""
        return [Change("rows of", None, plain(table)) for table in self.signal.tables]


Action = (
    CreateTopics
    | SetTopic
    | SetPublication
    | SetCompatibility
    | CreateConnector
    | SetConnector
    | NoteTables
    | SetSink
    | RestartSink
    | StartConnector
    | RestartConnector
    | DropSlot
    | RemoveConnector
    | CopyTables
)
"""The kinds there are, all of them: who carries actions out is checked to know each."""


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """A difference that `apply` leaves as it is, unless leave is given where that helps.

    Args:
        shard: whose; empty for what all shards share.
        object: what it is about, such as `topic shard0.public.orders`.
        reason: what differs, and why it is left.
        hint: what to do about it.
        risk: with leave for it, `apply` does it; NONE: it never does.
        kind: of the action that is not taken.
        changes: what it would change.
    """

    shard: str
    object: str
    reason: str
    hint: str
    risk: Risk = Risk.NONE
    kind: str
    changes: tuple[Change, ...] = ()

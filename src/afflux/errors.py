"""Every error that afflux raises on purpose.

The tree:

    AffluxError                 exit code 1: it was tried and failed
    ├── UsageError              exit code 2: wrong flag, file or topology; nothing was touched
    │   └── TopologyError       topology.yaml, with the line and the key
    ├── StackError              the local stack: a part that does not start, a port in use, a download
    ├── ServerError             a server said no, or nothing at all
    │   ├── ConnectError        Kafka Connect
    │   ├── SourceError         a shard's PostgreSQL
    │   ├── RegistryError       the schema registry
    │   ├── KafkaError          the broker
    │   └── SinkError           the target
    │       ├── Fenced          another worker holds these positions now
    │       ├── NoStateError    nothing of a sink's was ever in it
    │       ├── Overtaken       dead letters are no longer as a batch takes them to be
    │       └── RefusedError    the target refuses rows for their values
    ├── DecodeError             bytes that are not the event they should be
    ├── PoisonError             events that can never be applied: they become dead letters
    ├── TableError              one table can't go on; the others do
    │   └── IncompleteError     rows came without values that the target has never had
    └── UnsupportedTypeError    a column's type has no exact place in the target

A message says what happened and where; `hint` says what to do next.
"""

from collections.abc import Mapping, Sequence
from typing import ClassVar


class AffluxError(Exception):
    """What happened and where, with a hint for the person who reads it.

    Args:
        message: what and where, one sentence, no secret in it.
        hint: what to do next; empty when there is nothing better than the message.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(AffluxError):
    """A wrong flag, file or topology; nothing was touched."""

    exit_code = 2


class TopologyError(UsageError):
    """topology.yaml can't be used; the message names file, line and key."""


class StackError(AffluxError):
    """The local stack: a part that does not start, a port in use, a download that fails."""


class ServerError(AffluxError):
    """A server said no, or did not answer.

    Args:
        message: what and where.
        hint: what to do next.
        transient: whether trying again later may help (no answer, too busy, restarting).
    """

    def __init__(self, message: str, *, hint: str = "", transient: bool = False) -> None:
        super().__init__(message, hint=hint)
        self.transient = transient


class ConnectError(ServerError):
    """Kafka Connect refused a request or did not answer."""


class SourceError(ServerError):
    """A shard's PostgreSQL refused a request or did not answer."""


class RegistryError(ServerError):
    """The schema registry refused a request or did not answer."""


class KafkaError(ServerError):
    """The broker refused a request or did not answer."""


class SinkError(ServerError):
    """The target refused a request or did not answer."""


class Fenced(SinkError):  # noqa: N818 - a state one is in, the field's own word
    """Another worker has claimed these positions: nothing was written, and nothing may be."""


class NoStateError(SinkError):
    """The target has no state of any sink's: nothing was ever applied to it."""


class Overtaken(SinkError):  # noqa: N818 - a state one is in
    """Dead letters that a batch counts on as open have been replayed, superseded or discarded meanwhile: nothing was written."""


class RefusedError(SinkError):
    """The target refuses rows for their values.

    Args:
        reasons: the target's words, by the events that made the rows, in their order of arrival in the batch.
    """

    def __init__(self, reasons: Mapping[int, str]) -> None:
        super().__init__(f"{len(reasons)} row(s) refused: {next(iter(reasons.values()))}")
        self.reasons = reasons


class PoisonError(AffluxError):
    """Events that can never be applied.

    Args:
        kind: what is wrong with them, in a word or two.
        reasons: why, by their order of arrival in the batch.
    """

    def __init__(self, kind: str, reasons: dict[int, str]) -> None:
        super().__init__(f"{len(reasons)} event(s): {kind}: {next(iter(reasons.values()))}")
        self.kind = kind
        self.reasons = reasons


class TableError(AffluxError):
    """One table can't go on.

    Args:
        message: why.
        topic: the topic that can't be read on; empty where it is the target table that is at fault.
        table: the target table that can't be written; empty where it is not known.
        hint: what to do next.
    """

    def __init__(self, message: str, *, topic: str = "", table: str = "", hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.topic = topic
        self.table = table


class IncompleteError(TableError):
    """Rows came without large unchanged values, and the target has never had them.

    Args:
        table: the target table.
        events: the events that made the rows, by their order of arrival in the batch; None for a row from an earlier one.
        columns: those that may have been left out.
    """

    def __init__(self, table: str, events: Sequence[int | None], columns: Sequence[str]) -> None:
        super().__init__(
            f"table {table}: {len(events)} row(s) came without a large unchanged value "
            f"(of {', '.join(columns)}), and the target has never had them",
            table=table,
            hint="`afflux tables resync` reads the table anew; REPLICA IDENTITY FULL on the shards makes each event whole",
        )
        self.events = frozenset(event for event in events if event is not None)


class DecodeError(AffluxError):
    """Bytes that are not the event they should be: the message names topic, partition and offset."""


class UnsupportedTypeError(AffluxError):
    """A column's type has no exact place in the target: the message names table, column and type."""

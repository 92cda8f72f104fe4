"""The sink's side of a state that is kept as records: the reference's own, on the memory that they make."""

import os
import socket
from abc import abstractmethod
from collections.abc import Callable, Collection, Mapping
from typing import TypeVar

from afflux.sinks.base import Sink
from afflux.sinks.batch import Emptied, EventKey, LetterId, Mark
from afflux.sinks.memory import Memory, MemorySink

Result = TypeVar("Result")


class ReferenceSink(Sink):
    """A sink whose state is kept as records.

    Args:
        name: the sink's.
        memory: the state, which is kept somewhere.
    """

    def __init__(self, name: str, memory: Memory) -> None:
        self.name = name
        self._reference = MemorySink(memory, f"{socket.gethostname()}:{os.getpid()}")

    @abstractmethod
    def _read(self, doing: str, step: Callable[[MemorySink], Result]) -> Result:
        """Look at the newest state.

        Args:
            doing: what it is for, for messages.
            step: looks.
        """

    @abstractmethod
    def _change(self, doing: str, step: Callable[[MemorySink], Result]) -> Result:
        """Change the newest state, and commit that; `step` may be called several times."""

    def recreated(self, topic_ids: Mapping[str, str]) -> frozenset[str]:
        """See `Sink.recreated`."""
        return self._read("read the ids of topics", lambda sink: sink.recreated(topic_ids))

    def open_dead_letters(self) -> dict[LetterId, EventKey]:
        """See `Sink.open_dead_letters`."""
        return self._read("read dead letters", lambda sink: sink.open_dead_letters())

    def emptied(self) -> dict[Emptied, int]:
        """See `Sink.emptied`."""
        return self._read("read the newest truncates", lambda sink: sink.emptied())

    def stop_table(self, topic: str, reason: str) -> None:
        """See `Sink.stop_table`."""
        self._change("remember a stopped table", lambda sink: sink.stop_table(topic, reason))

    def stopped_tables(self) -> dict[str, str]:
        """See `Sink.stopped_tables`."""
        return self._read("read which tables are stopped", lambda sink: sink.stopped_tables())

    def pass_marks(self, marks: Collection[Mark], shards: Collection[str]) -> list[Mark]:
        """See `Sink.pass_marks`."""
        return self._change("move watermarks", lambda sink: sink.pass_marks(marks, shards))

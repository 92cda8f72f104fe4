"""A pipeline fed by hand into memory, and an operator beside it."""

from collections.abc import Collection
from typing import Any

from afflux.errors import RefusedError
from afflux.sinks.batch import Batch, LetterId, Partition, Span, TableName
from afflux.sinks.memory import Memory, MemorySink
from afflux.sinks.memory_state import MemoryState
from afflux.sinks.state import LetterFilter, LetterState
from afflux.stream.deaths import Deaths
from afflux.stream.decoder import Decoder
from afflux.stream.intake import Raw
from afflux.stream.pipeline import Pipeline
from afflux.stream.prepare import Preparer
from afflux.stream.replay import Replay
from afflux.stream.router import Router
from afflux.topology.model import Topology
from debezium import Event, Wire, column

ID = column("id", "int", "INT4", null=False)
NOTE = column("note", "string", "TEXT")
N = column("n", "long", "INT8")
COLUMNS = [ID, NOTE, N]
TABLE = TableName("public", "t")
TOPIC = "shard0.public.t"
REFUSED = "refuse me"


class PickySink(MemorySink):
    """Refuses rows whose note is `refuse me`, and those whose number is below zero."""

    picky = True

    def apply(self, batch: Batch) -> None:
        for changes in batch.tables:
            for row in changes.rows.iter_rows(named=True):
                if self.picky and (row.get("note") == REFUSED or (row.get("n") or 0) < 0):
                    raise RefusedError({row["afflux.sequence"]: "value refused"})
        super().apply(batch)


class Line:
    """A pipeline fed by hand."""

    def __init__(self, wire: Wire, declared: Topology, memory: Memory, deaths: Deaths | None = None) -> None:
        self._shards = {"shard0": "shard0", "shard1": "shard1"}
        self._wire, self._declared = wire, declared
        self.topic_ids: dict[str, str] = {}
        self._masks = any(table.columns for table in declared.tables)
        self.kafka: dict[LetterId, Event] = {}
        """What has been fed, as long as Kafka keeps it."""
        self.preparer = Preparer(self._decoder(), self._ends, deaths, sealed=self._is_sealed)
        self.memory = memory
        self.sink = PickySink(memory)
        self.pipeline = Pipeline(
            self.preparer, self.sink, lambda topics: {t: self.topic_ids.get(t, "") for t in topics}
        )
        self.pipeline.open().result()
        self._next: dict[Partition, int] = {}

    def feed(self, *batches: list[Event]) -> None:
        """Run batches through, all in flight at once where there are several."""
        raws = []
        for messages in batches:
            raw = Raw(list(messages))
            for message in messages:
                partition = Partition(message.topic(), message.partition())
                self.kafka[LetterId(partition, message.offset())] = message
                if partition not in self._next:
                    self._next.update(self.pipeline.claim([partition]).result())
                start = raw.spans[partition].start if partition in raw.spans else self._next[partition]
                self._next[partition] = message.offset() + 1
                raw.spans[partition] = Span(start, message.offset() + 1)
            raws.append(raw)
        for raw in raws:
            self.pipeline.submit(raw)
        self.pipeline.drain(30)
        list(self.pipeline.durable())

    def rejoin(self) -> None:
        """Claim everything anew before the next batch."""
        self._next.clear()

    def replay(self, letters: list[LetterId] | None = None, *, picky: bool = False) -> None:
        """Replay dead letters as a process of its own, by default all of them and all mended."""
        sink = PickySink(self.memory, "replay")
        sink.picky = picky
        state = MemoryState(self.memory)
        replay = Replay(self._decoder(), sink, state, self._ends, sealed=self._is_sealed, again=self._again)
        for _ in replay.run(replay.wanted(list(self.memory.dead) if letters is None else letters)):
            pass

    def rows(self) -> dict[int, Any]:
        return {row["id"]: row["note"] for row in self.memory.rows(TABLE).values()}

    def dead(self) -> list[tuple[int, str]]:
        return sorted((letter.offset, letter.kind) for letter in self.memory.dead.values())

    def states(self) -> dict[int, LetterState]:
        """The state of each dead letter by its offset."""
        return {head.id.offset: head.state for head in MemoryState(self.memory).letters(LetterFilter(states=None))}

    def _is_sealed(self, _topic: str) -> bool:
        return self._masks

    def _again(self, letters: Collection[LetterId]) -> dict[LetterId, Event]:
        return {at: self.kafka[at] for at in letters if at in self.kafka}

    def _decoder(self) -> Decoder:
        return Decoder(self._wire.schema, Router(self._declared), self._shards)

    def _ends(self, topic: str) -> dict[Partition, int]:
        return {Partition(topic, 0): 0}


def row(wire: Wire, op: str, key: int, note: str | None, n: int = 0, *, table: str = "public.t") -> Event:
    return wire.event("shard0", table, COLUMNS, op, {"id": key, "note": note, "n": n})


def broken(event: Event) -> Event:
    event._value = (event._value or b"")[:-3]
    return event

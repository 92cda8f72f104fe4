"""The judge: at a quiet point, is the union of the shards equal to the target, row for row?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psycopg

from afflux.clients.topics import Topics
from afflux.control import Verdict, status
from afflux.sinks.batch import LetterId, Mode, TableName
from afflux.topology.load import load_resolved
from afflux.verify import Comparison, compare
from chaos.entries import wrong_entries
from chaos.load import COUNTED, TABLES
from chaos.waiting import wait_for

if TYPE_CHECKING:
    from chaos.arena import Arena

Letter = tuple[str, str]
"""A dead letter's kind and state."""


@dataclass(frozen=True)
class Ruling:
    """What was found at a quiet point."""

    rows: int
    comparisons: tuple[Comparison, ...]
    miscounted: tuple[str, ...]
    """What is wrong with the tables that keep every change or version."""
    letters: tuple[Letter, ...]
    """The dead letters that came since the last ruling."""
    contested: int
    stopped: frozenset[str]

    def faults(self, letters: Iterable[Letter] = (), stopped: frozenset[str] = frozenset()) -> list[str]:
        """Say what is wrong, given the dead letters and stopped topics that belong to the case; nothing if all is well."""
        found = [*(line for c in self.comparisons if not c.equal for line in c.lines()), *self.miscounted]
        if Counter(self.letters) != Counter(letters):
            found.append(f"dead letters: {sorted(self.letters)}, and not {sorted(letters)}")
        if self.stopped != stopped:
            found.append(f"stopped topics: {sorted(self.stopped)}, and not {sorted(stopped)}")
        if self.contested:
            found.append(f"{self.contested} contested row(s) are left, though no key is on two shards")
        return found


class Judge:
    """Brings a topology to rest and compares.

    Args:
        arena: the topology, its load and its workers.
    """

    def __init__(self, arena: Arena) -> None:
        self._arena = arena
        self._topics = Topics(arena.addresses.kafka)
        self._letters: set[LetterId] = set()
        self.restarts = 0
        """How often connectors had failed and were restarted by `connectors apply`, as an operator would."""

    @contextmanager
    def at_rest(self, patience: float = 120) -> Iterator[None]:
        """Stop the writers, wait until their last change is applied and every position is at its end; go on after."""
        with self._arena.load.quiet() as mark:
            self._await_mark(mark, patience)
            self._await_ends(frozenset(self._arena.ground.stopped()), patience)
            yield

    def rule(self) -> Ruling:
        """Come to rest and compare."""
        with self.at_rest():
            return self.compare()

    def compare(self) -> Ruling:
        """Compare as it is now, without the tables of topics that are stopped."""
        arena, stopped = self._arena, frozenset(self._arena.ground.stopped())
        left_out = {topic.rpartition(".")[2] for topic in stopped}
        with ExitStack() as stack:
            target = stack.enter_context(arena.ground.sides())
            shards = {
                f"shard{n}": stack.enter_context(psycopg.connect(url, autocommit=True))
                for n, url in arena.shards.items()
            }
            compared = [
                compare(shards, target, TableName(arena.name, table), keeping=keeping)
                for table, keeping in TABLES.items()
                if table not in left_out and keeping.mode is not Mode.APPEND
            ]
            counted = {
                table: {
                    key: n
                    for shard in shards.values()
                    for key, n in shard.execute(f"SELECT id, n FROM {arena.name}.{table}")
                }
                for table in COUNTED
            }
        kept = {table: arena.ground.rows(table, "id", "n", "_op") for table in COUNTED}
        miscounted = [line for table in COUNTED for line in wrong_entries(table, counted[table], kept[table])]
        letters = {letter.id: (letter.kind, str(letter.state)) for letter in arena.ground.letters()}
        new = [letters[place] for place in letters.keys() - self._letters]
        self._letters |= letters.keys()
        rows = sum(c.source_rows for c in compared) + sum(map(len, kept.values()))
        return Ruling(rows, tuple(compared), tuple(miscounted), tuple(new), arena.ground.contested(), stopped)

    def _await_mark(self, mark: int, patience: float) -> None:
        arena = self._arena
        looked = 0

        def missing() -> list[str]:
            found = dict(arena.ground.rows("markers", "_shard", "n"))
            return [f"shard{n}" for n in arena.shards if found.get(f"shard{n}") != mark]

        def arrived() -> bool:
            nonlocal looked
            looked += 1
            arena.check()
            if looked % 50 == 0:  # it takes more than 5 s: perhaps a connector has failed, which an operator would see
                self.restart_failed()
            return not missing()

        wait_for(arrived, patience, lambda: f"the last changes of {missing()}\n{self._streams()}\n{arena.tails()}")

    def _await_ends(self, stopped: frozenset[str], patience: float) -> None:
        """Wait until the positions are at the ends; every event before the marks is in Kafka by now."""
        arena = self._arena
        start = f"{arena.name}-shard"
        topics = {t for t in self._topics.names() if t.startswith(start) and t.count(".") > 1} - stopped
        ends = self._topics.end_offsets(topics)

        def behind() -> dict[tuple[str, int], tuple[int, int]]:
            stands = {tuple(standing.partition): standing.next_offset for standing in arena.ground.positions()}
            return {place: (stands.get(place, 0), end) for place, end in ends.items() if stands.get(place, 0) < end}

        wait_for(lambda: not behind(), patience, lambda: f"positions at their ends: {behind()}\n{arena.tails()}")

    def restart_failed(self) -> None:
        """Restart connectors that have failed, as an operator would."""
        topology = load_resolved(self._arena.workers[0].topology)
        if any(shard.verdict is Verdict.FAILED for shard in status(topology)):
            self.restarts += 1
            self._arena.apply()

    def _streams(self) -> str:
        topology = load_resolved(self._arena.workers[0].topology)
        return "\n".join(f"  {s.shard}: {s.verdict} {s.detail} lag {s.lag_bytes}" for s in status(topology))

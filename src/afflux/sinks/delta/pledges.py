"""What the ledger has decided and tables may not hold yet: a batch over several tables is completed, never doubled.

The effects of a batch lie in files beside the ledger before the ledger's commit names them: from that commit on they
are owed. Each is written into its table under the number of that commit, as an application transaction of the table's
own log. So anybody may write it, after any death, and it is there once: who comes second finds the number.
"""

import random
import time
import uuid
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog
from deltalake.exceptions import CommitFailedError
from pydantic import TypeAdapter

from afflux.errors import SinkError
from afflux.sinks.base import Partition
from afflux.sinks.delta import effects
from afflux.sinks.delta.codec import Record
from afflux.sinks.delta.effects import Effect
from afflux.sinks.delta.ledger import Ledger
from afflux.sinks.delta.store import Store
from afflux.sinks.delta.target import Target

log = structlog.get_logger()

_RECORDS = "pledges"
_ATTEMPTS = 30
_FORGOTTEN = timedelta(hours=1)
_PAUSE_SECONDS = 0.1
_PATIENCE_SECONDS = 10.0
"""How long somebody else is given to write what it owes, before it is taken for dead. It does no harm if it is not."""


@dataclass(frozen=True, slots=True)
class Step:
    """An effect that is owed to a table.

    Attributes:
        place: the table's.
        file: where the effect's rows are.
        names: as in `Effect`, like the others.
    """

    place: str
    file: str
    names: tuple[str, ...]
    key: tuple[str, ...]
    truncates: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Pledge:
    """What one batch owes.

    Attributes:
        number: of the ledger's commit that says so.
        partitions: whose events they were.
        steps: a table each.
    """

    number: int
    partitions: tuple[Partition, ...]
    steps: tuple[Step, ...]


Counts = dict[str, Any]
"""What delta-rs counted when it wrote: rows and files."""

_JSON: TypeAdapter[Pledge] = TypeAdapter(Pledge)


class Pledges:
    """Makes pledges, and redeems them.

    Args:
        store: the lake.
        ledger: where they are recorded.
        target: gives the table at a place, as it is now.
    """

    def __init__(self, store: Store, ledger: Ledger, target: Callable[[str], Target]) -> None:
        self._store, self._ledger, self._target = store, ledger, target
        self._redeemed: dict[int, Pledge] = {}
        """Those that are, of those that the ledger may still name."""
        self._seen: dict[int, float] = {}
        """When those of others were first seen, by this process's clock."""

    def make(self, owed: Sequence[tuple[str, Effect]], partitions: Collection[Partition]) -> Pledge | None:
        """Write effects beside the ledger, for its next commit to name.

        Args:
            owed: the tables' places, and what is owed to each.
            partitions: whose events they were.

        Returns:
            None where nothing is owed.
        """
        real = [(place, effect) for place, effect in owed if not effect.is_nothing]
        if not real:
            return None
        folder = f"{self._ledger.place}/pledges/{uuid.uuid4().hex}"
        steps = []
        for n, (place, effect) in enumerate(real):
            self._store.write(f"{folder}/{n}.arrow", effects.write(effect))
            steps.append(Step(place, f"{folder}/{n}.arrow", effect.names, effect.key, effect.truncates))
        return Pledge(self._ledger.number + 1, tuple(partitions), tuple(steps))

    def records(self, pledge: Pledge | None) -> list[Record]:
        """Give what the next commit is to say: the new pledge, and that redeemed ones are no more owed."""
        gone = [Record(_RECORDS, str(number), None) for number in self._redeemed]
        new = [Record(_RECORDS, str(pledge.number), _JSON.dump_json(pledge).decode())] if pledge else []
        return [*gone, *new]

    def committed(self) -> None:
        """Learn that what `records` gave last is committed."""
        self._redeemed.clear()

    def drop(self, pledge: Pledge | None) -> None:
        """Remove the files of a pledge that has come to nothing, or is redeemed."""
        for step in pledge.steps if pledge else ():
            self._store.remove(step.file)

    def owed(self) -> list[Pledge]:
        """Give what is owed as far as the ledger and this process know, in order."""
        known = {int(key): value for key, value in self._ledger.others(_RECORDS).items()}
        self._redeemed = {number: pledge for number, pledge in self._redeemed.items() if number in known}
        self._seen = {number: at for number, at in self._seen.items() if number in known}
        return [_JSON.validate_json(known[number]) for number in sorted(known.keys() - self._redeemed.keys())]

    def redeem(self, pledge: Pledge) -> dict[str, Counts]:
        """Write what is owed, wherever it is not there yet.

        Returns:
            By the tables' places, what delta-rs counted where it was this process that wrote.
        """
        counts = {}
        for step in pledge.steps:
            found = self._write(pledge.number, step)
            if found is not None:
                counts[step.place] = found
        self._redeemed[pledge.number] = pledge
        self.drop(pledge)
        return counts

    def _write(self, number: int, step: Step) -> Counts | None:
        """Write one effect; None where somebody else has."""
        for attempt in _attempts():
            target = self._target(step.place)
            if target.has(self._ledger.lane, number):
                return None
            data = self._store.read(step.file)
            if data is None:
                continue  # somebody else has just written it, and cleared it away
            try:
                return target.write(
                    Effect(step.names, step.key, effects.read(data), step.truncates), self._ledger.lane, number
                )
            except CommitFailedError as error:
                log.info("somebody else has written", table=step.place, attempt=attempt, reason=str(error)[:200])
        raise SinkError(f"table {step.place} is written by others all the time", transient=True)

    def await_others(self, places: Collection[str]) -> None:
        """See that nothing is owed to some tables: wait for who does it, and do it where that takes too long."""
        for pledge in self.owed():
            if {step.place for step in pledge.steps} & {*places}:
                while not self._is_redeemed(pledge) and not self._is_overdue(pledge):
                    time.sleep(_PAUSE_SECONDS)
                self.redeem(pledge)

    def redeem_overdue(self) -> None:
        """Write what has been owed for so long that nobody else will."""
        for pledge in self.owed():
            if self._is_overdue(pledge):
                self.redeem(pledge)

    def redeem_of(self, partitions: Collection[Partition]) -> None:
        """Write what is owed by batches of some partitions."""
        for pledge in self.owed():
            if {*pledge.partitions} & {*partitions}:
                self.redeem(pledge)

    def sweep(self) -> None:
        """Remove the files of pledges that have come to nothing, for their makers died before they committed them."""
        named = {step.file for pledge in self.owed() for step in pledge.steps}
        before = datetime.now(UTC) - _FORGOTTEN
        for found in list(self._store.list(f"{self._ledger.place}/pledges")):
            if found.path not in named and found.written < before:
                self._store.remove(found.path)

    def _is_redeemed(self, pledge: Pledge) -> bool:
        for step in pledge.steps:
            target = self._target(step.place)
            if not target.has(self._ledger.lane, pledge.number):
                return False
        return True

    def _is_overdue(self, pledge: Pledge) -> bool:
        return time.monotonic() - self._seen.setdefault(pledge.number, time.monotonic()) > _PATIENCE_SECONDS


def _attempts() -> Iterator[int]:
    for attempt in range(_ATTEMPTS):
        if attempt:
            time.sleep(random.uniform(0, _PAUSE_SECONDS * min(attempt, 10)))  # noqa: S311 - jitter
        yield attempt

"""What the ledger has decided and tables may not hold yet: a batch over several tables is completed, never doubled.

The effects of a batch lie in files beside the ledger before the ledger's commit names them: from that commit on they
are owed. Each is written into its table under the number of that commit, as an application transaction of the table's
own log. So anybody may write it, after any death, and it is there once: who comes second finds the number.
"""

import random
import time
import uuid
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog
from deltalake.exceptions import CommitFailedError, DeltaError
from pydantic import TypeAdapter

from afflux.errors import SinkError, TableError
from afflux.sinks.batch import Partition
from afflux.sinks.delta.ledger import Ledger
from afflux.sinks.delta.store import Store, is_transient, told
from afflux.sinks.delta.target import Target
from afflux.sinks.reference import effects
from afflux.sinks.reference.codec import Record
from afflux.sinks.reference.effects import Effect
from afflux.sinks.reference.sweeps import Sweep

log = structlog.get_logger()

_RECORDS = "pledges"
_ATTEMPTS = 30
_FORGOTTEN = timedelta(hours=1)
_PAUSE_SECONDS = 0.1
_PATIENCE_SECONDS = 10.0
"""How long somebody else is given to write what it owes, before it is taken for dead. It does no harm if it is not."""


@dataclass(frozen=True, slots=True)
class Cut:
    """What a partition's events have brought into a table that keeps changes or versions, and is to go.

    Attributes:
        partition: whose.
        offset: from which on.
        renamed: what the topic is called first, where another one has its name now.
    """

    partition: Partition
    offset: int
    renamed: str = ""


@dataclass(frozen=True, slots=True)
class Step:
    """What is owed to a table: an effect, or cuts.

    Attributes:
        place: the table's.
        file: where the effect's rows are.
        names: as in `Effect`, like the others.
        cuts: instead of an effect.
    """

    place: str
    file: str = ""
    names: tuple[str, ...] = ()
    key: tuple[str, ...] = ()
    sweeps: tuple[Sweep, ...] = ()
    within: tuple[tuple[str, tuple[str, ...]], ...] = ()
    cuts: tuple[Cut, ...] = ()


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
        start = f"{self._ledger.place}/pledges/{uuid.uuid4().hex}"  # no folder of its own: it would stay on a disk
        steps = []
        for n, (place, effect) in enumerate(real):
            self._store.write(f"{start}-{n}.arrow", effects.write(effect))
            steps.append(Step(place, f"{start}-{n}.arrow", effect.names, effect.key, effect.sweeps, effect.within))
        return Pledge(self._ledger.number + 1, tuple(partitions), tuple(steps))

    def cut(self, places: Collection[str], cuts: Sequence[Cut]) -> Pledge | None:
        """Owe cuts to some tables, for the ledger's next commit to name; None where there are none."""
        steps = tuple(Step(place, cuts=tuple(cuts)) for place in places if cuts)
        return Pledge(self._ledger.number + 1, (), steps) if steps else None

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
            if step.file:
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

        Raises:
            TableError: a table can't be written, for somebody has changed it; it stays owed, and all else is written.
        """
        counts = {}
        refused: list[TableError] = []
        for step in pledge.steps:
            try:
                found = self._write(pledge.number, step)
            except TableError as error:
                refused.append(error)
                continue
            if found is not None:
                counts[step.place] = found
        if refused:
            raise refused[0]
        self._redeemed[pledge.number] = pledge
        self.drop(pledge)
        return counts

    def _write(self, number: int, step: Step) -> Counts | None:
        """Write one effect; None where somebody else has."""
        for attempt in _attempts():
            target = self._target(step.place)
            if target.has(self._ledger.lane, number):
                return None
            data = None if step.cuts else self._store.read(step.file)
            if data is None and not step.cuts:
                continue  # somebody else has just written it, and cleared it away
            try:
                if data is None:
                    return _cut(target, step.cuts, self._ledger.lane, number)
                effect = Effect(step.names, step.key, effects.read(data), step.sweeps, step.within)
                return target.write(effect, self._ledger.lane, number)
            except CommitFailedError as error:
                log.info("somebody else has written", table=step.place, attempt=attempt, reason=told(error))
            except DeltaError as error:
                if is_transient(error):
                    raise
                raise TableError(
                    f"table {target.name} can't be written: {told(error)}",
                    table=target.name,
                    hint="somebody has changed the table itself: undo that, then `afflux tables resume`",
                ) from error
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
        self._redeem_where_possible(pledge for pledge in self.owed() if self._is_overdue(pledge))

    def redeem_of(self, partitions: Collection[Partition]) -> None:
        """Write what is owed by batches of some partitions."""
        self._redeem_where_possible(pledge for pledge in self.owed() if {*pledge.partitions} & {*partitions})

    def _redeem_where_possible(self, pledges: Iterable[Pledge]) -> None:
        """Write what is owed; a table that can't be written stops when it is its turn again, and stops nobody else."""
        for pledge in pledges:
            try:
                self.redeem(pledge)
            except TableError as error:
                self._seen[pledge.number] = 0.0  # it has been tried: no need to wait for anybody
                log.warning("rows are owed", table=error.table, reason=error.message)

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


def _cut(target: Target, cuts: Collection[Cut], lane: str, number: int) -> Counts:
    """Cut a table back; each step of it may be done again."""
    for (topic, partition), offset, renamed in ((cut.partition, cut.offset, cut.renamed) for cut in cuts):
        if renamed:
            target.rename(topic, partition, renamed)
        target.cut_back(topic, partition, offset)
    target.mark(lane, number)
    return {}


def _attempts() -> Iterator[int]:
    for attempt in range(_ATTEMPTS):
        if attempt:
            time.sleep(random.uniform(0, _PAUSE_SECONDS * min(attempt, 10)))  # noqa: S311 - jitter
        yield attempt

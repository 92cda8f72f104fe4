"""A sink's state as it was committed last: a `Memory` to change freely, and to take back or to commit. Pure."""

from collections.abc import Iterable
from datetime import UTC, datetime

from afflux.errors import SinkError
from afflux.sinks.memory import Memory
from afflux.sinks.reference import codec
from afflux.sinks.reference.codec import Record

VERSION = 1
"""Of the layout of records."""
LAYOUT = "layout"
"""The kind of the one record that says the layout."""

_NEVER = datetime.fromtimestamp(0, UTC)
Entries = dict[tuple[str, str], tuple[str | None, datetime]]
"""By kind and key: a value, and since when it is so."""


class Records:
    """The state of one consumer group of one topology."""

    def __init__(self) -> None:
        self.memory = Memory()
        """The state, without rows. Changed freely, and then committed or taken back."""
        self._base = codec.part(self.memory)
        self._times: dict[tuple[str, str], datetime] = {}
        self._others: dict[tuple[str, str], str] = {}
        """The entries that are no part of a `Memory`."""

    def forget(self) -> None:
        """Begin anew."""
        self._base, self._times, self._others = codec.part(Memory()), {}, {}

    def put(self, record: Record, at: datetime) -> None:
        """Learn of a record that somebody has committed.

        Raises:
            SinkError: the state has another version's layout.
        """
        codec.put(self._base, record)
        self._note(record, at)

    def take_back(self) -> None:
        """Take back what was changed and not committed."""
        for name, value in self._base.items():
            setattr(self.memory, name, type(value)(value))
        self.memory.tables, self.memory.logs, self.memory.moves, self.memory.waiting = {}, {}, {}, {}

    def changed(self) -> list[Record]:
        """Give the records of what was changed and not committed."""
        return list(codec.difference(self._base, codec.part(self.memory)))

    def committed(self, records: Iterable[Record], at: datetime) -> None:
        """Learn that what was changed is committed, by these records."""
        self._base = codec.part(self.memory)
        for record in records:
            self._note(record, at)

    def others(self, kind: str) -> dict[str, str]:
        """Give the entries of a kind that is no part of a `Memory`, by key."""
        return {key: value for (of, key), value in self._others.items() if of == kind}

    @property
    def begun(self) -> bool:
        """Whether anything was ever committed."""
        return bool(self._others)

    def time_of(self, kind: str, key: object) -> datetime:
        """Tell when an entry of the state last changed."""
        return self._times.get((kind, codec.KINDS[kind].write(kind, key, None).key), _NEVER)

    def entries(self) -> Entries:
        """Give every entry as it was committed last."""
        known = {(record.kind, record.key): record.value for record in codec.whole(self._base)}
        return {place: (value, self._times.get(place, _NEVER)) for place, value in {**known, **self._others}.items()}

    def _note(self, record: Record, at: datetime) -> None:
        if record.kind == LAYOUT and record.value != str(VERSION):
            raise SinkError(
                f"the target's afflux state has layout {record.value}, and this afflux knows {VERSION}",
                hint="use the newer afflux",
            )
        place = (record.kind, record.key)
        if record.value is None:
            self._times.pop(place, None)
            self._others.pop(place, None)
            return
        self._times[place] = at
        if record.kind not in codec.KINDS:
            self._others[place] = record.value


def layout() -> Record:
    """Give the record that says which layout a state has."""
    return Record(LAYOUT, "", str(VERSION))

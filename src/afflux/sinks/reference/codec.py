"""A sink's state as records of text: which parts of a `Memory` are kept, and how an entry of each is written. Pure."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, get_args, get_origin, get_type_hints

from pydantic import ConfigDict, TypeAdapter

from afflux.sinks.memory import Memory

NOT_KEPT = frozenset({"lock", "tables", "logs", "moves", "waiting"})
"""What of a `Memory` is no state: the tables' own rows, and those set aside, which are Delta tables themselves."""

_BYTES = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64")


class Record(NamedTuple):
    """One entry of the state as it is from now on; without a value it is gone."""

    kind: str
    key: str
    value: str | None


class Entries(NamedTuple):
    """How the entries of one part of the state are written: as JSON of the types that `Memory` declares."""

    key: TypeAdapter[tuple[Any]] | None
    value: TypeAdapter[tuple[Any]]

    def write(self, kind: str, key: Any, value: Any) -> Record:
        """Write an entry."""
        written = self.key.dump_json((key,)).decode() if self.key else ""
        return Record(kind, written, None if value is None else self.value.dump_json((value,)).decode())

    def read(self, record: Record) -> tuple[Any, Any]:
        """Read an entry: its key, and its value or None."""
        key = self.key.validate_json(record.key)[0] if self.key else None
        return key, None if record.value is None else self.value.validate_json(record.value)[0]


def _entries(of: Any) -> Entries:
    if get_origin(of) is dict:
        key, value = get_args(of)
        return Entries(_adapter(key), _adapter(value))
    return Entries(None, _adapter(of))


def _adapter(of: Any) -> TypeAdapter[tuple[Any]]:
    """Write a value within a tuple: alone, a type may not be told how its bytes are written."""
    wrapped: Any = tuple[of]
    return TypeAdapter(wrapped, config=_BYTES)


KINDS: Mapping[str, Entries] = {
    name: _entries(of) for name, of in get_type_hints(Memory).items() if name not in NOT_KEPT
}
"""The parts of the state, by their names in `Memory`. A mapping has a record an entry, any other part one of its own."""

State = dict[str, Any]
"""The parts of a state by their names."""


def part(memory: Memory) -> State:
    """Copy what is kept of a memory."""
    return {name: type(getattr(memory, name))(getattr(memory, name)) for name in KINDS}


def put(state: State, record: Record) -> None:
    """Bring a record into a state; one of another kind, or of a later version, is left alone."""
    entries = KINDS.get(record.kind)
    if entries is None:
        return
    key, value = entries.read(record)
    if entries.key is None:
        state[record.kind] = value
    elif value is None:
        state[record.kind].pop(key, None)
    else:
        state[record.kind][key] = value


def difference(before: State, after: State) -> Iterator[Record]:
    """Give the records that make one state of another."""
    for kind, entries in KINDS.items():
        old, new = before[kind], after[kind]
        if entries.key is None:
            if old != new:
                yield entries.write(kind, None, new)
            continue
        yield from (entries.write(kind, key, None) for key in old.keys() - new.keys())
        for key, value in new.items():
            known = old.get(key)
            if known is not value and known != value:
                yield entries.write(kind, key, value)


def whole(state: State) -> Iterator[Record]:
    """Give the records that make a state of nothing."""
    yield from difference(part(Memory()), state)

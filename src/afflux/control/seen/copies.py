"""Rows that a table has when it is added to a connector that runs: in no topic yet, so they are asked for (pure).

A connector makes its first copy once, of the tables that it has then. For tables that come later Debezium copies by
signal. That it was sent must be known after any death in between, so the connector's config holds the signal's id and
tables, and the topic of signals, which is kept for good, says which ids were sent. A signal whose copy failed is
followed by another one with the next number.
"""

import re
from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import count

from afflux.clients.catalog import Relation
from afflux.clients.connect import Connector
from afflux.control.seen.status import failed
from afflux.control.seen.world import ShardWorld, World
from afflux.control.wanted.desired import Desired
from afflux.control.wanted.settings import include_list, listed

COPIES = "afflux.copies"
"""Property of ours in a connector's config: the signal's id, then regular expressions of tables."""
COPIED = frozenset({"SUCCEEDED", "EMPTY"})
"""Words of Debezium for a table that was copied; any other is a failure."""


@dataclass(frozen=True)
class Signal:
    """A signal that is to be sent.

    Args:
        id: its own.
        tables: regular expressions, as in `table.include.list`.
        blocking: whether changes wait meanwhile; Debezium can copy a table with generated columns or without a key
            in no other way (observed: its incremental snapshot of one ends with an error that only the log tells).
    """

    id: str
    tables: tuple[str, ...]
    blocking: bool
    where: str = ""
    """Which rows, as a condition in SQL; empty for all."""
    first: str = ""
    """The id that it was sent with at first; empty for its own."""
    times: int = 1
    """How often it was sent then."""

    @property
    def filter(self) -> str:
        """What Debezium takes for it: the condition, or for a blocking copy, of one table, a whole SELECT."""
        if not self.where or not self.blocking:
            return self.where
        schema, _, name = plain(self.tables[0]).partition(".")
        return f"SELECT * FROM {quoted(schema)}.{quoted(name)} WHERE {self.where}"  # noqa: S608 - names are quoted

    @property
    def before(self) -> str:
        """The id that it was sent with the last time; empty for the first."""
        return _attempt(self.first, self.times - 1) if self.times > 1 else ""

    def again(self, tables: tuple[str, ...]) -> "Signal":
        """Return the signal for tables whose copy failed: a blocking one, which is the surer way."""
        first, times = self.first or self.id, self.times + 1
        return replace(self, id=_attempt(first, times), first=first, times=times, tables=tables, blocking=True)


def copies(existing: Connector | None, seen: ShardWorld, wanted: Desired, world: World) -> str:
    """Return the value of COPIES that a shard's connector should have; empty for none.

    Args:
        existing: its connector, if there is one.
        seen: the shard, whose slot can be read on.
        wanted: what it should have.
        world: what else was observed.
    """
    if seen.slot is None and (existing is None or not existing.tasks or failed(existing)):
        return ""  # its first copy is still to come, and will be of all tables
    published = {
        include_list([t]) for t in wanted.tables if seen.publication and (t.schema, t.name) in seen.publication.tables
    }
    # A table that left the publication has missed changes, whoever took it out. A connector that was removed will go
    # on from its offsets, with the tables that it had then.
    followed = set(listed(existing.config.get("table.include.list", ""))) if existing else published
    before = followed & published if seen.publication else followed
    have = existing.config.get(COPIES, "") if existing else ""
    added = set(listed(wanted.config["table.include.list"])) - before
    waiting = {table for signal in due(have, wanted, world) for table in signal.tables}
    if added <= waiting:
        return have
    taken = {*world.signals, *listed(have)[:1]}
    new = next(name for n in count(1) if (name := f"{wanted.connector}-{n}") not in taken)
    return ",".join([new, *sorted(added | waiting)])


def due(value: str, wanted: Desired, world: World) -> Iterator[Signal]:
    """Yield the signals that a value of COPIES stands for and that are to be sent.

    Those are the ones that were not sent yet, and for tables whose copy failed, one more: a blocking one, which is
    the surer way.
    """
    name, *tables = listed(value) or ("",)
    followed = set(listed(wanted.config["table.include.list"]))
    whole = {include_list([table]) for table in wanted.tables if not goes_in_chunks(table)}
    for first, blocking in ((name, False), (f"{name}-blocking", True)):
        of_kind = tuple(table for table in tables if table in followed and (table in whole) is blocking)
        if of_kind:
            yield from still_due(Signal(first, of_kind, blocking), world)


def still_due(signal: Signal, world: World) -> Iterator[Signal]:
    """Yield a signal if it was not sent yet, or one more for those of its tables whose copy failed."""
    sent = last_sent(signal.id, world.signals)
    if not sent:
        yield signal
    elif failed := tuple(t for t in signal.tables if _has_failed(t, world.scans.get(_attempt(signal.id, sent), {}))):
        yield replace(signal, times=sent).again(failed)


def latest(value: str, signals: Container[str]) -> Iterator[str]:
    """Yield the ids of the last signals that were sent for a value of COPIES."""
    for name in listed(value)[:1]:
        for first in (name, f"{name}-blocking"):
            if last := last_sent(first, signals):
                yield _attempt(first, last)


def last_sent(first: str, signals: Container[str]) -> int:
    """Return how often a signal was sent."""
    return next(n for n in count() if _attempt(first, n + 1) not in signals)


def quoted(name: str) -> str:
    """Write a name as SQL does."""
    return '"' + name.replace('"', '""') + '"'


def _attempt(first: str, number: int) -> str:
    return first if number <= 1 else f"{first}-{number}"


def _has_failed(table: str, scans: Mapping[str, str]) -> bool:
    return scans.get(plain(table), "SUCCEEDED") not in COPIED


def plain(table: str) -> str:
    """Return the `schema.table` that a regular expression of `include_list` stands for."""
    return re.sub(r"\\(.)", r"\1", table, flags=re.DOTALL)


def goes_in_chunks(table: Relation) -> bool:
    """Tell whether Debezium can copy a table in chunks, beside its changes."""
    return bool(table.primary_key or table.identity == "i") and not table.generated

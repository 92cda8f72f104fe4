"""Rows that a table has when it is added to a connector that runs: in no topic yet, so they are asked for (pure).

A connector makes its first copy once, of the tables that it has then. For tables that come later Debezium copies by
signal. That it was sent must be known after any death in between, so the connector's config holds the signal's id and
tables, and the topic of signals, which is kept for good, says which ids were sent.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count

from afflux.clients.connect import Connector
from afflux.control.desired import Desired
from afflux.control.settings import include_list, listed
from afflux.control.world import ShardWorld, World

COPIES = "afflux.copies"
"""Property of ours in a connector's config: the signal's id, then regular expressions of tables."""


@dataclass(frozen=True)
class Signal:
    """A signal that was not sent yet.

    Args:
        id: its own.
        tables: regular expressions, as in `table.include.list`.
        blocking: whether changes wait meanwhile; Debezium can copy a table with generated columns in no other way
            (observed: its incremental snapshot of one ends with an error that only the log tells).
    """

    id: str
    tables: tuple[str, ...]
    blocking: bool


def copies(existing: Connector | None, seen: ShardWorld, wanted: Desired, world: World) -> str:
    """Return the value of COPIES that a shard's connector should have; empty for none.

    Args:
        existing: its connector, if there is one.
        seen: the shard.
        wanted: what it should have.
        world: what else was observed.
    """
    have = existing.config.get(COPIES, "") if existing else ""
    if existing:
        before = set(listed(existing.config.get("table.include.list", "")))
    elif seen.slot and seen.publication:
        # The connector was removed and will go on from its offsets, with the tables that it had then.
        before = {include_list([t]) for t in wanted.tables if (t.schema, t.name) in seen.publication.tables}
    else:
        return ""
    added = set(listed(wanted.config["table.include.list"])) - before
    if not added:
        return have
    waiting = {table for signal in unsent(have, wanted, world) for table in signal.tables}
    taken = {*world.signals, *listed(have)[:1]}
    new = next(name for n in count(1) if (name := f"{wanted.connector}-{n}") not in taken)
    return ",".join([new, *sorted(added | waiting)])


def unsent(value: str, wanted: Desired, world: World) -> Iterator[Signal]:
    """Yield the signals that a value of COPIES stands for and that were not sent."""
    name, *tables = listed(value) or ("",)
    followed = set(listed(wanted.config["table.include.list"]))
    generated = {include_list([table]) for table in wanted.tables if table.generated}
    for signal, blocking in ((name, False), (f"{name}-blocking", True)):
        of_kind = tuple(table for table in tables if table in followed and (table in generated) is blocking)
        if of_kind and signal not in world.signals:
            yield Signal(signal, of_kind, blocking)

"""Tables in memory that hold each row as it is now: deletes hard or soft, halves of key changes, truncates."""

from collections.abc import Callable
from functools import partial
from typing import Any

from afflux.errors import IncompleteError
from afflux.sinks.batch import (
    DELETED,
    LINEAGE,
    LSN,
    MOVED_AT,
    SEQUENCE,
    SHARD,
    SOURCE_TS,
    TableChanges,
    Truncate,
    unchanged,
)
from afflux.sinks.memory_store import Departed, Memory, Move, Row
from afflux.topology.sinks import MetaColumns
from afflux.types.equality import equal_form


def write(memory: Memory, changes: TableChanges) -> None:
    """Apply the net effect of a batch on a table."""
    memory.tables.setdefault(changes.table, {})
    if changes.with_shard:
        memory.with_shard.add(changes.table)
    depart(memory, changes, partial(_before, memory, changes))
    for truncate in changes.truncates:
        _truncate(memory, changes, truncate)
    # What is unchanged is taken from the rows as they were before any of the batch is applied.
    found = [(event, _before(memory, changes, event)) for event in changes.rows.iter_rows(named=True)]
    for event, before in found:
        if not any(name == changes.table and _is_older(event, t) for name, t in memory.truncations):
            _apply(memory, changes, event, before)
    while released := [at for at in memory.waiting.keys() & memory.moves.keys() if _is_known(memory, changes, at)]:
        for at in released:
            waited = memory.waiting.pop(at)
            _apply(memory, changes, waited, _before(memory, changes, waited))


def depart(memory: Memory, changes: TableChanges, before_of: Callable[[Row], Row]) -> None:
    """Remember rows as they were when their key changed, and tell those that wait for them.

    Args:
        memory: holds them.
        changes: of their table.
        before_of: finds the values of a row that an event left out.
    """
    if changes.departed is None:
        return
    for event in changes.departed.iter_rows(named=True):
        move, origin = (changes.table, event[SHARD], event[LSN]), None
        before = before_of(event)
        waits = _waiting(memory, changes, event)
        if event[MOVED_AT] is not None:
            origin = (changes.table, event[SHARD], event[MOVED_AT])
        elif waits is not None:
            origin, before = waits, _known(changes, memory.waiting[waits])
        memory.moves[move] = Departed({**before, **_known(changes, event, departed=True)}, origin)
    for move in sorted(memory.moves, key=lambda move: move[2]):
        half = memory.moves[move]
        if half.origin in memory.moves:
            half.row = {**memory.moves[half.origin].row, **half.row}


def key_of(changes: TableChanges, event: Row) -> tuple[Any, ...]:
    """Give an event's key so that what the target holds equal is equal."""
    types = {column.name: column.type for column in changes.columns}
    return tuple(equal_form(types[name], event[name]) for name in changes.key)


def completed(changes: TableChanges, event: Row, before: Row) -> Row:
    """Give an event's values, those that it left out by another row.

    Raises:
        IncompleteError: that has not got them either.
    """
    row = {**before, **_known(changes, event)}
    missing = [column.name for column in changes.columns if column.name not in row]
    if missing:
        raise IncompleteError(str(changes.table), [event.get(SEQUENCE)], missing)
    return row


def _apply(memory: Memory, changes: TableChanges, event: Row, before: Row) -> None:
    waits = _waiting(memory, changes, event)
    if waits is not None:
        event = _merged(changes, memory.waiting.pop(waits), event)
        before = _before(memory, changes, event)
    versions = memory.tables[changes.table].setdefault(key_of(changes, event), {})
    mine = versions.get(event[SHARD])
    if mine is not None and not _concerns(changes, event, mine):
        return
    incomplete = any(column.name not in {**before, **_known(changes, event)} for column in changes.columns)
    if event[DELETED]:
        versions.pop(event[SHARD], None)
        others = [row for row in versions.values() if not row.get("_deleted")]
        if changes.keeping.soft and not others and not incomplete:
            versions.clear()
            versions[event[SHARD]] = _row(changes, event, before)
    elif changes.several and incomplete and event[MOVED_AT] is not None:
        memory.waiting[changes.table, event[SHARD], event[MOVED_AT]] = event
    else:
        for shard in [shard for shard, row in versions.items() if row.get("_deleted")]:
            del versions[shard]
        versions[event[SHARD]] = _row(changes, event, before)
        memory.moves.pop((changes.table, event[SHARD], event[MOVED_AT]), None)


def _row(changes: TableChanges, event: Row, before: Row) -> Row:
    row = completed(changes, event, before) | {
        "_shard": event[SHARD],
        "_lsn": event[LSN],
        "_source_ts": event[SOURCE_TS],
    }
    if changes.keeping.soft:
        row |= {"_deleted": event[DELETED], "_deleted_at": event[SOURCE_TS] if event[DELETED] else None}
    return row | lineage(event) if changes.keeping.lineage else row


def lineage(event: Row) -> Row:
    """Give the columns that say by which event a row came."""
    return {name.replace("afflux.", "_"): event[name] for name in LINEAGE}


def _concerns(changes: TableChanges, event: Row, row: Row) -> bool:
    """Tell whether an event speaks of a row; under a key of other bytes only if it is newer.

    The halves of a key change have one LSN: the birth is the newer one.
    """
    newer = event[LSN] > row["_lsn"] or (event[LSN] == row["_lsn"] and not event[DELETED])
    return _is_same(changes, event, row) or bool(newer)


def _is_same(changes: TableChanges, event: Row, row: Row) -> bool:
    """Tell whether the key of an event has the bytes of a row's."""
    return all(event[name] == row[name] for name in changes.key)


def _merged(changes: TableChanges, waited: Row, later: Row) -> Row:
    """Give a waiting event what a later one says; one that leaves nothing out takes its place."""
    left_out = [c.name for c in changes.columns if later.get(unchanged(c.name))]
    if later[DELETED] or not left_out:
        return later
    kept = {name: waited[name] for name in left_out}
    masks = {unchanged(name): waited.get(unchanged(name), False) for name in left_out}
    return {**later, **kept, **masks, MOVED_AT: waited[MOVED_AT]}


def _truncate(memory: Memory, changes: TableChanges, truncate: Truncate) -> None:
    if truncate.until:
        memory.truncations.append((changes.table, truncate))
    for versions in memory.tables[changes.table].values():
        row = versions.get(truncate.shard)
        if row is None or row["_lsn"] >= truncate.lsn or row.get("_deleted"):
            continue
        del versions[truncate.shard]
        if changes.keeping.soft and not versions:
            versions[truncate.shard] = row | _marked(changes, truncate)
    for at in list(memory.waiting):
        if at[:2] == (changes.table, truncate.shard) and at[2] < truncate.lsn:
            del memory.waiting[at]


def _marked(changes: TableChanges, truncate: Truncate) -> Row:
    row = {"_deleted": True, "_deleted_at": truncate.source_ts, "_lsn": truncate.lsn, "_source_ts": truncate.source_ts}
    place = (truncate.topic, truncate.partition, truncate.offset, truncate.transaction)
    names = ("_topic", "_partition", "_offset", "_transaction")
    return row | ({"_op": "t", **dict(zip(names, place, strict=True))} if changes.keeping.lineage else {})


def _is_older(event: Row, truncate: Truncate) -> bool:
    return bool(event[SHARD] == truncate.shard and event[LSN] < truncate.lsn)


# --- values that events leave out -----------------------------------------------------------------


def _known(changes: TableChanges, event: Row, *, departed: bool = False) -> Row:
    """Give the values that an event says. A delete says nothing but its key, unless its row stays."""
    nothing = event[DELETED] and not changes.keeping.soft and not departed
    names = changes.key if nothing else [c.name for c in changes.columns]
    return {name: event[name] for name in names if not event.get(unchanged(name))}


def _before(memory: Memory, changes: TableChanges, event: Row) -> Row:
    """Find the row whose values an event left out: its own, or that of its former key."""
    row = memory.tables[changes.table].get(key_of(changes, event), {}).get(event[SHARD], {})
    if event[MOVED_AT] is not None:
        half = memory.moves.get((changes.table, event[SHARD], event[MOVED_AT]))
        departed = {} if half is None else half.row
        # Where the target is past the move already, it is read again; else the row here is another one.
        again = row if row and row["_lsn"] >= event[MOVED_AT] else {}
        return {**values(again), **departed}
    return values(row) if row and _concerns(changes, event, row) else {}


def values(row: Row) -> Row:
    """Give a row without the columns of afflux's own."""
    return {name: value for name, value in row.items() if name not in _META}


_META = frozenset(MetaColumns().model_dump().values())


def _waiting(memory: Memory, changes: TableChanges, event: Row) -> Move | None:
    """Find the waiting event that an event speaks of."""
    for at, waited in memory.waiting.items():
        if at[:2] == (changes.table, event[SHARD]) and key_of(changes, waited) == key_of(changes, event):
            return at if _is_same(changes, event, waited) or event[LSN] > waited[LSN] else None
    return None


def _is_known(memory: Memory, changes: TableChanges, at: Move) -> bool:
    """Tell whether all is known that a waiting event left out."""
    if at[0] != changes.table:
        return False
    row = {**_before(memory, changes, memory.waiting[at]), **_known(changes, memory.waiting[at])}
    return all(column.name in row for column in changes.columns)

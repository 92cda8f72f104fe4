"""Tables in memory that hold each change, or each version of a row; and how they are cut back."""

from functools import partial

from afflux.sinks.batch import (
    DELETED,
    LSN,
    MOVED_AT,
    OFFSET,
    OP,
    PARTITION,
    SHARD,
    SOURCE_TS,
    TOPIC,
    Partition,
    TableChanges,
    unchanged,
)
from afflux.sinks.memory_rows import completed, depart, key_of, lineage, values
from afflux.sinks.memory_store import Memory, Place, Row


def append(memory: Memory, changes: TableChanges) -> None:
    """Keep every event as a row."""
    log = memory.logs.setdefault(changes.table, {})
    for event in changes.rows.iter_rows(named=True):
        left_out = [column.name for column in changes.columns if event.get(unchanged(column.name))]
        said = {column.name: event[column.name] for column in changes.columns}
        log.setdefault(_place(event), {**said, "_unchanged": left_out, **_meta(event)})


def keep_versions(memory: Memory, changes: TableChanges) -> None:
    """Keep every version of a row, from the event that made it to the one that ended it."""
    log = memory.logs.setdefault(changes.table, {})
    depart(memory, changes, partial(_before, memory, changes))
    for event in changes.rows.iter_rows(named=True):
        if event[OP] == "t":
            for row in _current(memory, changes, event):
                _end(row, event)
            continue
        mine = _mine(memory, changes, event)
        before = _before(memory, changes, event)
        version = {} if event[DELETED] else completed(changes, event, before)
        if event[OP] == "r" and mine is not None and version == before:
            mine["_lsn"] = event[LSN]  # it is there still, and no new version
            continue
        since = event[SOURCE_TS] if mine is None else _end(mine, event)
        if not event[DELETED]:
            log[_place(event)] = {**version, **_meta(event), "_valid_from": since, **_NOW}


def _current(memory: Memory, changes: TableChanges, event: Row) -> list[Row]:
    return [row for row in memory.logs[changes.table].values() if row["_current"] and row["_shard"] == event[SHARD]]


def _mine(memory: Memory, changes: TableChanges, event: Row) -> Row | None:
    """Find the current version of an event's row."""
    key = key_of(changes, event)
    return next((row for row in _current(memory, changes, event) if key_of(changes, row) == key), None)


def _before(memory: Memory, changes: TableChanges, event: Row) -> Row:
    """Find the version whose values an event left out: its own row's, or that of the row it was."""
    if event[MOVED_AT] is not None:
        half = memory.moves.get((changes.table, event[SHARD], event[MOVED_AT]))
        return {} if half is None else half.row
    return values(_mine(memory, changes, event) or {})


def cut_back(memory: Memory, partition: Partition, offset: int) -> None:
    """Take away what events from an offset on have brought, and open the versions that they have ended."""
    for log in memory.logs.values():
        for place in [p for p in log if p[:2] == partition and p[2] >= offset]:
            del log[place]
        for row in log.values():
            ended = row.get("_end_topic") == partition.topic and row["_partition"] == partition.number
            if ended and row["_end_offset"] >= offset:
                row.update(_NOW)


def set_aside(memory: Memory, partition: Partition, topic_id: str) -> None:
    """Rename what came by a topic that was deleted since, for the offsets of the new one begin again."""
    for table, log in memory.logs.items():
        named = f"{partition.topic}@{topic_id}"
        for row in log.values():
            former = [name for name in ("_topic", "_end_topic") if row.get(name) == partition.topic]
            if row["_partition"] == partition.number:
                row.update(dict.fromkeys(former, named))
        memory.logs[table] = {(row["_topic"], row["_partition"], row["_offset"]): row for row in log.values()}


_NOW: Row = {"_valid_to": None, "_current": True, "_end_op": None, "_end_topic": None, "_end_offset": None}


def _end(version: Row, event: Row) -> int:
    """End a version; none ends before it began, whatever the shard's clock says."""
    at = max(event[SOURCE_TS], version["_valid_from"])
    ended = {"_valid_to": at, "_current": False, "_end_op": event[OP]}
    version |= ended | {"_end_topic": event[TOPIC], "_end_offset": event[OFFSET]}
    return int(at)


def _place(event: Row) -> Place:
    return (event[TOPIC], event[PARTITION], event[OFFSET])


def _meta(event: Row) -> Row:
    return {"_shard": event[SHARD], "_lsn": event[LSN], "_source_ts": event[SOURCE_TS], **lineage(event)}

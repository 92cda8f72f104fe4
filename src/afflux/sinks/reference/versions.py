"""Tables that hold every version of a row: which versions a batch makes, and which it ends. Pure.

That too is said by the contract's reference. It looks for a row's version among all that it holds: so it is given
few keys at a time.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import polars as pl

from afflux.sinks.batch import MOVED_AT, OFFSET, OP, PARTITION, SEQUENCE, SHARD, TOPIC, Batch, TableChanges
from afflux.sinks.memory import Memory, MemorySink
from afflux.sinks.reference.numbered import KEY, NAMED, Numbered, Row, plain_rows
from afflux.sinks.reference.settle import ASIDE, Change, aside_change, load_moves, moves_of, set_aside

_KEYS = 8
"""How many keys the reference is given at a time."""
_CURRENT, _ASIDE, _EVENTS, _DEPARTED = range(4)


def versions(
    changes: TableChanges, types: Mapping[str, pl.DataType], current: pl.DataFrame, aside: pl.DataFrame
) -> tuple[Change, Change]:
    """Give how a table of versions is to change, and the table of its rows set aside.

    Args:
        changes: of the table, values in its types.
        types: its columns, afflux's own among them.
        current: the current versions of all of the batch's keys.
        aside: the halves of key changes that matter.

    Raises:
        IncompleteError: rows came without values that the table has never had.
    """
    departed = changes.departed
    parts = [current, aside, changes.rows, *([] if departed is None else [departed])]
    numbered = Numbered(changes, types, parts)
    before = [*numbered.rows(_CURRENT, current)]
    entries = zip(plain_rows(aside, ASIDE), numbered.rows(_ASIDE, aside), strict=True)
    halves = dict(set_aside(numbered, entry, row) for entry, row in entries)
    events = numbered.events(_EVENTS, changes.rows)
    asked = replace(changes, columns=numbered.changes(changes), key=(KEY,), departed=None)
    moves = Memory()
    load_moves(moves, changes.table, halves)
    known = {
        number: [row for row in before if row[KEY] // _KEYS == number]
        for number in {row[KEY] // _KEYS for row in before}
    }
    if departed is not None:
        left = numbered.events(_DEPARTED, departed)
        for number, some in _groups(left):
            _apply(replace(asked, rows=events.clear(), departed=some), known.get(number, []), moves)
    truncates = events.filter(pl.col(OP) == "t")
    changed: list[Row] = []
    for number, some in _groups(events.filter(pl.col(OP) != "t")):
        whole = pl.concat([some, truncates]).sort([SEQUENCE, SHARD], maintain_order=True) if truncates.height else some
        changed += _apply(replace(asked, rows=whole), known.get(number, []), moves)
    return Change(numbered.frame(changed), numbered.frame([])), aside_change(
        numbered, halves, moves_of(moves, changes.table)
    )


def _groups(events: pl.DataFrame) -> list[tuple[int, pl.DataFrame]]:
    """Part events by their keys, each part in order of arrival."""
    grouped = events.with_columns((pl.col(KEY) // _KEYS).alias("group"))
    parts = grouped.partition_by("group", maintain_order=True, include_key=True)
    return [(part["group"][0], part.drop("group")) for part in parts]


def _apply(changes: TableChanges, current: Sequence[Row], moves: Memory) -> list[Row]:
    """Let the reference apply some keys' events; gives the versions that are new, or not what they were."""
    memory = Memory()
    log = {_place(row): dict(row) for row in current}
    memory.logs[changes.table] = {place: dict(row) for place, row in log.items()}
    wanted = {*changes.rows[MOVED_AT].drop_nulls()}
    if changes.departed is not None:
        wanted |= {*changes.departed[MOVED_AT].drop_nulls()}
    memory.moves = {move: half for move, half in moves.moves.items() if move[2] in wanted}
    MemorySink(memory).apply(Batch({}, (changes,)))
    moves.moves.update(memory.moves)
    return [row for place, row in memory.logs[changes.table].items() if log.get(place) != row]


def _place(row: Row) -> tuple[str, int, int]:
    return (row[NAMED[TOPIC]], row[NAMED[PARTITION]], row[NAMED[OFFSET]])

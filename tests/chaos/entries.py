"""What a table that keeps every change, or every version, holds of rows that only ever count up: each number once."""

from collections import defaultdict
from collections.abc import Iterable, Mapping

Entry = tuple[int, int, str]
"""A row's key, the number it had, and the operation that it came by."""


def wrong_entries(table: str, source: Mapping[int, int], entries: Iterable[Entry]) -> list[str]:
    """Say what is missing, what is there twice, and what never was.

    Args:
        table: for messages.
        source: what the rows have counted up to, by key.
        entries: what the target has kept of them.
    """
    kept: dict[int, list[tuple[int, str]]] = defaultdict(list)
    for key, number, op in entries:
        kept[key].append((number, op))
    found = [f"{table}: {key} is at no shard" for key in sorted(kept.keys() - source.keys())]
    for key, last in sorted(source.items()):
        have = sorted(kept[key])
        numbers = [number for number, _ in have]
        first, op = have[0] if have else (0, "c")
        # A row that was there before the connector was begins with what the snapshot read of it.
        begins = op == "r" or (op == "c" and first == 0)
        if not begins or numbers != [*range(first, last + 1)]:
            found.append(f"{table}: {key} has counted to {last} and has {op!r} {numbers}")
    return found

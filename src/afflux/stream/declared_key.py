"""Tables whose key the topology declares: each event's key is in its row, as it was and as it is. Pure.

It takes whole rows on both sides: REPLICA IDENTITY FULL. The key of the Kafka message, if there is one,
is another then; an update that changes the declared one comes as one event, and is a delete and an insert.
"""

from collections.abc import Sequence

import polars as pl

from afflux.errors import TableError
from afflux.sinks.batch import SEQUENCE


def split(changes: pl.DataFrame, fields: Sequence[str], topic: str) -> pl.DataFrame:
    """Make two of each update that changes the key: the delete of the old row, and the birth of the new one.

    Args:
        changes: events as decoded: `op`, `before`, `after`, and others.
        fields: the fields of the key's columns in `before` and `after`.
        topic: for the message.

    Returns:
        The events in their order, a delete before the birth that belongs to it.

    Raises:
        TableError: an update came without the row as it was.
    """
    updates = pl.col("op") == "u"
    if changes.select((updates & pl.col("before").is_null()).any()).item():
        raise TableError(
            f"topic {topic!r}: an update came without the row as it was, so its key ({', '.join(fields)}) may have changed",
            topic=topic,
            hint="a table with a declared key needs ALTER TABLE ... REPLICA IDENTITY FULL on the shards",
        )
    moves = pl.any_horizontal(
        pl.col("before").struct.field(name).ne_missing(pl.col("after").struct.field(name)) for name in fields
    )
    moved = changes.filter(updates & moves)
    if not moved.height:
        return changes
    halves = [moved.with_columns(op=pl.lit(op)) for op in ("d", "c")]
    whole = pl.concat([changes.filter(~(updates & moves)), *halves])
    return whole.sort(SEQUENCE, pl.col("op") != "d")


def check(rows: pl.DataFrame, deleted: str, key: Sequence[str], topic: str) -> None:
    """See that deletes name their rows.

    Args:
        rows: a table's rows.
        deleted: the column that says which are deleted.
        key: the key's columns.
        topic: for the message.

    Raises:
        TableError: a delete came without a value of the key.
    """
    nameless = rows.filter(deleted).select(pl.col(name).is_null().any() for name in key)
    missing = [name for name in key if nameless.height and nameless[name][0]]
    if missing:
        raise TableError(
            f"topic {topic!r}: a delete came without a value of its key's column {missing[0]!r}",
            topic=topic,
            hint="a declared key needs ALTER TABLE ... REPLICA IDENTITY FULL on the shards, and columns that are NOT NULL",
        )

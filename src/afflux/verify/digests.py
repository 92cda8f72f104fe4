"""One side of a comparison: a row's shard, its key, and a digest of all of it, as columns.

The server makes the digests, so that a table of a million rows crosses the wire as some 50 MB whatever its width.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

import polars as pl
import psycopg
from psycopg import sql

from afflux.sinks.batch import TableName
from afflux.verify.columns import Layout

SHARD, DIGEST = "shard", "digest"
_BLOCK_ROWS = 100_000
_ALL = sql.SQL("true")


def key_columns(key: Sequence[str]) -> tuple[str, ...]:
    """Give the frame's names of the key's columns; numbered, so that no source name clashes with ours."""
    return tuple(f"k{number}" for number in range(len(key)))


def schema(key: Sequence[str]) -> dict[str, pl.DataType]:
    """Give the schema of a side: the shard's name, the key's columns as exact text, and 64 bits of digest."""
    return {SHARD: pl.String(), **dict.fromkeys(key_columns(key), pl.String()), DIGEST: pl.Int64()}


def statement(
    table: TableName,
    layout: Layout,
    columns: Sequence[str],
    key: Sequence[str],
    shard: sql.Composable,
    *,
    only: sql.Composable = _ALL,
) -> sql.Composed:
    """Write the query of a side.

    A row's text is PostgreSQL's own of a record: it quotes what needs it and tells NULL from empty, so that two
    rows have the same text only when all their values have.

    Args:
        table: where.
        layout: the columns that it has.
        columns: those to compare, in the order common to both sides.
        key: those that tell rows apart, all of them in `layout`.
        shard: the expression of the shard's name.
        only: the condition of rows that count.
    """
    row = sql.SQL(", ").join(layout.text(column) for column in columns)
    return sql.SQL(
        "COPY (SELECT {shard}, {key}, "
        "('x' || left(md5(convert_to(ROW({row})::text, 'UTF8')), 16))::bit(64)::bigint FROM {table} WHERE {only}) "
        "TO STDOUT (FORMAT csv)"
    ).format(
        shard=shard,
        key=sql.SQL(", ").join(sql.SQL("{}::text").format(layout.text(column)) for column in key),
        row=row,
        only=only,
        table=sql.Identifier(table.schema, table.name),
    )


def read(connection: psycopg.Connection, query: sql.Composed, key: Sequence[str]) -> pl.DataFrame:
    """Read a side, block by block.

    Args:
        connection: inside `exact`.
        query: made by `statement`.
        key: the key's columns.

    Returns:
        A frame of `schema(key)`, a row of the table each.
    """
    shape = schema(key)
    with connection.cursor() as cursor, cursor.copy(query) as copy:
        blocks = (pl.read_csv(block, has_header=False, schema=shape) for block in _blocks(copy))
        return pl.concat([pl.DataFrame(schema=shape), *blocks])


def _blocks(lines: Iterable[bytes | bytearray | memoryview]) -> Iterator[bytes]:
    """Join the server's messages, a row each, into blocks of whole rows."""
    source = iter(lines)
    while block := b"".join(islice(source, _BLOCK_ROWS)):
        yield block

"""Names and values of the sources are data: none of them is ever SQL, whatever it holds."""

from dataclasses import replace

import psycopg
import pytest
from psycopg import sql

from afflux.sinks.batch import LetterId, Partition, TableName, TargetColumn
from afflux.types.postgres import pg_type
from hostile import HOSTILE
from targets import ID, NOTE, ZERO, PostgresTarget, batch, changes

_BYTES = 63
"""The longest name that PostgreSQL has."""


def name_of(text: str) -> str:
    """Cut a text to what a name can hold."""
    return text.encode()[:_BYTES].decode(errors="ignore").replace("\0", "") or "_"


@pytest.mark.parametrize("text", HOSTILE)
def test_tables_columns_shards_topics_and_values_come_as_they_are(warehouse_url: str, text: str) -> None:
    target = PostgresTarget(warehouse_url)
    sink = target.sink()
    partition = Partition(f"shard0.public.{text}", 0)
    odd = TargetColumn(name_of(text), pg_type("TEXT"))
    table = TableName(name_of(f"{target.schema}{text}"), name_of(text))
    shard = text[:500]
    sink.claim([partition, ZERO])
    made = changes(target, [(shard, 1, False, 1, text, text)], (ID, NOTE, odd))
    sink.apply(batch(0, replace(made, table=table), partition=partition))
    where = sql.Identifier(table.schema, table.name)
    with psycopg.connect(warehouse_url, autocommit=True) as connection:
        found = connection.execute(
            sql.SQL("select note, {}, _shard from {}").format(sql.Identifier(odd.name), where)
        ).fetchall()
        assert found == [(text, text, shard)]
        changed = changes(target, [(shard, 2, False, 1, "x", None)], (ID, NOTE, odd))
        sink.apply(batch(1, replace(changed, table=table), partition=partition))
        gone = changes(target, [(shard, 3, True, 1, None, None)], (ID, NOTE, odd))
        sink.apply(batch(2, replace(gone, table=table), partition=partition))
        assert connection.execute(sql.SQL("select * from {}").format(where)).fetchall() == []
        connection.execute(sql.SQL("drop schema {} cascade").format(sql.Identifier(table.schema)))
    assert {standing.partition for standing in target.state().positions()} >= {partition}
    assert str(LetterId(partition, 3)).startswith("shard0.")
    target.close()

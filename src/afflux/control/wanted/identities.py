"""Whether updates and deletes of a table say which row they mean, by the same columns as inserts do (pure).

PostgreSQL sends with them what the table's replica identity holds, and Debezium makes of that a key which
may be none: zeros, empty texts and nothing at all, without a word.
"""

from collections.abc import Iterator

from afflux.clients.catalog import Relation
from afflux.topology.model import Table


def own_key(table: Relation) -> tuple[str, ...]:
    """Give the columns that Debezium takes for a table's key by itself; none where there are none."""
    return table.primary_key or (table.identity_key if table.identity == "i" else ())


def given_key(table: Relation, declared: Table) -> tuple[str, ...]:
    """Give the key that Debezium has to be told; none where its own is right, or none is needed."""
    wanted = declared.key if isinstance(declared.key, list) and declared.mode != "append" else []
    return () if set(wanted) == set(own_key(table)) else tuple(wanted)


def faults(table: Relation, name: str, declared: Table) -> Iterator[tuple[str, str]]:
    """Give what is wrong with a table's replica identity, each with what to do about it.

    Args:
        table: the table, or a partition of it.
        name: its name, quoted for SQL.
        declared: its entry in the topology.
    """
    alter = f"ALTER TABLE {name}"
    default, whole = f"{alter} REPLICA IDENTITY DEFAULT;", f"{alter} REPLICA IDENTITY FULL;"
    outside = ", ".join(column for column in table.primary_key if column not in table.identity_key)
    appended, given = declared.mode == "append", given_key(table, declared)
    if table.identity == "n":
        yield f"its replica identity is NOTHING, {_REFUSES}", default
    elif table.identity == "i" and outside:
        fault = f"is an index without the primary key's {outside}, so deletes would name wrong rows"
        yield f"its replica identity {fault}", default
    elif given and table.identity != "f":
        fault = f"({', '.join(given)}) is not its own, so only whole rows tell which one is meant"
        yield f"its declared key {fault}", whole
    elif not own_key(table) and not given and not appended:
        yield "it has no primary key, so no row of the target can be updated", f"{alter} ADD PRIMARY KEY (...); {_OR}"
    elif not own_key(table) and table.identity == "d":
        yield f"it has no primary key, {_REFUSES}", whole
    elif table.deferrable_key and not given and not appended:
        fault = "so two rows may have one key for a while, and a delete does not tell them apart"
        yield f"its primary key is deferrable, {fault}", f"Make the key of {name} NOT DEFERRABLE; {_OR}"
    elif table.deferrable_key and table.identity == "d":
        yield f"its primary key is deferrable, {_REFUSES}", whole


_REFUSES = "so PostgreSQL refuses UPDATE and DELETE once it is published"
_OR = (
    "or declare a `key: [...]` of columns that are unique and NOT NULL; or let it be `mode: append`, which keeps every "
    "change as a row; both with REPLICA IDENTITY FULL."
)

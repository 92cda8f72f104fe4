"""Which entry of `tables` a source table belongs to."""

import re
from typing import Final

from afflux.topology import regex
from afflux.topology.model import Table, Topology

_SPECIAL: Final = re.compile(r"[\\^$*+?()\[\]{}|]")


def is_exact(table: Table) -> bool:
    r"""Tell whether an entry names one table, and is no regular expression.

    An expression holds one of `\ ^ $ * + ? ( ) [ ] { } |`. A dot alone makes none, for it stands in
    every `schema.table`.
    """
    return _SPECIAL.search(table.source) is None


def matches(table: Table, name: str) -> bool:
    """Tell whether an entry is for a source table, `schema.table`: by its name, or all of it by an expression."""
    if table.source == name:
        return True
    return not is_exact(table) and regex.compiled(table.source).fullmatch(name) is not None


def is_read_from(topology: Topology, table: Table, shard: str | None) -> bool:
    """Tell whether a table is read from a shard: a reference table is from the first one alone.

    Args:
        topology: its shards resolved.
        table: one of its entries.
        shard: the shard's name.
    """
    return table.shards == "all" or shard == topology.shards[0].name


def match(topology: Topology, name: str) -> Table | None:
    """Find the entry for a source table.

    Args:
        topology: as loaded, so its expressions are known to be right.
        name: `schema.table`, capitals and blanks as in the database, without quotes.

    Returns:
        The entry with exactly this name, else the first whose regular expression matches all of it, else None.
    """
    exact = (table for table in topology.tables if table.source == name)
    fitting = (table for table in topology.tables if matches(table, name))
    return next(exact, None) or next(fitting, None)

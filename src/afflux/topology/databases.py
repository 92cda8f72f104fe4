"""Which databases a sink of a type may be."""

import re
from collections.abc import Iterator
from typing import Final

from afflux.topology.sinks import PostgresSink, Sink, SqlSink

_POSTGRESQL: Final = re.compile(r"postgres(ql)?(\+\w+)?://")
_REFUSED: Final = {
    _POSTGRESQL: "is PostgreSQL, which has a sink of its own; write type: postgresql",
    re.compile(r"oracle(\+\w+)?://"): "is Oracle, which holds an empty text as no value",
    re.compile(r"(duckdb|sqlite)(\+\w+)?://(/(:memory:)?)?$"): (
        "is a database in memory, which ends with the daemon; name a file, such as duckdb:////data/warehouse.duckdb"
    ),
}
"""What a sink of type sql can't be, and why."""


def complaints(sink: Sink) -> Iterator[str]:
    """Say what is wrong with a sink's address, to be read behind its key; a reference to all of it is not looked into."""
    if isinstance(sink, PostgresSink) and not sink.url.startswith("${") and not _POSTGRESQL.match(sink.url):
        yield "must be a URL such as postgresql://user:${env:NAME}@host:5432/database; other databases have type: sql"
    if isinstance(sink, SqlSink):
        yield from (reason for pattern, reason in _REFUSED.items() if pattern.match(sink.url))

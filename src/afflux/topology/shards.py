"""Shards that a directory, a PostgreSQL database, lists: rows instead of lines of the file."""

import os
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import dict_row
from pydantic import ValidationError

from afflux.errors import SourceError, TopologyError
from afflux.topology import rules, values
from afflux.topology.keys import nearest
from afflux.topology.model import Shard, ShardQuery, ShardsByQuery, Topology
from afflux.topology.secrets import redact, resolve
from afflux.topology.shape import complaints

CONNECT_SECONDS: Final = 5
STATEMENT_SECONDS: Final = 10
MOST: Final = 10_000
"""More rows than this are no directory of shards but a query gone wrong."""

_COLUMNS: Final = list(Shard.model_fields)


def resolve_shards(
    topology: Topology, environ: Mapping[str, str] = os.environ, *, known: Topology | None = None
) -> Topology:
    """Give a topology whose shards are a list: its own, or the rows of its directory query by name.

    Args:
        topology: as loaded.
        environ: for the references in the directory's URL.
        known: what came out the last time; when it comes out again it is not checked again.

    Raises:
        TopologyError: what the directory lists can't be shards of this topology; a line for each fault.
        SourceError: the directory does not answer (`transient`), or refuses.
    """
    if not isinstance(topology.source.shards, ShardsByQuery):
        return topology
    query = topology.source.shards.query
    shards, faults = _shards(_rows(query, environ))
    if not faults:
        source = topology.source.model_copy(update={"shards": shards})
        topology = topology.model_copy(update={"source": source})
        if topology == known:
            return known
        faults = [text for _, text in rules.broken(topology) or list(rules.astray(topology))]
    if faults:
        raise TopologyError(
            "\n".join(f"directory of shards: {fault}" for fault in faults),
            hint=f"look at the rows of source.shards.query at {redact(query.url)}",
        )
    return topology


def _rows(query: ShardQuery, environ: Mapping[str, str]) -> list[dict[str, Any]]:
    where = f"directory of shards at {redact(query.url)}"
    try:
        parameters = conninfo_to_dict(resolve(query.url, environ))
    except psycopg.ProgrammingError:  # its text may quote the password
        raise TopologyError(f"{where}: the URL is not one that PostgreSQL understands") from None
    defaults: dict[str, Any] = {
        "application_name": "afflux",
        "connect_timeout": CONNECT_SECONDS,
        "tcp_user_timeout": STATEMENT_SECONDS * 1000,
    }
    try:
        connection = psycopg.connect(**(defaults | parameters))
    except psycopg.OperationalError as error:
        raise SourceError(
            f"{where}: {_reason(error)}",
            hint="is it up, and are host, port, user and password of source.shards.query.url right?",
            transient=True,
        ) from None
    with connection:
        connection.read_only = True
        try:
            connection.execute("select set_config('statement_timeout', %s, true)", [f"{STATEMENT_SECONDS}s"])
            with connection.cursor("afflux_shards", row_factory=dict_row) as cursor:
                cursor.execute(query.sql.encode())
                rows = cursor.fetchmany(MOST + 1)
        except psycopg.Error as error:
            gone = isinstance(error, psycopg.OperationalError)  # also a statement that took too long
            raise SourceError(
                f"{where}: {_reason(error)}",
                hint="try source.shards.query.sql in psql: a SELECT with the columns name, host, port, database",
                transient=gone,
            ) from None
    if len(rows) > MOST:
        raise TopologyError(f"{where}: the query gives more than {MOST} rows", hint="it must give one row a shard")
    return rows


def _shards(rows: Iterable[dict[str, Any]]) -> tuple[list[Shard], list[str]]:
    shards: list[Shard] = []
    faults: list[str] = []
    for number, row in enumerate(rows, 1):
        label = f"row {number} ({row['name']!r})" if "name" in row else f"row {number}"
        wrong = list(_wrong(row))
        faults += [f"{label}: {text}" for text in wrong]
        if not wrong:
            shards.append(Shard.model_validate(_given(row)))
        if unknown := [column for column in row if column not in _COLUMNS]:
            return [], [f"the query gives a column {unknown[0]!r}{_meant(unknown[0])}"]
    if not rows:
        faults.append("the query gives no row")
    return sorted(shards, key=lambda shard: shard.name), faults


def _wrong(row: dict[str, Any]) -> Iterator[str]:
    given = _given(row)
    for column, value in given.items():
        if "${" in str(value):
            yield f"{column} holds a reference; those belong into the topology"
        for check in values.CHECKS.get(f"source.shards[].{column}", ()):
            if complaint := check(str(value)):
                yield f"{column} {complaint}"
    try:
        Shard.model_validate(given)
    except ValidationError as error:
        yield from (text for _, text in complaints(error, given))


def _given(row: dict[str, Any]) -> dict[str, Any]:
    """Leave NULLs to the model's defaults; an inet is written as its address."""
    texts = {
        column: value if isinstance(value, int) else str(value) for column, value in row.items() if value is not None
    }
    return {column: value for column, value in texts.items() if column in _COLUMNS}


def _meant(column: str) -> str:
    meant = nearest(column, _COLUMNS)
    return f"; did you mean {meant!r}?" if meant else f"; the columns are {', '.join(_COLUMNS)}"


def _reason(error: psycopg.Error) -> str:
    text = error.diag.message_primary or str(error)
    return " ".join(text.split()) or type(error).__name__

"""A PostgreSQL warehouse: each batch is staged by COPY, then applied by a few statements, in one transaction."""

import io
from collections.abc import Iterable

import polars as pl
import psycopg
import structlog
from psycopg import errors as pg

from afflux.errors import SinkError
from afflux.sinks.base import (
    DELETED,
    LSN,
    SHARD,
    SOURCE_TS,
    Batch,
    Partition,
    Sink,
    TableChanges,
    unchanged,
)
from afflux.sinks.sql import statements
from afflux.sinks.sql.positions import Positions
from afflux.sinks.sql.statements import Stage
from afflux.sinks.sql.tables import Tables
from afflux.types.dates import timestamp_text

log = structlog.get_logger()

_SESSION = {
    "application_name": "afflux",
    "connect_timeout": 10,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "options": "-c datestyle=ISO,YMD -c intervalstyle=postgres -c timezone=UTC -c lock_timeout=30s "
    "-c client_encoding=UTF8 -c client_min_messages=warning",
}

_PASSING = (pg.SerializationFailure, pg.DeadlockDetected, pg.LockNotAvailable)
"""Errors after which the same batch may go through: other workers were in the way."""

_FINAL_AT_LOGIN = ("password authentication failed", "does not exist", "no pg_hba.conf entry", "no password supplied")


class PostgresSink(Sink):
    """Applies batches to PostgreSQL tables.

    Args:
        name: the sink's name in the topology, for messages.
        url: a libpq URL, secrets resolved.
        topology: the topology's name.
        group: the consumer group.
    """

    def __init__(self, *, name: str, url: str, topology: str, group: str) -> None:
        self.name = name
        self._url = url
        self._positions = Positions(topology, group)
        self._tables = Tables()
        self._stages: dict[tuple[object, ...], Stage] = {}
        self._connection: psycopg.Connection | None = None

    def open(self) -> None:
        """See `Sink.open`."""
        with self._errors("open"):
            _prepare_state(self._connected())

    def claim(self, partitions: Iterable[Partition]) -> dict[Partition, int]:
        """See `Sink.claim`."""
        with self._errors("claim partitions"):
            return self._positions.claim(self._connected(), partitions)

    def apply(self, batch: Batch) -> None:
        """See `Sink.apply`."""
        with self._errors("apply a batch"):
            connection = self._connected()
            there = [changes for changes in batch.tables if self._tables.ensure(connection, changes)]
            with connection.transaction() as transaction:
                staged = [(changes, self._load(connection, changes)) for changes in there]
                if not self._positions.move(connection, batch.spans):
                    raise psycopg.Rollback(transaction)
                for changes, stage in staged:
                    _write(connection, changes, stage)

    def close(self) -> None:
        """See `Sink.close`."""
        if self._connection is not None:
            self._connection.close()
        self._connection = None

    def _connected(self) -> psycopg.Connection:
        if self._connection is None or self._connection.closed:
            self._connection = psycopg.connect(self._url, autocommit=True, **_SESSION)  # type: ignore[arg-type]  # libpq's own keywords
            self._stages.clear()
            self._tables.forget()
        return self._connection

    def _load(self, connection: psycopg.Connection, changes: TableChanges) -> Stage | None:
        """Copy a table's rows into its staging table; None where there are no rows."""
        if not changes.rows.height:
            return None
        masked = tuple(c.name for c in changes.columns if unchanged(c.name) in changes.rows.columns)
        wanted = (changes.table, changes.columns, changes.key, masked)
        stage = self._stages.get(wanted)
        if stage is None:
            stage = Stage(f"stage_{len(self._stages)}", *wanted)
            connection.execute(stage.create())
            self._stages[wanted] = stage
        with connection.cursor().copy(stage.copy()) as copy:
            copy.write(_csv(_settled(changes), stage))
        return stage

    def _errors(self, doing: str) -> "_Errors":
        return _Errors(self, doing)


class _Errors:
    """Turns psycopg's errors into afflux's, and lets go of a connection that is not to be trusted."""

    def __init__(self, sink: PostgresSink, doing: str) -> None:
        self._sink = sink
        self._doing = doing

    def __enter__(self) -> None:
        return

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if error is None:
            return
        # Staging tables made in a transaction that rolled back are gone: a new session knows that.
        self._sink.close()
        if not isinstance(error, psycopg.Error):
            return
        text = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        message = f"sink {self._sink.name!r} could not {self._doing}: {text}"
        if isinstance(error, _PASSING):
            raise SinkError(message, transient=True) from error
        if isinstance(error, pg.InsufficientPrivilege):
            raise SinkError(message, hint="grant the sink's role what the message names") from error
        if isinstance(error, psycopg.OperationalError):
            final = any(words in str(error) for words in _FINAL_AT_LOGIN)
            hint = "look at the sink's `url` in the topology, and at the secrets that it names" if final else ""
            raise SinkError(message, hint=hint, transient=not final) from error
        raise SinkError(message) from error


def _prepare_state(connection: psycopg.Connection) -> None:
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(hashtext('afflux.state'))")
        there = connection.execute("SELECT to_regclass('afflux.version') IS NOT NULL").fetchone()
        if there == (True,):
            row = connection.execute("SELECT max(version) FROM afflux.version").fetchone()
            version = row[0] if row else None
            if version != statements.VERSION:
                raise SinkError(
                    f"the target's afflux state has layout {version}, and this afflux knows {statements.VERSION}",
                    hint="use the newer afflux",
                )
            return
        if not connection.execute("SELECT 1 FROM pg_namespace WHERE nspname = 'afflux'").fetchone():
            connection.execute(statements.CREATE_SCHEMA)
        for statement in statements.STATE:
            connection.execute(statement)


def _settled(changes: TableChanges) -> pl.DataFrame:
    """Keep one living row a key: where two shards hold it, that of the later commit, then of the later name."""
    rows = changes.rows
    living = rows.filter(~pl.col(DELETED)).sort(SOURCE_TS, SHARD)
    one = living.unique(subset=list(changes.key), keep="last", maintain_order=True)
    if one.height == living.height:
        return rows
    log.warning("equal keys on several shards", table=str(changes.table), keys=living.height - one.height)
    return pl.concat([rows.filter(pl.col(DELETED)), one])


def _csv(rows: pl.DataFrame, stage: Stage) -> bytes:
    """Write rows in the staging table's order of columns; NULL is nothing, an empty text is quoted."""
    series = [rows[SHARD], rows[LSN], timestamp_text(rows[SOURCE_TS]) + "+00", rows[DELETED]]
    for column in stage.columns:
        values = rows[column.name]
        series.append("\\x" + values.bin.encode("hex") if values.dtype == pl.Binary else values)
    series += [rows[unchanged(name)] for name in stage.masked]
    out = io.BytesIO()
    frame = pl.DataFrame([values.alias(str(number)) for number, values in enumerate(series)])
    frame.write_csv(out, include_header=False, quote_style="necessary")
    return out.getvalue()


def _write(connection: psycopg.Connection, changes: TableChanges, stage: Stage | None) -> None:
    for truncate in changes.truncates:
        connection.execute(statements.truncate(changes.table), [truncate.shard, truncate.lsn])
    if stage is None:
        return
    rows = changes.rows
    if rows[DELETED].any():
        connection.execute(stage.delete())
    if rows[DELETED].all():
        return
    connection.execute(stage.upsert())
    if stage.masked:
        wanted = rows.filter(pl.any_horizontal(unchanged(name) for name in stage.masked) & ~pl.col(DELETED)).height
        done = connection.execute(stage.update_masked()).rowcount
        if done != wanted:
            raise SinkError(
                f"table {changes.table}: {wanted - done} row(s) came without a large unchanged value "
                f"(of {', '.join(stage.masked)}), and the target has never had them",
                hint=f"ALTER TABLE {changes.table} REPLICA IDENTITY FULL on the shards makes each event whole",
            )

"""What a shard's PostgreSQL says of its WAL: the slot, who holds it back, and how much room there is.

PostgreSQL 13 is the first that tells how far a slot is from being lost. What came later stands in one table,
`SINCE`; an older server gives NULL for it. Read on 16 and 18; the others by their documented columns.
"""

import contextlib
import os
import socket
import time
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, LiteralString

import psycopg
from psycopg import sql
from psycopg.rows import class_row, dict_row

from afflux.clients.postgres import Login, connect
from afflux.clients.postgres_errors import source_error
from afflux.errors import SourceError

OLDEST: Final = 130000
"""The first version, as `server_version_num`, that tells what is asked here."""

SINCE: Final[tuple[tuple[LiteralString, LiteralString, int], ...]] = (
    # (column of pg_replication_slots, its type, the first version that has it)
    ("two_phase", "boolean", 140000),
    ("conflicting", "boolean", 160000),
    ("inactive_since", "timestamptz", 170000),
    ("invalidation_reason", "text", 170000),
    ("failover", "boolean", 170000),
    ("synced", "boolean", 170000),
)
STATISTICS_SINCE: Final = 140000
"""The first version with the view `pg_stat_replication_slots`."""
_COUNTERS: Final[tuple[LiteralString, ...]] = (
    "spill_txns",
    "spill_count",
    "spill_bytes",
    "stream_txns",
    "stream_count",
    "stream_bytes",
    "total_txns",
    "total_bytes",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotState:
    """A slot, and who reads it. LSNs are bytes of WAL since the beginning; None: not known, or not in this version."""

    name: str
    plugin: str | None = None
    active: bool = False
    active_pid: int | None = None
    wal_status: str | None = None
    """`reserved`, `extended`, `unreserved` or `lost`."""
    safe_wal_size: int | None = None
    """Bytes that may still be written before the slot is in danger; None where nothing limits them."""
    restart_lsn: int | None = None
    """From here on the server keeps the WAL for the slot."""
    confirmed_lsn: int | None = None
    """Up to here the reader has everything."""
    two_phase: bool | None = None
    conflicting: bool | None = None
    inactive_since: datetime | None = None
    invalidation_reason: str | None = None
    failover: bool | None = None
    """Whether it is copied to standbys."""
    synced: bool | None = None
    """Whether it is such a copy."""
    spill_txns: int | None = None
    spill_count: int | None = None
    spill_bytes: int | None = None
    """Bytes of decoded transactions that did not fit into memory and went to disk."""
    stream_txns: int | None = None
    stream_count: int | None = None
    stream_bytes: int | None = None
    """Bytes of transactions that were sent before they were through."""
    total_txns: int | None = None
    total_bytes: int | None = None
    """Bytes of decoded transactions that were sent."""
    sender_state: str | None = None
    """The walsender's: `startup`, `catchup`, `streaming`."""
    sent_lsn: int | None = None
    write_lag: float | None = None
    """Seconds from writing WAL until the reader said that it has it."""
    flush_lag: float | None = None
    replay_lag: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """An open transaction that has written something: a slot can't move past its beginning."""

    kind: str
    """`session` or `prepared`."""
    name: str
    """The process id of a session, the name of a prepared transaction."""
    user: str | None = None
    database: str | None = None
    application: str | None = None
    state: str | None = None
    """The session's, such as `idle in transaction`; None where this role may not see it."""
    since: datetime | None = None
    """When it began; likewise."""

    @property
    def words(self) -> str:
        """Who it is, in one line."""
        who = f"session {self.name}" if self.kind == "session" else f"prepared transaction {self.name!r}"
        about = [f"user {self.user}" if self.user else "", self.application or "", self.state or ""]
        return f"{who} ({', '.join(part for part in about if part)})" if any(about) else who


@dataclass(frozen=True, slots=True, kw_only=True)
class Wal:
    """A shard's WAL at one moment."""

    at: datetime
    """By the shard's own clock."""
    version: int
    """As `server_version_num`."""
    lsn: int
    """Where WAL is written now, in bytes since the beginning; on a standby, where it was received."""
    standby: bool
    keep_limit: int | None
    """`max_slot_wal_keep_size` in bytes; None: unlimited."""
    idle_limit: float | None
    """Seconds after which the server gives up a slot that nobody reads; None: never."""
    files: int | None
    """Bytes of all files of WAL; None where this role may not list them."""
    ahead: float = 0.0
    """By how many seconds the shard's clock is ahead of this machine's."""
    slot: SlotState | None
    """None: there is no slot of this name."""
    holders: tuple[Holder, ...] = ()
    """The oldest open transactions that have written something, oldest first."""

    @property
    def retained(self) -> int | None:
        """Bytes of WAL that the server keeps because of the slot."""
        return None if self.slot is None or self.slot.restart_lsn is None else max(0, self.lsn - self.slot.restart_lsn)

    @property
    def unconfirmed(self) -> int | None:
        """Bytes of WAL written since what the reader has confirmed."""
        slot = self.slot
        return None if slot is None or slot.confirmed_lsn is None else max(0, self.lsn - slot.confirmed_lsn)


_SERVER: LiteralString = """
select clock_timestamp() as at,
       current_setting('server_version_num')::int as version,
       pg_is_in_recovery() as standby,
       pg_wal_lsn_diff(case when pg_is_in_recovery() then pg_last_wal_receive_lsn() else pg_current_wal_lsn() end,
                       '0/0')::bigint as lsn,
       (select nullif(setting::bigint, -1) * 1048576 from pg_settings where name = 'max_slot_wal_keep_size')
           as keep_limit,
       nullif(extract(epoch from current_setting('idle_replication_slot_timeout', true)::interval), 0)::float8
           as idle_limit,
       has_function_privilege('pg_ls_waldir()', 'execute') as may_list
"""

_FILES: LiteralString = "select sum(size)::bigint as bytes from pg_ls_waldir()"

_HOLDERS: LiteralString = """
select * from (
    select 'session' as kind, pid::text as name, usename::text as user, datname::text as database,
           nullif(application_name, '') as application, state, xact_start as since, age(backend_xid) as age
    from pg_stat_activity where backend_xid is not null and pid <> pg_backend_pid()
    union all
    select 'prepared', gid, owner::text, database::text, null, null, prepared, age(transaction) from pg_prepared_xacts
) open order by age desc, since limit 5
"""


class Gauge:
    """Reads one shard's WAL again and again, over one connection that is kept.

    Used by one thread at a time; only `abort` may be called from another.

    Args:
        login: the shard.
        slot: the slot's name.
    """

    def __init__(self, login: Login, slot: str) -> None:
        self.login, self.slot = login, slot
        self._connection: psycopg.Connection | None = None

    def read(self) -> Wal:
        """Ask once.

        Raises:
            SourceError: the shard can't be reached, refuses the login, or is older than PostgreSQL 13.
        """
        try:
            return self._read(self._connected())
        except psycopg.Error as error:
            self.close()
            raise source_error(self.login.where, self.login.user, error) from None

    def abort(self) -> None:
        """Break off what another thread waits for, also where the server hangs and answers nothing any more."""
        connection = self._connection
        with contextlib.suppress(OSError, psycopg.Error):
            if connection is not None:
                with socket.socket(fileno=os.dup(connection.fileno())) as wire:
                    wire.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Let go of the shard; the next reading connects anew."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _connected(self) -> psycopg.Connection:
        if self._connection is None or self._connection.closed:
            self._connection = connect(self.login, "afflux monitor")
        return self._connection

    def _read(self, connection: psycopg.Connection) -> Wal:
        version = connection.info.server_version
        if version < OLDEST:
            raise SourceError(
                f"{self.login.where}: it is PostgreSQL {version // 10000}, which does not tell what becomes of a slot",
                hint="The WAL is watched from PostgreSQL 13 on.",
            )
        before = time.time()
        server = connection.cursor(row_factory=dict_row).execute(_SERVER).fetchall()[0]
        ahead = server["at"].timestamp() - (before + time.time()) / 2
        slots = connection.cursor(row_factory=class_row(SlotState)).execute(slot_query(version), [self.slot])
        holders = connection.cursor(row_factory=_holder).execute(_HOLDERS)
        return Wal(
            slot=slots.fetchone(),
            ahead=ahead,
            holders=tuple(holders.fetchall()),
            files=_files(connection) if server.pop("may_list") else None,
            **server,
        )


def slot_query(version: int) -> sql.Composed:
    """Return the query for a slot by its name, for a server's version.

    Args:
        version: as `server_version_num`.
    """
    columns = [
        sql.SQL("s.{0}").format(sql.Identifier(name))
        if version >= since
        else sql.SQL("null::{0} as {1}").format(sql.SQL(of), sql.Identifier(name))
        for name, of, since in SINCE
    ]
    counted = version >= STATISTICS_SINCE
    columns += [
        sql.SQL("c.{0}" if counted else "null::bigint as {0}").format(sql.Identifier(name)) for name in _COUNTERS
    ]
    counters = sql.SQL("left join pg_stat_replication_slots c on c.slot_name = s.slot_name" if counted else "")
    return sql.SQL("""
        select s.slot_name::text as name, s.plugin::text as plugin, s.active, s.active_pid, s.wal_status,
               s.safe_wal_size, pg_wal_lsn_diff(s.restart_lsn, '0/0')::bigint as restart_lsn,
               pg_wal_lsn_diff(s.confirmed_flush_lsn, '0/0')::bigint as confirmed_lsn,
               r.state as sender_state, pg_wal_lsn_diff(r.sent_lsn, '0/0')::bigint as sent_lsn,
               extract(epoch from r.write_lag)::float8 as write_lag,
               extract(epoch from r.flush_lag)::float8 as flush_lag,
               extract(epoch from r.replay_lag)::float8 as replay_lag,
               {columns}
        from pg_replication_slots s {counters} left join pg_stat_replication r on r.pid = s.active_pid
        where s.slot_name = %s""").format(columns=sql.SQL(", ").join(columns), counters=counters)


def _files(connection: psycopg.Connection) -> int | None:
    row = connection.execute(_FILES).fetchone()
    return row[0] if row else None


def _holder(cursor: psycopg.Cursor[Any]) -> Any:
    make = dict_row(cursor)

    def row(values: Any) -> Holder:
        fields = make(values)
        fields.pop("age")
        return Holder(**fields)

    return row

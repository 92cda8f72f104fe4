"""What PostgreSQL's refusals mean and what to do about them.

A failed login has no error code on the client's side, so its text is searched (observed with libpq 16 to 18;
a server that speaks another language falls through to the general hint).
"""

import psycopg
from psycopg import errors

from afflux.errors import SourceError

_LOGIN = (
    # (part of the text, hint, whether waiting may help)
    ("password authentication failed", "Check source.user and source.password of the topology.", False),
    ("no password supplied", "Set source.password of the topology.", False),
    ('role "', "Check source.user of the topology; `CREATE ROLE ... LOGIN REPLICATION` makes it.", False),
    ('database "', "Check source.database, or the shard's own `database`.", False),
    ("no pg_hba.conf entry", "Allow this host and user in the server's pg_hba.conf, for all of its databases.", False),
    (
        "certificate verify failed",
        "Is database.sslrootcert under source.config the authority of the server's certificate, and is that still good?",
        False,
    ),
    ("SSL", "Set database.sslmode under source.config of the topology.", False),
    ("starting up", "The server is starting; try again in a moment.", True),
    ("shutting down", "The server is stopping.", True),
    ("too many clients", "Raise max_connections, or find who holds the connections.", True),
    ("connection slots", "Raise max_connections, or find who holds the connections.", True),
    ("onnection refused", "Is the server running, and are the shard's host and port right?", True),
    ("timeout", "Can this machine reach the shard's host and port?", True),
    ("resolve", "Check the shard's host name.", False),
    ("Name or service not known", "Check the shard's host name.", False),
)

_STATEMENT = (
    (
        errors.InsufficientPrivilege,
        "Grant it, or let an administrator make the publication (CREATE on the database and ownership of the tables).",
    ),
    (errors.ObjectInUse, "Something still reads the slot: remove or stop its connector first."),
    (errors.LockNotAvailable, "Another session holds the table, perhaps a running ALTER TABLE; try again later."),
    (errors.QueryCanceled, "The server is slow to answer; try again later."),
    (errors.ConfigurationLimitExceeded, "Raise max_replication_slots, or drop slots that nobody needs."),
    (errors.ReadOnlySqlTransaction, "Is this the primary? A standby can't be written."),
)


def source_error(where: str, user: str, error: psycopg.Error) -> SourceError:
    """Say what a shard refused, in one line, with a hint.

    Args:
        where: the shard, as messages name it.
        user: the role that logged in.
        error: what psycopg raised.
    """
    text = _one_line(str(error))
    for kind, hint in _STATEMENT:
        if isinstance(error, kind):
            return SourceError(f"{where}: {text} (as role {user})", hint=hint)
    if isinstance(error, psycopg.OperationalError):
        for part, hint, transient in _LOGIN:
            if part in text:
                return SourceError(f"{where}: {text}", hint=hint, transient=transient)
        return SourceError(f"{where}: {text}", hint="Is the server running and reachable?", transient=True)
    return SourceError(f"{where}: {text}")


def _one_line(text: str) -> str:
    """The last reason of libpq's text, which repeats itself for each address that it tried."""
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("Multiple connection")]
    line = lines[0].removeprefix("- ") if lines else "no reason given"
    for marker in ("FATAL: ", "ERROR: "):
        if marker in line:
            return line.partition(marker)[2].strip()
    return line.removeprefix("connection failed: ")

"""A session with a PostgreSQL target: how it is opened, and what its errors mean."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psycopg
from psycopg import errors as pg
from psycopg.conninfo import conninfo_to_dict

from afflux.errors import SinkError

_SETTINGS = {
    "application_name": "afflux",
    "connect_timeout": 10,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 60_000,
    # A worker that is frozen or cut off must not keep others out by the locks of its half-done transaction.
    "options": "-c datestyle=ISO,YMD -c intervalstyle=postgres -c timezone=UTC -c lock_timeout=30s "
    "-c idle_in_transaction_session_timeout=15s "
    "-c client_encoding=UTF8 -c client_min_messages=warning",
}

_PASSING = (pg.SerializationFailure, pg.DeadlockDetected, pg.LockNotAvailable, pg.IdleInTransactionSessionTimeout)
"""Errors after which the same step may go through: other workers were in the way, or this one in theirs."""

_FINAL_AT_LOGIN = ("password authentication failed", "does not exist", "no pg_hba.conf entry", "no password supplied")


def connect(url: str) -> psycopg.Connection:
    """Open a session; each statement is a transaction of its own unless one is begun.

    Args:
        url: a libpq URL, secrets resolved; what it sets is kept, but for the options that exact values rest on.
    """
    given = conninfo_to_dict(url)
    options = f"{given.get('options') or ''} {_SETTINGS['options']}"
    return psycopg.connect(autocommit=True, **{**_SETTINGS, **given, "options": options})  # type: ignore[arg-type]  # libpq's own keywords


@contextmanager
def by_key(connection: psycopg.Connection) -> Iterator[None]:
    """Let statements look the target's rows up by their keys, one by one; in the batch's transaction.

    PostgreSQL knows nothing of staged rows but how many there may be, and takes half of them for deleted: up to some
    millions of rows it would rather read the whole target for each batch (observed on 16 and 18).
    """
    connection.execute(
        "SET LOCAL enable_seqscan = off; SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off"
    )
    yield
    connection.execute("RESET enable_seqscan; RESET enable_hashjoin; RESET enable_mergejoin")


@contextmanager
def errors(sink: str, doing: str, let_go: Callable[[], None]) -> Iterator[None]:
    """Turn psycopg's errors into afflux's, and let go of a session that is not to be trusted.

    Args:
        sink: the sink's name.
        doing: what is being done, in words.
        let_go: closes the session; called at any error.
    """
    try:
        yield
    except psycopg.Error as error:
        let_go()
        raise _said(error, f"sink {sink!r} could not {doing}: {first_line(error)}") from error
    except BaseException:
        # Staging tables made in a transaction that rolled back are gone: a new session knows that.
        let_go()
        raise


def first_line(error: psycopg.Error) -> str:
    """Give the part of an error's text that says what is wrong."""
    text = str(error).strip()
    return text.splitlines()[0] if text else type(error).__name__


def _said(error: psycopg.Error, message: str) -> SinkError:
    if isinstance(error, _PASSING):
        return SinkError(message, transient=True)
    if isinstance(error, pg.InsufficientPrivilege):
        return SinkError(message, hint="grant the sink's role what the message names")
    if isinstance(error, psycopg.OperationalError):
        if "certificate verify failed" in str(error):
            hint = (
                "is sslrootcert of the sink's `url` the authority of the server's certificate, and is that still good?"
            )
            return SinkError(message, hint=hint)
        final = any(words in str(error) for words in _FINAL_AT_LOGIN)
        hint = "look at the sink's `url` in the topology, and at the secrets that it names" if final else ""
        return SinkError(message, hint=hint, transient=not final)
    return SinkError(message)

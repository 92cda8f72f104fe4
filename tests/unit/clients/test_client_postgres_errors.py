import psycopg
import pytest
from psycopg import errors

from afflux.clients.postgres import Login, session
from afflux.clients.postgres_errors import source_error
from afflux.errors import SourceError

WHERE = "shard shard0 (db0:5432/app)"


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        (
            (
                'connection failed: connection to server at "10.0.0.1", port 5432 failed: '
                'FATAL:  password authentication failed for user "cdc"'
            ),
            'password authentication failed for user "cdc"',
            "source.password",
        ),
        ('connection failed: ... FATAL:  database "nodb" does not exist', 'database "nodb" does not exist', "database"),
        (
            "connection failed: ... port 1 failed: Connection refused\n\tIs the server running?",
            "Connection refused",
            "port",
        ),
        ('connection failed: ... FATAL:  no pg_hba.conf entry for host "10.0.0.2"', "no pg_hba.conf entry", "pg_hba"),
        ("[Errno -2] Name or service not known", "Name or service not known", "host name"),
        ("connection timeout expired", "timeout", "reach"),
    ],
)
def test_each_failed_login_has_its_own_hint(text: str, message: str, hint: str) -> None:
    error = source_error(WHERE, "cdc", psycopg.OperationalError(text))
    assert error.message.startswith(f"{WHERE}: ")
    assert message in error.message
    assert "\n" not in error.message
    assert hint in error.hint


def test_a_server_that_starts_is_worth_another_try() -> None:
    assert source_error(WHERE, "cdc", psycopg.OperationalError("FATAL:  the database system is starting up")).transient


def test_a_missing_right_names_the_role() -> None:
    error = source_error(WHERE, "cdc", errors.InsufficientPrivilege("must be owner of table orders"))
    assert error.message == f"{WHERE}: must be owner of table orders (as role cdc)"


def test_the_password_is_in_no_text() -> None:
    login = Login("shard0", "127.0.0.1", 1, "app", "cdc", "hunter2")
    assert "hunter2" not in repr(login)
    with pytest.raises(SourceError) as raised, session(login):
        pass
    assert "hunter2" not in f"{raised.value.message} {raised.value.hint}"

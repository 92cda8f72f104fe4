"""A real MariaDB server on this machine, from Debian's own binaries: an unprivileged process in a folder of its own."""

import os
import secrets
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import pymysql

from afflux.stack.account import postgres_account
from afflux.stack.ports import HOST, find_free
from chaos.waiting import wait_for

PROGRAMS = ("mariadbd", "mariadb-install-db")
RIGHTS = "SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER, CREATE TEMPORARY TABLES"
"""What docs/dialects.md says an account needs."""
HOW = "MariaDB is not installed: `apt-get install mariadb-server-core` has its programs, and starts nothing"


def missing() -> list[str]:
    """Give the programs that are not there."""
    return [name for name in PROGRAMS if shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin") is None]


@contextmanager
def running() -> Iterator[str]:
    """Run a server with an empty database; gives its address, by SQLAlchemy's form."""
    if missing():
        sys.exit(HOW)
    with TemporaryDirectory(prefix="afflux-mariadb-") as folder:
        account = postgres_account()
        whom = [f"--user={account.name}"] if account else []
        if account:
            os.chown(folder, account.uid, account.gid)
        data = f"--datadir={folder}/data"
        install = [
            "mariadb-install-db",
            "--no-defaults",
            data,
            "--auth-root-authentication-method=normal",
            "--skip-test-db",
            *whom,
        ]
        subprocess.run(install, check=True, capture_output=True)
        port = find_free(f"{folder} mariadb", ())
        mariadbd = shutil.which("mariadbd", path=f"{os.environ['PATH']}:/usr/sbin")
        assert mariadbd is not None
        command = [mariadbd, "--no-defaults", data, f"--bind-address={HOST}", f"--port={port}", *whom]
        log = Path(folder) / "log"
        with log.open("wb") as out:
            process = subprocess.Popen(
                [*command, f"--socket={folder}/socket", "--local-infile=1", "--skip-name-resolve"],
                stdout=out,
                stderr=out,
            )
        try:
            wait_for(lambda: _answers(port), 60, log.read_text)
            yield _made(port)
        finally:
            process.terminate()
            process.wait()


def _made(port: int) -> str:
    """Make a database, and an account that may use it and no other."""
    password = secrets.token_urlsafe(16)
    with pymysql.connect(host=HOST, port=port, user="root") as connection, connection.cursor() as cursor:
        cursor.execute("CREATE DATABASE dw")
        cursor.execute(f"CREATE USER afflux@'127.0.0.1' IDENTIFIED BY '{password}'")
        cursor.execute(f"GRANT {RIGHTS} ON dw.* TO afflux@'127.0.0.1'")
        connection.commit()
    return f"mysql+pymysql://afflux:{password}@{HOST}:{port}/dw"


def _answers(port: int) -> bool:
    with suppress(pymysql.Error):
        pymysql.connect(host=HOST, port=port, user="root").close()
        return True
    return False


if __name__ == "__main__":
    if missing():
        sys.exit(HOW)

"""PostgreSQL: the shards, the warehouse, and the registry's own storage."""

import os
import shutil
import signal
import struct
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar
from urllib.parse import urlencode

import psutil
import psycopg
from psycopg import sql

from afflux.errors import StackError
from afflux.stack.account import Account, postgres_account, postgres_folder, postgres_programs, tls_programs
from afflux.stack.parts.base import NotReady, Part
from afflux.stack.ports import HOST
from afflux.stack.process import Launch, has_ended

COMMON: dict[str, str] = {
    "listen_addresses": HOST,
    "unix_socket_directories": "",  # paths of sockets are limited to about 100 bytes; state folders are not
    "max_connections": "100",
    "shared_buffers": "32MB",
    "fsync": "off",  # data survives the death of every process, not of the machine: right for a throwaway stack
    "full_page_writes": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] %u@%d ",
}

_TLS_ALONE = """\
hostssl all all all scram-sha-256
hostssl replication all all scram-sha-256
"""
"""The `pg_hba.conf` of a secured stack: nobody comes in without TLS and a password."""


class Postgres(Part):
    """A PostgreSQL server with one database and the role that owns it."""

    # SIGINT is PostgreSQL's fast shutdown; SIGTERM would wait for every client to leave.
    stop_signals: ClassVar[Sequence[signal.Signals]] = (signal.SIGINT, signal.SIGQUIT)
    before_tls: ClassVar[bytes] = struct.pack("!ii", 8, 80877103)  # SSLRequest, of its frontend/backend protocol
    database: str
    owner: str
    """The role that owns the database."""
    owner_password: str
    """Whose password it is in the secrets."""
    settings: ClassVar[dict[str, str]] = {}

    def url(self, user: str, whose: str | None = None) -> str:
        """Return the database's address with a user and, if it is said whose it is, the password."""
        password = "" if whose is None else f":{self.state.password(whose)}"
        trust = f"?{urlencode(self.trust, safe='/')}" if self.trust else ""
        return f"postgresql://{user}{password}@{HOST}:{self.port}/{self.database}{trust}"

    @property
    def trust(self) -> dict[str, str]:
        """Return what a client needs to trust a secured stack's server, in libpq's words."""
        if not self.state.spec.secure:
            return {}
        return {"sslmode": "verify-full", "sslrootcert": str(self.state.authority.trusted)}

    def logins(self) -> dict[str, str]:
        """Return who can log in -> whose password in the secrets it is."""
        return {"postgres": "postgres", self.owner: self.owner_password}

    def prepare(self) -> None:
        """Make the data folder, and write the configuration with the port of today."""
        account = postgres_account()
        data = self._home(account) / self.name
        if not data.exists():
            self._initdb(data, account)
        settings = COMMON | {"port": str(self.port)} | self.settings
        if self.state.spec.secure:
            self.state.authority.ensure(self.name)
            self._place_certificate()
            settings |= {"ssl": "on", "ssl_min_protocol_version": "TLSv1.2", "password_encryption": "scram-sha-256"}
            (data / "pg_hba.conf").write_text(_TLS_ALONE)
        (data / "postgresql.conf").write_text("".join(f"{key} = '{value}'\n" for key, value in settings.items()))
        _settle_pid_file(data)

    def launch(self) -> Launch:
        """Return the command of the server itself, without pg_ctl between."""
        account = postgres_account()
        home = self._home(account)
        programs = self._programs(home, account)
        data = home / self.name
        return Launch([str(programs / "postgres"), "-D", str(data)], _environment(), data, account)

    def answer(self) -> None:
        """Make roles and database if they are not there, and let the owner ask for a row."""
        try:
            with self._connect("postgres", "postgres", "postgres") as admin:
                self.grant(admin)
            with self._connect(self.owner, self.owner_password, self.database) as connection:
                connection.execute("select 1")
        except psycopg.OperationalError as error:
            raise NotReady(str(error).strip().splitlines()[-1]) from error

    def take_certificate(self) -> bool:
        """Give the server its new certificate; it reads it on SIGHUP, and sessions that are open stay."""
        self._place_certificate()
        return self.process.send(signal.SIGHUP)

    def _place_certificate(self) -> None:
        """Copy key and certificate to where the server looks for them, as its account's own."""
        account = postgres_account()
        data, certificates = self._home(account) / self.name, self.state.authority
        for source, name in (
            (certificates.key(self.name), "server.key"),
            (certificates.certificate(self.name), "server.crt"),
        ):
            making = data / f"{name}.part"
            making.unlink(missing_ok=True)
            making.touch(mode=0o600)
            making.write_bytes(source.read_bytes())
            if account:
                os.chown(making, account.uid, account.gid)
            making.replace(data / name)

    def grant(self, admin: psycopg.Connection) -> None:
        """Make the owner and the database, if they are not there.

        Args:
            admin: the superuser's connection, in autocommit mode.
        """
        self.role(admin, self.owner, self.owner_password, "login")
        if not admin.execute("select 1 from pg_database where datname = %s", [self.database]).fetchone():
            names = sql.Identifier(self.database), sql.Identifier(self.owner)
            admin.execute(sql.SQL("create database {} owner {}").format(*names))

    def role(self, admin: psycopg.Connection, name: str, whose: str, attributes: str) -> None:
        """Make a role with its password, if it is not there.

        The password goes over the wire as its SCRAM verifier, so that no server log can hold it.
        """
        if admin.execute("select 1 from pg_roles where rolname = %s", [name]).fetchone():
            return
        password = self.state.password(whose).encode()
        verifier = admin.pgconn.encrypt_password(password, name.encode(), b"scram-sha-256").decode()
        statement = sql.SQL("create role {} with {} password {}")
        admin.execute(statement.format(sql.Identifier(name), sql.SQL(attributes), sql.Literal(verifier)))

    def _connect(self, user: str, whose: str, database: str) -> psycopg.Connection:
        return psycopg.connect(
            host=HOST,
            port=self.port,
            user=user,
            password=self.state.password(whose),
            dbname=database,
            connect_timeout=5,
            autocommit=True,
            sslmode=self.trust.get("sslmode"),
            sslrootcert=self.trust.get("sslrootcert"),
        )

    def _home(self, account: Account | None) -> Path:
        return self.state.spec.postgres_folder or postgres_folder(self.state.folder, account)

    def _programs(self, home: Path, account: Account | None) -> Path:
        if self.state.spec.secure:
            return tls_programs(home, account)
        return postgres_programs(self.state.spec.postgres, home, account)

    def _initdb(self, data: Path, account: Account | None) -> None:
        programs = self._programs(data.parent, account)
        making = Path(tempfile.mkdtemp(prefix=f"{self.name}.part-", dir=data.parent))
        password = making / "password"
        password.touch(mode=0o600)
        password.write_text(self.state.password("postgres"))
        if account:
            for path in (making, password):
                os.chown(path, account.uid, account.gid)
        options = ["--username=postgres", "--encoding=UTF8", "--no-locale", "--auth=scram-sha-256", "--no-sync"]
        command = [str(programs / "initdb"), "-D", str(making / "data"), *options, f"--pwfile={password}"]
        done = subprocess.run(
            command,
            env=_environment(),
            cwd=making,
            capture_output=True,
            text=True,
            check=False,
            user=account.uid if account else None,
            group=account.gid if account else None,
            extra_groups=[] if account else None,
        )
        if done.returncode == 0:
            (making / "data").rename(data)
        shutil.rmtree(making)
        if done.returncode != 0:
            raise StackError(f"{self.name}: initdb failed: {done.stderr.strip()[-500:]}")


class Shard(Postgres):
    """A source database: logical decoding on, and a role for Debezium that is no superuser."""

    database = "app"
    owner = "app"
    owner_password = "app"  # noqa: S105 - whose, not what
    settings: ClassVar[dict[str, str]] = {
        "wal_level": "logical",
        "max_wal_senders": "20",
        "max_replication_slots": "20",
    }

    def logins(self) -> dict[str, str]:
        """Return who can log in; Debezium's role, too."""
        return super().logins() | {"cdc": "cdc"}

    def grant(self, admin: psycopg.Connection) -> None:
        """Make the owner of the application's tables, and `cdc`, which replicates and publishes them.

        A publication takes a table only from its owner, so `cdc` inherits the owner's rights (without becoming it).
        On a secured stack it does not: what it may there is what `afflux grants` says, for the tables that there are.
        The owner may end sessions, drop slots and make roles and databases, as an operator does; it is no superuser.
        """
        super().grant(admin)
        self.role(admin, "cdc", "cdc", "login" if self.state.spec.secure else "login replication")
        admin.execute("alter role app createrole createdb replication")
        admin.execute("grant pg_monitor, pg_signal_backend, pg_checkpoint to app")
        if not self.state.spec.secure:
            admin.execute("grant app to cdc with inherit true, set false")

    def answer(self) -> None:
        """Let the role that Debezium uses ask for a row, too."""
        super().answer()
        with self._connect("cdc", "cdc", self.database) as connection:
            connection.execute("select 1")


class Warehouse(Postgres):
    """The target."""

    database = "dw"
    owner = "afflux"
    owner_password = "warehouse"  # noqa: S105 - whose, not what
    settings: ClassVar[dict[str, str]] = {"shared_buffers": "128MB", "work_mem": "16MB", "max_wal_size": "2GB"}

    def logins(self) -> dict[str, str]:
        """Return who can log in; on a secured stack the sink's role, too."""
        return super().logins() | ({"sink": "sink"} if self.state.spec.secure else {})

    def grant(self, admin: psycopg.Connection) -> None:
        """Make the owner; on a secured stack, too, the role that the sink comes as: what it may `afflux grants` says."""
        super().grant(admin)
        if self.state.spec.secure:
            self.role(admin, "sink", "sink", "login")
            admin.execute("grant sink to afflux")


class RegistryStorage(Postgres):
    """Where the registry keeps its schemas: its own server, so that the warehouse can be lost without it."""

    database = "registry"
    owner = "registry"
    owner_password = "registry"  # noqa: S105 - whose, not what
    settings: ClassVar[dict[str, str]] = {"shared_buffers": "16MB"}


def _environment() -> dict[str, str]:
    """Nothing of the user's: a PGPORT or PGDATA there would reach the server."""
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}


def _settle_pid_file(data: Path) -> None:
    """Make sure that the pid file of a killed server does not keep the next one from starting.

    The killed server's own processes hold its shared memory for a moment longer, and PostgreSQL rightly refuses to
    start beside them: wait for them. And a pid that another server of the same account has since been given looks
    like a running server: that file goes. A server's processes work in its data folder; that tells them apart.
    """
    path = data / "postmaster.pid"
    if not path.exists():
        return
    orphans = [process for process in psutil.process_iter(["name"]) if _works_in(process, data)]
    alive = [process for process in orphans if not has_ended(process, 20)]
    if alive:
        raise StackError(
            f"{data.name}: a server that was not started by this stack runs on {data} (pid {alive[0].pid})",
            hint="stop that server first",
        )
    path.unlink(missing_ok=True)


def _works_in(process: psutil.Process, folder: Path) -> bool:
    try:
        return process.info["name"] == "postgres" and Path(process.cwd()) == folder
    except psutil.Error:
        return False

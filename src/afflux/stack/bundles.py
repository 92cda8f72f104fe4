"""The JVM parts of the stack: which there are, and which exact files each is made of.

`connectors/jvm.lock` names every file by its Maven coordinates, with its SHA-256 and size, so that a clone of
today and of next year run the same bytes. `python -m afflux.stack.lock` (part of `make lock`) renews it.
"""

import platform

from pydantic import BaseModel, ConfigDict

from afflux.assets import asset
from afflux.errors import StackError

LOCK = ("connectors", "jvm.lock")
TLS = "postgres-tls-"
"""What the bundles of PostgreSQL with TLS begin with; a machine's kind follows. Only a secured stack needs one."""

JDBC_SINK = "jdbc-sink"
"""The bundle of Debezium's JDBC sink, for `engine: connect`. Only a stack that is asked for it needs it."""


class LockedFile(BaseModel):
    """One file of a Maven repository: `group:artifact:version[:type[:classifier]]`, hash, and size in bytes."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    coordinates: str
    sha256: str
    size: int

    @property
    def name(self) -> str:
        """The file's name, such as `kafka-clients-4.3.1.jar`."""
        return self.path.rsplit("/", 1)[1]

    @property
    def path(self) -> str:
        """The file's path in any Maven repository (Maven's repository layout)."""
        group, artifact, version, *rest = self.coordinates.split(":")
        kind = rest[0] if rest else "jar"
        classifier = f"-{rest[1]}" if len(rest) > 1 else ""
        return f"{group.replace('.', '/')}/{artifact}/{version}/{artifact}-{version}{classifier}.{kind}"


class Lock(BaseModel):
    """The whole of `connectors/jvm.lock`: bundle name -> its files."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    bundles: dict[str, list[LockedFile]]

    def files(self) -> list[LockedFile]:
        """Every file that each stack needs once, in a stable order, whichever bundles share it."""
        needed = [files for name, files in self.bundles.items() if not name.startswith(TLS) and name != JDBC_SINK]
        return list({file.coordinates: file for files in needed for file in files}.values())

    def postgres_tls(self) -> LockedFile:
        """PostgreSQL with TLS for this machine.

        Raises:
            StackError: there is none for its kind.
        """
        machine = platform.machine().lower()
        found = self.bundles.get(TLS + {"amd64": "x86_64", "arm64": "aarch64"}.get(machine, machine))
        if found is None or platform.system() != "Linux":
            raise StackError(
                f"there is no PostgreSQL with TLS for {platform.system()} on {machine}",
                hint="a secured stack runs on Linux on x86_64 and aarch64",
            )
        return found[0]


def load_lock() -> Lock:
    """Read the lock that this version of afflux was made with."""
    return Lock.model_validate_json(asset(*LOCK).read_text())

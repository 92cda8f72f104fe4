"""The state folder: what a stack consists of, its ports, its passwords, and where everything lies.

state.json          parts, ports, versions
secrets.properties  passwords, readable by the owner alone
tls/                certificates and keys, where the stack is a secured one
topology.yaml       a topology that works with this stack
logs/               one log a part
run/                one record a running process

and a folder a part for its own files. Passwords are nowhere else.
"""

import base64
import secrets
import shutil
import uuid
from pathlib import Path
from typing import Literal, Self, TypedDict

from pydantic import BaseModel, ConfigDict

from afflux.errors import StackError
from afflux.stack.secure.certificates import Authority
from afflux.topology import properties

PASSWORDS = ("postgres", "app", "cdc", "warehouse", "registry")
"""Whose passwords there are: the superuser, the shards' two roles, the warehouse's and the registry's."""
WEB_USER = "afflux"
"""Who logs in to the REST interfaces of a secured stack."""
SECURED = ("kafka_control", "kafka_sink", "kafka_connect", "registry_api", "connect_api", "sink")
"""Whose there are besides on a secured stack: Kafka's users, the logins of the two REST interfaces, the sink's role."""

FILES = ("topology.yaml", "secrets.properties", "pgpass", "state.json", "lock")
FOLDERS = ("logs", "run", "plugins", "kafka", "registry", "postgres", "tls")


class WebLogin(TypedDict):
    """What `requests` takes of TLS and of a login."""

    verify: str | bool
    auth: tuple[str, str] | None


class Spec(BaseModel):
    """What is in `state.json`."""

    model_config = ConfigDict(extra="forbid")

    layout: Literal[1] = 1
    cluster: str
    """Kafka's cluster id."""
    postgres: int = 16
    postgres_folder: Path | None = None
    secure: bool = False
    """Whether everything asks for TLS and a login."""
    shards: int = 0
    workers: int = 0
    ports: dict[str, int] = {}
    """What listens where; a part's own name, or the part's name and a purpose."""
    jdbc_sink: bool = False
    """Whether Kafka Connect has Debezium's JDBC sink."""
    topology_hash: str = ""
    """Of the topology.yaml written last: another content means that somebody edited it."""


class State:
    """The state folder and what it says."""

    def __init__(self, folder: Path, spec: Spec) -> None:
        self.folder = folder
        self.spec = spec

    @classmethod
    def load(cls, folder: Path) -> Self | None:
        """Read the state of a folder; None: there has been no stack."""
        try:
            text = (folder / "state.json").read_text()
        except (FileNotFoundError, NotADirectoryError):
            return None
        try:
            return cls(folder, Spec.model_validate_json(text))
        except ValueError as error:
            raise StackError(
                f"{folder / 'state.json'} is not a state that this version of afflux wrote",
                hint="use the version that made it to bring it down, or choose another --state folder",
            ) from error

    @classmethod
    def load_or_make(cls, folder: Path) -> Self:
        """Read the state of a folder, or begin one."""
        return cls.load(folder) or cls(folder, Spec(cluster=_cluster_id()))

    def save(self) -> None:
        """Write the state, whole or not at all."""
        making = self.folder / "state.json.part"
        making.write_text(self.spec.model_dump_json(indent=2))
        making.replace(self.folder / "state.json")

    @property
    def secrets_file(self) -> Path:
        """The file with the passwords, in the form of Java properties."""
        return self.folder / "secrets.properties"

    @property
    def pgpass_file(self) -> Path:
        """The same passwords in libpq's form."""
        return self.folder / "pgpass"

    @property
    def topology_file(self) -> Path:
        """The topology written for this stack."""
        return self.folder / "topology.yaml"

    @property
    def authority(self) -> Authority:
        """The authority whose certificates a secured stack's servers have."""
        return Authority(self.folder / "tls")

    def password(self, whose: str) -> str:
        """Return a password; whose it may be is in `PASSWORDS` and `SECURED`."""
        return properties.parse(self.secrets_file.read_text())[f"{whose}_password"]

    def web_login(self, server: str) -> WebLogin:
        """Return how the REST interface of `registry` or `connect` is spoken to, in the words of `requests`."""
        if not self.spec.secure:
            return {"verify": True, "auth": None}
        return {"verify": str(self.authority.trusted), "auth": (WEB_USER, self.password(f"{server}_api"))}

    def make_passwords(self) -> None:
        """Write the passwords, unless they are there."""
        if self.secrets_file.exists():
            return
        everybody = (*PASSWORDS, *SECURED) if self.spec.secure else PASSWORDS
        lines = [f"{whose}_password={secrets.token_urlsafe(18)}\n" for whose in everybody]
        self.write_secret(self.secrets_file, "".join(lines))

    def write_secret(self, path: Path, content: str | bytes) -> None:
        """Write a file that only its owner may read, whole or not at all."""
        making = path.with_name(f"{path.name}.part")
        making.unlink(missing_ok=True)
        making.touch(mode=0o600)
        making.write_bytes(content.encode() if isinstance(content, str) else content)
        making.replace(path)

    def remove(self) -> None:
        """Remove every file of the stack; what others put into the folder stays."""
        if self.spec.postgres_folder is not None:
            shutil.rmtree(self.spec.postgres_folder, ignore_errors=True)
        workers = [f"connect-{number}" for number in range(self.spec.workers)]
        for path in (*(self.folder / name for name in (*FOLDERS, *workers)), *self.folder.glob("plugins.part-*")):
            shutil.rmtree(path, ignore_errors=True)
        for path in (*(self.folder / name for name in FILES), *(self.folder / f"{name}.part" for name in FILES)):
            path.unlink(missing_ok=True)
        if not any(self.folder.iterdir()):
            self.folder.rmdir()


def _cluster_id() -> str:
    """Return a random id in Kafka's own form: a UUID in URL-safe base 64, not beginning with a dash."""
    while True:
        text = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        if not text.startswith("-"):
            return text

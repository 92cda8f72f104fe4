"""Microsoft's own emulator of Azure's blob storage on this machine: Azurite, which npm installs once, into the cache."""

import base64
import hashlib
import hmac
import secrets
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import requests

from afflux.stack.cache import cache_folder
from afflux.stack.filelock import locked
from afflux.stack.ports import HOST, find_free
from stores.served import BUCKET, Served, process

VERSION = "3.35.0"
"""The newest that runs on Node.js 20."""
ACCOUNT = "afflux"


class Azure(Served):
    """Microsoft's. delta-rs has to know that it is the emulator, whose lists of files do not begin where they are asked to."""

    path = f"abfss://{BUCKET}@{ACCOUNT}.dfs.core.windows.net"
    secret_option = "azure_storage_account_key"

    def __init__(self, port: int) -> None:
        self.port, self.secret = port, base64.b64encode(secrets.token_bytes(48)).decode()

    def options(self, port: int | None = None) -> dict[str, str]:  # noqa: ARG002 - the environment says it
        """See `Served.options`."""
        return {
            "azure_storage_account_name": ACCOUNT,
            "azure_storage_use_emulator": "true",
            self.secret_option: self.secret,
        }

    def environment(self, port: int | None = None) -> dict[str, str]:
        """See `Served.environment`."""
        return {"AZURITE_BLOB_STORAGE_URL": f"http://{HOST}:{port or self.port}"}

    def make_bucket(self) -> None:
        """Make the container, in a request that is signed as Azure's documentation says (Shared Key)."""
        headers = {"x-ms-date": f"{datetime.now(UTC):%a, %d %b %Y %H:%M:%S} GMT", "x-ms-version": "2021-08-06"}
        lines = ["PUT", *[""] * 11, *(f"{name}:{value}" for name, value in headers.items())]
        said = "\n".join([*lines, f"/{ACCOUNT}/{ACCOUNT}/{BUCKET}", "restype:container"])
        signed = base64.b64encode(hmac.digest(base64.b64decode(self.secret), said.encode(), hashlib.sha256)).decode()
        url = f"http://{HOST}:{self.port}/{ACCOUNT}/{BUCKET}?restype=container"
        login = {"Authorization": f"SharedKey {ACCOUNT}:{signed}", "Content-Length": "0"}
        requests.put(url, headers=headers | login, timeout=30).raise_for_status()


def program() -> Path:
    """Return the server's program, installed if it is not there yet (half a minute)."""
    folder = cache_folder() / "azurite" / VERSION
    with locked(cache_folder() / "azurite" / "lock"):
        if not (folder / ".ready").exists():
            npm = shutil.which("npm")
            if npm is None:
                sys.exit("Azurite is installed by npm, which is not there: https://nodejs.org has it, with Node.js")
            folder.mkdir(parents=True, exist_ok=True)
            command = [npm, "install", "--no-audit", "--no-fund", "--loglevel=error", "--prefix", str(folder)]
            subprocess.run([*command, f"azurite@{VERSION}"], check=True)
            (folder / ".ready").touch()
    return folder / "node_modules" / ".bin" / "azurite-blob"


QUIET = ("--silent", "--disableTelemetry", "--skipApiVersionCheck")


@contextmanager
def running(folder: Path) -> Iterator[Azure]:
    """Run a server with an empty container."""
    server = Azure(find_free(f"{folder} azure", ()))
    command = [str(program()), "--blobHost", HOST, "--blobPort", str(server.port), "--location", str(folder / "data")]
    login = {"AZURITE_ACCOUNTS": f"{ACCOUNT}:{server.secret}"}
    with process([*command, *QUIET], login, folder / "log", server.port):
        server.make_bucket()
        yield server


if __name__ == "__main__":
    program()

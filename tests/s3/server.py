"""A real S3 server on this machine: versitygw, which keeps buckets as folders. Go builds it once, into the cache."""

import os
import secrets
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from afflux.stack.cache import cache_folder
from afflux.stack.filelock import locked
from afflux.stack.ports import HOST, find_free
from chaos.waiting import wait_for

VERSION = "1.8.0"
BUCKET = "lake"


@dataclass(frozen=True)
class S3:
    """Where a server is, and how to log in to it."""

    url: str
    access_key: str
    secret_key: str
    folder: Path
    """What it keeps."""

    def options(self) -> dict[str, str]:
        """Give delta-rs's options."""
        return {
            "aws_endpoint_url": self.url,
            "aws_region": "us-east-1",
            "aws_allow_http": "true",
            "aws_access_key_id": self.access_key,
            "aws_secret_access_key": self.secret_key,
        }


def program() -> Path:
    """Return the server's program, built if it is not there yet (some minutes)."""
    target = cache_folder() / "s3" / f"versitygw-{VERSION}"
    with locked(cache_folder() / "s3" / "lock"):
        if not target.exists():
            go = shutil.which("go")
            if go is None:
                sys.exit("the S3 server is built by Go, which is not installed; https://go.dev/dl has it")
            module = f"github.com/versity/versitygw/cmd/versitygw@v{VERSION}"
            where = {**os.environ, "GOBIN": str(target.parent), "GOFLAGS": ""}
            subprocess.run([go, "install", "-p", "2", module], check=True, env=where)
            (target.parent / "versitygw").rename(target)
    return target


@contextmanager
def running(folder: Path) -> Iterator[S3]:
    """Run a server with an empty bucket."""
    (folder / "data" / BUCKET).mkdir(parents=True)
    port = find_free(f"{folder} s3", ())
    server = S3(f"http://{HOST}:{port}", "afflux", secrets.token_urlsafe(24), folder / "data")
    login = {"ROOT_ACCESS_KEY": server.access_key, "ROOT_SECRET_KEY": server.secret_key}
    command = [str(program()), "--quiet", "--port", f"{HOST}:{port}", "posix", str(server.folder)]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, env={**os.environ, **login}, stdout=log, stderr=log)
    try:
        wait_for(lambda: _answers(port), 30, (folder / "log").read_text)
        yield server
    finally:
        process.terminate()
        process.wait()


def _answers(port: int) -> bool:
    with suppress(OSError), socket.create_connection((HOST, port), timeout=1):
        return True
    return False


if __name__ == "__main__":
    program()

"""A real S3 server on this machine: versitygw, which keeps buckets as folders. Go builds it once, into the cache."""

import os
import secrets
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from afflux.stack.cache import cache_folder
from afflux.stack.filelock import locked
from afflux.stack.ports import HOST, find_free
from stores.served import BUCKET, Served, process

VERSION = "1.8.0"


class S3(Served):
    """Amazon's."""

    path = f"s3://{BUCKET}"
    secret_option = "aws_secret_access_key"

    def __init__(self, port: int) -> None:
        self.port, self.secret = port, secrets.token_urlsafe(24)

    def options(self, port: int | None = None) -> dict[str, str]:
        """See `Served.options`."""
        return {
            "aws_endpoint_url": f"http://{HOST}:{port or self.port}",
            "aws_region": "us-east-1",
            "aws_allow_http": "true",
            "aws_access_key_id": "afflux",
            self.secret_option: self.secret,
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
    server = S3(find_free(f"{folder} s3", ()))
    login = {"ROOT_ACCESS_KEY": "afflux", "ROOT_SECRET_KEY": server.secret}
    command = [str(program()), "--quiet", "--port", f"{HOST}:{server.port}", "posix", str(folder / "data")]
    with process(command, login, folder / "log", server.port):
        yield server


if __name__ == "__main__":
    program()

"""Prometheus' own tool for checking rules and metrics, where it can be had.

It is no Python package. `python tests/promtool.py` looks for it on the PATH and in afflux's cache; on Debian and its
like it takes it out of the package `prometheus`, without installing that. Where there is none, the rules are checked
by everything but it.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from afflux.stack.cache import cache_folder


def find() -> Path | None:
    """Give where promtool is; None: nowhere."""
    on_path = shutil.which("promtool")
    cached = cache_folder() / "promtool"
    return Path(on_path) if on_path else cached if cached.exists() else None


def fetch() -> Path | None:
    """Get promtool if it is not there; None where that can't be done."""
    found = find()
    tools = shutil.which("apt-get"), shutil.which("dpkg-deb")
    if found or not all(tools):
        return found
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        if not _download(folder):
            # A container's lists of packages are often empty; only root may fill them.
            if os.geteuid() != 0 or not os.environ.get("CI"):
                return None
            subprocess.run(["apt-get", "update", "-q"], check=False, stdout=subprocess.DEVNULL)  # noqa: S607 - Debian's own, where it lies
            if not _download(folder):
                return None
        (package,) = Path(folder).glob("prometheus_*.deb")
        subprocess.run(["dpkg-deb", "-x", package, folder], check=True)  # noqa: S607 - likewise
        making = cache_folder() / f"promtool.part-{os.getpid()}"
        shutil.copy(Path(folder, "usr", "bin", "promtool"), making)
        making.replace(cache_folder() / "promtool")
    return find()


def _download(folder: str) -> bool:
    command = ["apt-get", "download", "-q", "prometheus"]
    return subprocess.run(command, cwd=folder, check=False, capture_output=True).returncode == 0


def run(*arguments: str | Path, given: bytes | None = None) -> subprocess.CompletedProcess[bytes]:
    """Run promtool, which is there.

    Args:
        arguments: its own.
        given: to its standard input.
    """
    tool = find()
    assert tool is not None
    return subprocess.run([tool, *arguments], input=given, check=False, capture_output=True)


if __name__ == "__main__":
    there = fetch()
    sys.stdout.write(f"{there}\n" if there else "promtool can't be had here; alert rules are checked without it\n")

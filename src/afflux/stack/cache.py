"""The cache: what was downloaded and made once, shared by every checkout of this user.

maven/     files of the lock, laid out like a Maven repository
unpacked/  archives of the lock, unpacked; the folder's name holds the archive's hash

A file or folder gets its name there only when it is whole and checked.
"""

import contextlib
import os
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import platformdirs

from afflux.stack.bundles import LockedFile


def cache_folder() -> Path:
    """Return the cache's folder: `AFFLUX_CACHE`, or the platform's place for caches."""
    chosen = os.environ.get("AFFLUX_CACHE")
    folder = Path(chosen).expanduser().absolute() if chosen else platformdirs.user_cache_path("afflux")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def maven_folder() -> Path:
    """Return the part of the cache that is laid out like a Maven repository."""
    return cache_folder() / "maven"


def unpacked(archive: LockedFile) -> Path:
    """Return the folder of an archive's content, unpacked once.

    Args:
        archive: a `tar.gz` of the lock that is in the cache already, or a jar that holds one `.txz`.

    Returns:
        The one folder that the archive holds, or the folder of all it holds.
    """
    target = (
        cache_folder()
        / "unpacked"
        / f"{archive.name.removesuffix('.tar.gz').removesuffix('.jar')}-{archive.sha256[:12]}"
    )
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent) as making:
            with _opened(maven_folder() / archive.path) as tar:
                tar.extractall(making, filter="data")
            with contextlib.suppress(OSError):  # another process was first: its content is the same
                Path(making).rename(target)
            Path(making).mkdir(exist_ok=True)
    inside = list(target.iterdir())
    return inside[0] if len(inside) == 1 and inside[0].is_dir() else target


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[tarfile.TarFile]:
    if path.suffix != ".jar":
        with tarfile.open(path) as tar:
            yield tar
        return
    with zipfile.ZipFile(path) as jar:
        (inner,) = (name for name in jar.namelist() if name.endswith(".txz"))
        with jar.open(inner) as file, tarfile.open(fileobj=file, mode="r|xz") as tar:
            yield tar

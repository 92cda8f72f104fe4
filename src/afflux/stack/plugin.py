"""afflux's own Connect plugin: compile `connectors/plugin/` into a jar, without a JDK."""

import contextlib
import hashlib
import os
import subprocess
import tempfile
import zipfile
from collections.abc import Iterable, Sequence
from pathlib import Path

from afflux.assets import asset
from afflux.errors import StackError
from afflux.stack import java
from afflux.stack.bundles import Lock, LockedFile, load_lock
from afflux.stack.cache import cache_folder, maven_folder, unpacked
from afflux.stack.fetch import fetch

JAR = "afflux-connect-plugin.jar"
TARGET = "17"
"""The oldest Java of a worker that the jar runs on; Debezium 3 needs no older one."""

_API = ("connect-api-", "kafka-clients-")
"""The worker's own jars that the plugin is compiled against, besides those of Debezium's plugin."""
_LONG_AGO = (1980, 1, 1, 0, 0, 0)
"""The time of every entry, so that equal sources give equal jars; zip knows none before."""


def plugin_jar() -> Path:
    """Return the plugin's jar, made once for its sources and the parts of the lock that it is compiled with.

    Those parts are fetched if the cache does not hold them.

    Raises:
        StackError: they can't be had, or the sources do not compile.
    """
    lock = load_lock()
    needed = _needed(lock)
    fetch(needed)
    sources = asset("connectors", "plugin", "src")
    target = cache_folder() / "plugin" / _fingerprint(sources, needed) / JAR
    if not target.exists():
        target.parent.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent.parent) as making:
            classes = Path(making) / "classes"
            _compile(sources, classes, lock)
            whole = Path(making) / "whole"
            whole.mkdir()
            _pack(whole / JAR, [(classes, "*.class"), (sources, "META-INF/**/*")])
            with contextlib.suppress(OSError):  # another process was first: its jar is the same
                whole.rename(target.parent)
    return target


def _needed(lock: Lock) -> list[LockedFile]:
    api = [file for file in lock.bundles["connect"] if file.name.startswith(_API)]
    return [*lock.bundles["ecj"], *lock.bundles["debezium"], *api]


def _fingerprint(sources: Path, needed: Sequence[LockedFile]) -> str:
    digest = hashlib.sha256(TARGET.encode())
    for file in needed:
        digest.update(f"{file.coordinates} {file.sha256}\n".encode())
    for path in _files(sources, "**/*"):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(sources).as_posix()} {len(content)}\n".encode() + content)
    return digest.hexdigest()[:12]


def _compile(sources: Path, classes: Path, lock: Lock) -> None:
    (compiler,) = lock.bundles["ecj"]
    api = [maven_folder() / file.path for file in _needed(lock) if file.name.startswith(_API)]
    path = [*api, *sorted(unpacked(lock.bundles["debezium"][0]).glob("*.jar"))]
    language = ["-source", TARGET, "-target", TARGET, "-encoding", "UTF-8", "-proc:none"]
    files = ["-cp", os.pathsep.join(map(str, path)), "-d", str(classes), str(sources)]
    command = java.command("256m", [], ["-jar", str(maven_folder() / compiler.path), *language, *files])
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=java.environment())
    if done.returncode != 0:
        raise StackError(f"afflux's Connect plugin does not compile:\n{(done.stdout + done.stderr).strip()}")


def _pack(jar: Path, content: Iterable[tuple[Path, str]]) -> None:
    entries = {path.relative_to(base).as_posix(): path for base, pattern in content for path in _files(base, pattern)}
    with zipfile.ZipFile(jar, "w") as archive:  # stored, for deflated bytes differ between zlib's versions
        for name, path in sorted(entries.items()):
            archive.writestr(zipfile.ZipInfo(name, _LONG_AGO), path.read_bytes())


def _files(base: Path, pattern: str) -> list[Path]:
    return sorted(path for path in base.rglob(pattern) if path.is_file())

"""Bring the files of the lock into the cache: in parallel, resumed where cut off, checked by hash, whole or not at all.

Two processes may fetch at once: the second waits for the first and finds the files there.
"""

import hashlib
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import requests
from jgo.constants import MAVEN_CENTRAL_URL
from tenacity import Retrying, retry_if_exception, wait_random_exponential

from afflux.errors import StackError
from afflux.stack.bundles import LockedFile
from afflux.stack.cache import cache_folder, maven_folder
from afflux.stack.filelock import locked

PARALLEL = 8
TIMEOUT = (10, 60)
"""Seconds to connect, and between two pieces of an answer."""
ATTEMPTS = 4
NO_ANSWER = (requests.ConnectionError, requests.Timeout)
BUSY = {429, 500, 502, 503, 504}
PIECE = 256 * 1024

Progress = Callable[[int, int], None]
"""Told (bytes there, bytes wanted) as they come; called from several threads."""


class _DamagedError(Exception):
    """The bytes that came are not those of the lock."""


class _Ended(Exception):  # noqa: N818 - the user's wish, no error
    """The user stopped it; what came so far is kept for the next time."""


def missing(files: list[LockedFile]) -> list[LockedFile]:
    """Return those of the files that the cache does not hold whole.

    A file gets its final name only after its hash was found right, so the size tells enough here.
    """
    return [file for file in files if not _is_whole(maven_folder() / file.path, file)]


def fetch(files: list[LockedFile], progress: Progress | None = None) -> None:
    """Bring the files into the cache.

    Args:
        files: what is wanted; files already there cost nothing.
        progress: told of the bytes as they come.

    Raises:
        StackError: some could not be had; the message lists exactly which.
    """
    if not missing(files):
        return
    with locked(cache_folder() / "fetch.lock"):
        wanted = missing(files)
        count = _Count(sum(file.size for file in wanted), progress)
        with ThreadPoolExecutor(PARALLEL) as pool, requests.Session() as session:
            try:
                failures = [failed for failed in pool.map(lambda file: _bring(session, file, count), wanted) if failed]
            except BaseException:
                count.end()
                raise
    if failures:
        raise _could_not(failures)


def base_url() -> str:
    """Return the repository that files come from: `AFFLUX_MAVEN_URL`, or Maven Central."""
    return (os.environ.get("AFFLUX_MAVEN_URL") or MAVEN_CENTRAL_URL).rstrip("/")


class _Count:
    """The bytes of all threads together, and the words that concern them all."""

    def __init__(self, wanted: int, progress: Progress | None) -> None:
        self._wanted, self._progress, self._lock = wanted, progress, threading.Lock()
        self._here: dict[str, int] = {}
        self._ended = False
        self.offline = False
        """One file got no answer however often it was asked for: the others are asked for once."""

    def end(self) -> None:
        self._ended = True

    def at(self, file: LockedFile, size: int) -> None:
        """Note how much of a file is here now."""
        if self._ended:
            raise _Ended
        with self._lock:
            self._here[file.coordinates] = size
            if self._progress:
                self._progress(sum(self._here.values()), self._wanted)


def _bring(session: requests.Session, file: LockedFile, count: _Count) -> tuple[LockedFile, str] | None:
    """Bring one file; return it with the reason when it can't be had, so that all reasons are told together."""
    target = maven_folder() / file.path
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f"{target.name}.part")
    attempts = Retrying(
        stop=lambda attempt: count.offline or attempt.attempt_number >= ATTEMPTS,
        wait=wait_random_exponential(max=4),
        retry=retry_if_exception(_may_pass),
        reraise=True,
    )
    try:
        if _copied_from_maven(file, part):
            count.at(file, file.size)
        else:
            attempts(_download, session, file, part, count)
    except (requests.RequestException, _DamagedError, OSError) as error:
        count.offline |= isinstance(error, NO_ANSWER)
        return file, _reason(error)
    part.replace(target)
    return None


def _download(session: requests.Session, file: LockedFile, part: Path, count: _Count) -> None:
    here = part.stat().st_size if part.exists() else 0
    count.at(file, min(here, file.size))
    if here < file.size:
        wants = {"Range": f"bytes={here}-"} if here else {}
        with session.get(f"{base_url()}/{file.path}", headers=wants, stream=True, timeout=TIMEOUT) as answer:
            answer.raise_for_status()
            resumed = answer.status_code == requests.codes.partial_content
            with part.open("ab" if resumed else "wb") as out:
                for piece in answer.iter_content(PIECE):
                    out.write(piece)
                    count.at(file, out.tell())
    if not _is_right(part, file):
        part.unlink()
        raise _DamagedError(f"the bytes of {file.coordinates} do not have the hash in connectors/jvm.lock")


def _copied_from_maven(file: LockedFile, part: Path) -> bool:
    """Take the file from the user's own Maven repository, if it is there and is the same."""
    theirs = Path(os.environ.get("M2_REPO") or Path.home() / ".m2" / "repository") / file.path
    if not _is_whole(theirs, file) or not _is_right(theirs, file):
        return False
    shutil.copyfile(theirs, part)
    return True


def _is_whole(path: Path, file: LockedFile) -> bool:
    return path.is_file() and path.stat().st_size == file.size


def _is_right(path: Path, file: LockedFile) -> bool:
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest() == file.sha256


def _may_pass(error: BaseException) -> bool:
    """Tell whether asking again may help: no answer, one cut short or damaged, a server that is busy."""
    if isinstance(error, requests.HTTPError):
        return error.response.status_code in BUSY
    return isinstance(error, (*NO_ANSWER, requests.exceptions.ChunkedEncodingError, _DamagedError))


def _reason(error: Exception) -> str:
    if isinstance(error, requests.HTTPError):
        return f"HTTP {error.response.status_code}"
    if isinstance(error, NO_ANSWER):
        return "no answer"
    return str(error)


def _could_not(failures: list[tuple[LockedFile, str]]) -> StackError:
    def lines() -> Iterator[str]:
        for file, reason in failures:
            yield f"  {file.coordinates} ({file.size / 1e6:.1f} MB): {reason}"

    return StackError(
        f"{len(failures)} files of the local stack are not in the cache {maven_folder()} and could not be fetched:\n"
        + "\n".join(lines()),
        hint="with a network, run `afflux stack fetch` again: it goes on where it stopped. Without one, copy that "
        "folder from a machine that has it, or set AFFLUX_MAVEN_URL to a Maven repository within reach",
    )

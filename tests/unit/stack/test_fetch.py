"""The downloader against a real HTTP server on loopback."""

import hashlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest

from afflux.errors import StackError
from afflux.stack.bundles import LockedFile
from afflux.stack.cache import maven_folder
from afflux.stack.fetch import fetch, missing


@dataclass
class Repository:
    """What the server has, and what it was asked."""

    url: str = ""
    content: dict[str, bytes] = field(default_factory=dict)
    asked: list[tuple[str, str | None]] = field(default_factory=list)
    ranges: bool = True
    faults: list[int | str] = field(default_factory=list)
    """What the next requests get instead: a status, or `cut`, half of what they asked for."""

    def add(self, name: str, content: bytes) -> LockedFile:
        file = LockedFile(coordinates=f"g:{name}:1", sha256=hashlib.sha256(content).hexdigest(), size=len(content))
        self.content[f"/{file.path}"] = content
        return file


class Handler(BaseHTTPRequestHandler):
    repository: ClassVar[Repository]

    def do_GET(self) -> None:
        wanted = self.headers.get("Range")
        self.repository.asked.append((self.path, wanted))
        content = self.repository.content.get(self.path)
        fault = self.repository.faults.pop(0) if self.repository.faults else None
        if content is None or isinstance(fault, int):
            self.send_error(fault if isinstance(fault, int) else 404)
            return
        start = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted and self.repository.ranges else 0
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        self.wfile.write(content[start : start + (len(content) - start) // 2] if fault == "cut" else content[start:])

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Repository]:
    repository = Repository()
    handler = type("Bound", (Handler,), {"repository": repository})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        repository.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        monkeypatch.setenv("AFFLUX_CACHE", str(tmp_path / "cache"))
        monkeypatch.setenv("AFFLUX_MAVEN_URL", repository.url)
        monkeypatch.setenv("M2_REPO", str(tmp_path / "m2"))
        yield repository
        server.shutdown()
        thread.join()


def cached(file: LockedFile) -> Path:
    return maven_folder() / file.path


def test_files_arrive_whole_and_progress_ends_at_all_of_them(repository: Repository) -> None:
    files = [repository.add(f"a{number}", bytes([number]) * 400_000) for number in range(12)]
    seen: list[tuple[int, int]] = []
    fetch(files, lambda here, wanted: seen.append((here, wanted)))
    assert [cached(file).read_bytes() for file in files] == [repository.content[f"/{file.path}"] for file in files]
    assert seen[-1] == (4_800_000, 4_800_000)
    assert missing(files) == []


def test_what_is_there_is_not_asked_for_again(repository: Repository) -> None:
    files = [repository.add("a", b"one"), repository.add("b", b"two")]
    fetch(files[:1])
    repository.asked.clear()
    fetch(files)
    fetch(files)
    assert [path for path, _ in repository.asked] == [f"/{files[1].path}"]


def test_a_download_that_was_cut_off_goes_on_where_it_stopped(repository: Repository) -> None:
    file = repository.add("a", bytes(range(256)) * 1000)
    part = cached(file).with_name(f"{file.name}.part")
    part.parent.mkdir(parents=True)
    part.write_bytes(repository.content[f"/{file.path}"][:100_000])
    fetch([file])
    assert repository.asked == [(f"/{file.path}", "bytes=100000-")]
    assert cached(file).read_bytes() == repository.content[f"/{file.path}"]
    assert not part.exists()


def test_a_connection_that_breaks_again_and_again_costs_no_byte_twice(
    repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tenacity.nap.time.sleep", lambda _: None)
    file = repository.add("a", bytes(range(256)) * 4096)
    repository.faults = ["cut", 503, "cut"]
    seen: list[tuple[int, int]] = []
    fetch([file], lambda here, wanted: seen.append((here, wanted)))
    assert [wanted for _, wanted in repository.asked] == [None, "bytes=524288-", "bytes=524288-", "bytes=786432-"]
    assert seen == sorted(seen)
    assert seen[-1] == (file.size, file.size)


def test_a_server_that_can_not_resume_sends_the_whole_file(repository: Repository) -> None:
    repository.ranges = False
    file = repository.add("a", bytes(range(256)) * 1000)
    part = cached(file).with_name(f"{file.name}.part")
    part.parent.mkdir(parents=True)
    part.write_bytes(b"x" * 100)
    fetch([file])
    assert cached(file).read_bytes() == repository.content[f"/{file.path}"]


def test_a_rest_of_something_else_is_thrown_away_and_fetched_anew(repository: Repository) -> None:
    file = repository.add("a", b"right" * 1000)
    part = cached(file).with_name(f"{file.name}.part")
    part.parent.mkdir(parents=True)
    part.write_bytes(b"wrong" * 500)
    fetch([file])
    assert cached(file).read_bytes() == b"right" * 1000


def test_bytes_with_another_hash_never_enter_the_cache(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tenacity.nap.time.sleep", lambda _: None)
    good, bad = repository.add("good", b"good"), repository.add("bad", b"bad")
    repository.content[f"/{bad.path}"] = b"b4d"
    with pytest.raises(StackError, match="g:bad:1") as caught:
        fetch([good, bad])
    assert "g:good:1" not in caught.value.message
    assert missing([good, bad]) == [bad]


def test_without_network_the_error_lists_exactly_what_is_missing(
    repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tenacity.nap.time.sleep", lambda _: None)
    here, gone, also_gone = (repository.add(name, name.encode()) for name in ("here", "gone", "also-gone"))
    fetch([here])
    monkeypatch.setenv("AFFLUX_MAVEN_URL", "http://127.0.0.1:9")
    with pytest.raises(StackError) as caught:
        fetch([here, gone, also_gone])
    assert caught.value.message.startswith("2 files")
    assert "g:gone:1" in caught.value.message
    assert "g:also-gone:1" in caught.value.message
    assert "g:here:1" not in caught.value.message
    assert "afflux stack fetch" in caught.value.hint


def test_a_file_that_the_server_does_not_have_is_named_with_its_answer(repository: Repository) -> None:
    file = repository.add("a", b"a")
    repository.content.clear()
    with pytest.raises(StackError, match=r"g:a:1.*HTTP 404"):
        fetch([file])


def test_the_users_own_maven_repository_is_taken_where_its_hash_fits(repository: Repository, tmp_path: Path) -> None:
    right, wrong = repository.add("right", b"right"), repository.add("wrong", b"wrong")
    for file, content in ((right, b"right"), (wrong, b"wr0ng")):
        path = tmp_path / "m2" / file.path
        path.parent.mkdir(parents=True)
        path.write_bytes(content)
    fetch([right, wrong])
    assert [path for path, _ in repository.asked] == [f"/{wrong.path}"]
    assert missing([right, wrong]) == []


def test_two_who_fetch_at_once_ask_for_each_file_once(repository: Repository) -> None:
    files = [repository.add(f"a{number}", bytes(100_000)) for number in range(8)]
    threads = [threading.Thread(target=fetch, args=[files]) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(repository.asked) == len(files)
    assert missing(files) == []

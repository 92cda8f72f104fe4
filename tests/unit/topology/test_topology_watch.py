from pathlib import Path

import pytest
from structlog.testing import capture_logs

from afflux.errors import TopologyError
from afflux.topology.watch import Watched
from unit.topology.topologies import SMALL


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "topology.yaml"
    file.write_text(SMALL)
    return file


def test_what_has_not_changed_is_no_news(path: Path) -> None:
    watched = Watched(path)
    assert watched.load().name == "orders"
    assert watched.poll() is None
    path.write_text(SMALL + "# a remark\n")
    assert watched.poll() is None


def test_a_change_is_given_once(path: Path) -> None:
    watched = Watched(path)
    watched.load()
    path.write_text(SMALL.replace("name: shard1", "name: shard7"))
    changed = watched.poll()
    assert changed is not None
    assert [shard.name for shard in changed.shards] == ["shard0", "shard7"]
    assert watched.poll() is None


def test_without_a_load_the_first_poll_gives_the_topology(path: Path) -> None:
    assert Watched(path).poll() is not None


def test_a_wrong_file_is_reported_once_a_change_and_the_old_one_stays(path: Path) -> None:
    watched = Watched(path)
    watched.load()
    with capture_logs() as logs:
        for text in (SMALL.replace("database:", "databse:"), "nothing: [", SMALL):
            path.write_text(text)
            assert watched.poll() is None
            assert watched.poll() is None
    assert [(entry["log_level"], entry["event"]) for entry in logs] == [
        ("warning", "topology wrong, the old one stays"),
        ("warning", "topology wrong, the old one stays"),
        ("info", "topology right again"),
    ]
    assert f"{path} line 6: unknown key 'databse' in source; did you mean 'database'?" in logs[0]["error"]


def test_a_file_that_is_gone_is_reported_and_found_again(path: Path) -> None:
    watched = Watched(path)
    watched.load()
    path.unlink()
    with capture_logs() as logs:
        assert watched.poll() is None
        path.write_text(SMALL.replace("name: orders", "name: items"))
        changed = watched.poll()
    assert changed is not None
    assert changed.name == "items"
    assert [entry["log_level"] for entry in logs] == ["warning", "info"]


def test_a_link_whose_end_changes_is_followed(tmp_path: Path, path: Path) -> None:
    link = tmp_path / "link.yaml"
    link.symlink_to(path)
    watched = Watched(link)
    watched.load()
    other = tmp_path / "other.yaml"
    other.write_text(SMALL.replace("name: orders", "name: items"))
    link.unlink()
    link.symlink_to(other)
    assert watched.poll() is not None


def test_a_first_load_that_fails_says_why(path: Path) -> None:
    path.write_text("name: 1")
    with pytest.raises(TopologyError, match="name must be text"):
        Watched(path).load()

import re
from collections import Counter

import pytest

from afflux.assets import asset
from afflux.stack.bundles import JDBC_SINK, LOCK, TLS, Lock, LockedFile, load_lock


@pytest.fixture(scope="module")
def lock() -> Lock:
    return load_lock()


@pytest.mark.parametrize(
    ("coordinates", "path"),
    [
        ("org.slf4j:slf4j-api:1.7.36", "org/slf4j/slf4j-api/1.7.36/slf4j-api-1.7.36.jar"),
        ("a.b:c-d:1.Final:tar.gz:plugin", "a/b/c-d/1.Final/c-d-1.Final-plugin.tar.gz"),
        ("a:b:1:pom", "a/b/1/b-1.pom"),
    ],
)
def test_coordinates_give_the_path_in_any_maven_repository(coordinates: str, path: str) -> None:
    assert LockedFile(coordinates=coordinates, sha256="", size=1).path == path


def test_the_lock_holds_every_bundle(lock: Lock) -> None:
    common = {"broker", "connect", "converter", "debezium", "ecj", "registry", JDBC_SINK}
    assert set(lock.bundles) == common | {f"{TLS}x86_64", f"{TLS}aarch64"}


def test_what_only_a_secured_stack_needs_is_not_fetched_for_every_stack(lock: Lock) -> None:
    assert not [file for file in lock.files() if "postgres-binaries" in file.coordinates]


def test_the_jdbc_sink_is_not_fetched_for_every_stack(lock: Lock) -> None:
    assert not [file for file in lock.files() if "jdbc" in file.coordinates]


def test_every_locked_file_has_a_hash_and_a_size(lock: Lock) -> None:
    for file in lock.files():
        assert re.fullmatch("[0-9a-f]{64}", file.sha256), file.coordinates
        assert file.size > 0, file.coordinates


def test_no_bundle_holds_two_versions_of_one_artifact(lock: Lock) -> None:
    for bundle, files in lock.bundles.items():
        artifacts = Counter(file.coordinates.rsplit(":", 1)[0] for file in files)
        assert max(artifacts.values()) == 1, (bundle, artifacts.most_common(1))


def test_broker_and_connect_are_of_one_version(lock: Lock) -> None:
    kafka = [file.coordinates for file in lock.files() if file.coordinates.startswith("org.apache.kafka:")]
    assert len({coordinates.split(":")[2] for coordinates in kafka}) == 1


def test_the_lock_names_no_host() -> None:
    assert "://" not in asset(*LOCK).read_text()

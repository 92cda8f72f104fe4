"""The tests of every sink, on a real MariaDB server."""

from collections.abc import Iterator

import pytest

from mariadb.server import running
from targets import DatabaseTarget, Target


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    with running() as url:
        yield url


@pytest.fixture
def target(server: str) -> Target:
    return DatabaseTarget(server)


@pytest.fixture
def lake(target: Target) -> Target:
    """What the histories are played into."""
    return target

"""Each test of the contract is tried on every sink."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from targets import DatabaseTarget, DeltaTarget, MemoryTarget, PostgresTarget, Target

FURTHER = {"delta", "duckdb", "sqlite"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """`make check` tries the contract in memory and on PostgreSQL, `make test` on all targets."""
    for item in items:
        drawn = getattr(item, "callspec", None)
        targets = FURTHER & {each for each in drawn.params.values() if isinstance(each, str)} if drawn else set()
        alone = item.path.parent == Path(__file__).parent and item.path.stem.startswith("test_lake_")
        if alone or targets or "lake" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.further)


@pytest.fixture(params=["memory", "postgresql", "delta", "duckdb", "sqlite"])
def target(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Target]:
    if request.param == "delta":
        yield DeltaTarget(tmp_path)
    elif request.param in {"duckdb", "sqlite"}:
        yield DatabaseTarget(f"{request.param}:///{tmp_path}/warehouse.db")
    else:
        yield from _database(request)


@pytest.fixture(params=["memory", "postgresql"])
def database(request: pytest.FixtureRequest) -> Iterator[Target]:
    """A target that compares keys by PostgreSQL's types, and keeps tables in every mode."""
    yield from _database(request)


@pytest.fixture
def lake(tmp_path: Path) -> Target:
    return DeltaTarget(tmp_path)


def _database(request: pytest.FixtureRequest) -> Iterator[Target]:
    if request.param == "memory":
        yield MemoryTarget()
        return
    made = PostgresTarget(request.getfixturevalue("warehouse_url"))
    yield made
    made.close()

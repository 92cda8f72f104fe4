"""Each test of the contract is tried on every sink."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from targets import DeltaTarget, MemoryTarget, PostgresTarget, Target


@pytest.fixture(params=["memory", "postgresql", "delta"])
def target(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Target]:
    if request.param != "postgresql":
        yield MemoryTarget() if request.param == "memory" else DeltaTarget(tmp_path)
        return
    made = PostgresTarget(request.getfixturevalue("warehouse_url"))
    yield made
    made.close()

"""Each test of the contract is tried on every sink."""

from collections.abc import Iterator

import pytest

from targets import MemoryTarget, PostgresTarget, Target


@pytest.fixture(params=["memory", "postgresql"])
def target(request: pytest.FixtureRequest) -> Iterator[Target]:
    if request.param == "memory":
        yield MemoryTarget()
        return
    made = PostgresTarget(request.getfixturevalue("warehouse_url"))
    yield made
    made.close()

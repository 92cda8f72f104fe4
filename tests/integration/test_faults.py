"""A short selection of the scripted faults of tests/chaos, under load: `make chaos` plays all of them."""

from collections.abc import Iterator

import pytest

from afflux.stack import Stack
from chaos.arena import Arena
from chaos.catalogue import FAULTS
from chaos.play import play
from chaos.seed import SEED

pytestmark = pytest.mark.stack

SELECTION = (
    "sink killed: written",
    "sink frozen beyond its session: staged",
    "COMMIT's answer lost",
    "rebalance in the middle of a commit",
    "poison: a value that the target refuses",
)


@pytest.fixture(scope="module")
def arena(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Arena]:
    arena = Arena(stack, tmp_path_factory.mktemp("faults"), "faults", partitions=1, seed=SEED)
    try:
        arena.open()
        yield arena
    finally:
        arena.close()


@pytest.mark.parametrize("name", SELECTION)
def test_a_fault_leaves_the_target_equal(arena: Arena, name: str) -> None:
    result = play(arena, FAULTS[name])
    assert result.transactions > 0

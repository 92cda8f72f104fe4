"""A short selection of the scripted faults of tests/chaos, under load: `make chaos` plays all of them."""

import os
from collections.abc import Iterator

import pytest

from afflux.stack import Stack
from chaos.arena import Arena, opened
from chaos.catalogue import FAULTS, LAKE
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
    with opened(Arena(stack, tmp_path_factory.mktemp("faults"), "faults", partitions=1, seed=SEED)) as made:
        yield made


@pytest.mark.parametrize("name", SELECTION)
def test_a_fault_leaves_the_target_equal(arena: Arena, name: str) -> None:
    result = play(arena, FAULTS[name])
    assert result.transactions > 0


LAKE_SELECTION = (
    "sink killed: written",
    "sink frozen beyond its session: written",
    "poison: a value that a lake can't hold",
)


@pytest.fixture(scope="module")
def lake(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Arena]:
    folder = tmp_path_factory.mktemp("lake_faults")
    name = f"lakefaults{os.getpid()}"
    with opened(Arena(stack, folder, name, partitions=1, seed=SEED, lake=folder / "lake")) as made:
        yield made


@pytest.mark.parametrize("name", LAKE_SELECTION)
def test_a_fault_leaves_the_lake_equal(lake: Arena, name: str) -> None:
    result = play(lake, LAKE[name])
    assert result.transactions > 0

"""An object store goes away, and workers die before it: on the real stack, under load, each worker behind a proxy."""

import os
from collections.abc import Iterator

import pytest

from afflux.stack import Stack
from chaos.arena import Arena, opened
from chaos.catalogue import LAKE, STORE
from chaos.play import play
from chaos.seed import SEED
from stores.served import Served

pytestmark = [pytest.mark.stack, pytest.mark.timeout(900)]

DEATHS = (
    *("sink killed: staged", "sink killed: written", "sink killed: committed", "sink killed three times, anywhere"),
    "sink frozen beyond its session: written",
)
FAULTS = STORE | {name: LAKE[name] for name in DEATHS}


@pytest.fixture(scope="module")
def arena(stack: Stack, served: Served, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Arena]:
    folder = tmp_path_factory.mktemp("faults")
    name = f"storefaults{served.port}x{os.getpid()}"
    with opened(Arena(stack, folder, name, partitions=1, seed=SEED, lake=served)) as made:
        yield made


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_leaves_the_bucket_equal(arena: Arena, name: str) -> None:
    assert play(arena, FAULTS[name]).transactions > 0

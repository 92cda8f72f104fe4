"""The scripted faults of a lake's workers, on the real stack, under load: one worker, and two with 4 partitions a topic.

Run it by `make chaos`; what befalls an object store is in `make stores`.
"""

import os
import re
from collections.abc import Callable, Iterator
from random import Random

import pytest

from afflux.stack import Stack
from chaos.arena import Arena
from chaos.catalogue import LAKE
from chaos.play import play
from chaos.seed import SEED

pytestmark = [pytest.mark.stack, pytest.mark.timeout(900)]

CASES = [
    pytest.param(
        (partitions, staff), name, id=re.sub(r"[^a-z0-9]+", "-", f"lake p{partitions} w{staff} {name.lower()}")
    )
    for partitions, staff in ((1, 1), (4, 2))
    for name in Random(f"{SEED} lake {partitions} {staff}").sample([*LAKE], len(LAKE))
]


@pytest.fixture(scope="module")
def arenas() -> Iterator[dict[tuple[int, int], Arena]]:
    """The arena that is played on, by partitions and workers; never more than one."""
    current: dict[tuple[int, int], Arena] = {}
    yield current
    for arena in current.values():
        arena.close()


@pytest.fixture
def arena(
    arenas: dict[tuple[int, int], Arena],
    wanted: tuple[int, int],
    stack: Stack,
    tmp_path_factory: pytest.TempPathFactory,
) -> Arena:
    for which, there in [*arenas.items()]:
        if which != wanted or there.spoilt:
            arenas.pop(which).close()
    if wanted not in arenas:
        (partitions, staff), folder = wanted, tmp_path_factory.mktemp("lake")
        name = f"chaoslake{partitions}x{folder.name[-1]}x{os.getpid()}"
        made = Arena(stack, folder, name, partitions=partitions, seed=f"{SEED} {folder.name}", lake=folder / "lake")
        arenas[wanted] = made
        made.open()
        made.staff_to(staff)
    return arenas[wanted]


@pytest.mark.parametrize(("wanted", "name"), CASES)
def test_a_fault_leaves_the_lake_equal(
    arena: Arena, wanted: tuple[int, int], name: str, record_property: Callable[[str, object], None]
) -> None:
    record_property("fault", ("lake, {} x {}".format(*wanted), name))
    arena.random = Random(f"{SEED} lake {wanted} {name}")
    arena.spoilt = True
    result = play(arena, LAKE[name])
    arena.spoilt = False
    record_property("result", result)

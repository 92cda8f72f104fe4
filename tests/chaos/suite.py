"""Every scripted fault, on the real stack, under load: with 1 and 4 partitions a topic, with 1 and 2 workers.

Run it by `make chaos`; SEED=<the number it prints> plays the same faults in the same order again.
"""

import itertools
import os
import re
from collections.abc import Callable, Iterator
from random import Random

import psycopg
import pytest

from afflux.stack import Stack
from chaos.arena import Arena
from chaos.catalogue import FAULTS
from chaos.play import play
from chaos.seed import SEED

pytestmark = [pytest.mark.stack, pytest.mark.timeout(900)]

CONFIGURATIONS = [(partitions, staff) for partitions in (1, 4) for staff in (1, 2)]
CASES = [
    pytest.param(partitions, staff, name, id=re.sub(r"[^a-z0-9]+", "-", f"p{partitions} w{staff} {name.lower()}"))
    for partitions, staff in CONFIGURATIONS
    for name in Random(f"{SEED} {partitions} {staff}").sample([*FAULTS], len(FAULTS))
]

Arenas = Callable[[int, int], Arena]


@pytest.fixture(scope="session")
def arenas(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Arenas]:
    """Give the arena for a number of partitions and workers: the last one, unless that was left unequal."""
    current: list[Arena] = []
    numbers = itertools.count(1)

    def give(partitions: int, staff: int) -> Arena:
        if current and (current[0].partitions != partitions or current[0].spoilt):
            current.pop().close()
        if not current:
            number = next(numbers)
            name = f"chaos{partitions}x{number}x{os.getpid()}"  # topics of an earlier run on a kept stack are not ours
            folder = tmp_path_factory.mktemp(name)
            current.append(Arena(stack, folder, name, partitions=partitions, seed=f"{SEED} {partitions} {number}"))
            current[0].open()
        if current[0].staff != staff:
            current[0].staff_to(staff)
        return current[0]

    yield give
    if current:
        current.pop().close()


def test_the_judge_sees_whatever_is_wrong(arenas: Arenas) -> None:
    """The judge is judged first: what is made wrong, it finds; what is set right again, it does not."""
    arena = arenas(1, 1)
    arena.go_on(150, patience=120)
    items, ledger, story = (f"{arena.name}.{table}" for table in ("items", "ledger", "story"))
    group = f"afflux.{arena.name}.warehouse"
    some = "SELECT id FROM {} GROUP BY id HAVING count(*) > 1 LIMIT 1"
    wrongs = {
        f"UPDATE {items} SET name = name || '!' WHERE id = (SELECT min(id) FROM {items})": "different",
        f"UPDATE {items} SET body = NULL WHERE id = (SELECT min(id) FROM {items} WHERE length(body) > 1000)": "different",
        f"DELETE FROM {items} WHERE id = (SELECT min(id) FROM {items})": "missing",
        f"INSERT INTO {items} (id, name, _shard) VALUES (-1, 'no shard has me', 'shard0')": "extra",
        f"UPDATE {items} SET _shard = 'shard9' WHERE id = (SELECT min(id) FROM {items})": "misplaced",
        f"DELETE FROM {ledger} WHERE n = 0 AND id = ({some.format(ledger)})": "has counted to",
        f"INSERT INTO {ledger} SELECT (jsonb_populate_record(l, jsonb_build_object('_partition', 9))).* "
        f"FROM {ledger} l WHERE n = 0 LIMIT 1": "has counted to",
        f"DELETE FROM {story} WHERE NOT _current AND n = 0 AND id = ({some.format(story)})": "has counted to",
        f"UPDATE {story} SET _current = false WHERE _current AND id = ({some.format(story)})": "missing",
        f"INSERT INTO afflux.tables VALUES ('{arena.name}', '{group}', 'no.such.topic', now(), 'r')": "stopped topics",
        'INSERT INTO afflux.dead_letters (topology, consumer_group, topic, partition, "offset", value, headers, kind, reason) '
        f"VALUES ('{arena.name}', '{group}', 't', 0, 1, '', '[]', 'k', 'r')": "dead letters",
    }
    with arena.judge.at_rest(), arena.ground.sides() as target:
        assert isinstance(target, psycopg.Connection)
        assert arena.judge.compare().faults() == []
        for wrong, word in wrongs.items():
            for number, table in enumerate((items, ledger, story)):
                target.execute(f"CREATE TEMPORARY TABLE kept{number} AS SELECT * FROM {table}")
            assert target.execute(wrong).rowcount == 1, wrong
            found = arena.judge.compare().faults()
            for number, table in enumerate((items, ledger, story)):
                target.execute(
                    f"TRUNCATE {table}; INSERT INTO {table} SELECT * FROM kept{number}; DROP TABLE kept{number}"
                )
            target.execute("DELETE FROM afflux.tables; DELETE FROM afflux.dead_letters")
            assert any(word in line for line in found), (wrong, found)
        assert arena.judge.compare().faults() == []


@pytest.mark.parametrize(("partitions", "staff", "name"), CASES)
def test_a_fault_leaves_the_target_equal(
    arenas: Arenas, partitions: int, staff: int, name: str, record_property: Callable[[str, object], None]
) -> None:
    record_property("fault", (f"{partitions} x {staff}", name))
    arena = arenas(partitions, staff)
    arena.random = Random(f"{SEED} {partitions} {staff} {name}")
    arena.spoilt = True
    result = play(arena, FAULTS[name])
    arena.spoilt = False
    record_property("result", result)

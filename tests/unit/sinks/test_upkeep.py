"""When a lake's tables are put in order."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from afflux.sinks.delta.upkeep import Files, Job, Wear, due
from afflux.topology.sinks import Upkeep

MIB = 2**20
WISHES = Upkeep(file_size="128MiB", small_files=50)


def files(*mib: float, rows: int = 1_000_000) -> Files:
    return Files(tuple(int(size * MIB) for size in mib), rows)


def test_files_grow_with_their_table_up_to_what_is_wished() -> None:
    sizes = [files(total).wanted(WISHES) // MIB for total in (1, 500, 2_000, 100_000)]
    assert sizes == [8, 8, 31, 128]


def test_small_files_are_put_together_when_there_are_too_many_of_them() -> None:
    wear = Wear()
    assert due(files(*[0.1] * 49, 100), wear, WISHES) is None
    assert due(files(*[0.1] * 50, 100), wear, WISHES) is Job.COMPACT
    assert due(files(*[100] * 200), wear, WISHES) is None


def test_a_table_is_put_in_order_when_merges_have_rewritten_it_twice_for_few_changes() -> None:
    wear = Wear()
    wear.worn(changed=20_000, copied=1_900_000)
    assert due(files(100, 100), wear, WISHES) is None
    wear.worn(changed=20_000, copied=200_000)
    assert due(files(100, 100), wear, WISHES) is Job.ORDER
    assert due(files(100, 100), wear, WISHES, can_order=False) is None
    assert due(files(10), wear, WISHES) is None, "one small file has no order that would help"


def test_merges_that_change_most_of_what_they_rewrite_are_left_alone() -> None:
    wear = Wear(changed=1_000_000, copied=4_000_000)
    assert due(files(100, 100), wear, WISHES) is None


def played(waste: list[int]) -> list[int]:
    """Play merges of 1,000 changed rows that copy so many each; give after how many the table was put in order."""
    wear, done, table = Wear(), [], files(100, 100, rows=100_000)
    for n, copied in enumerate(waste):
        wear.worn(1_000, copied)
        if due(table, wear, WISHES) is Job.ORDER:
            wear.ordered()
            done.append(n)
    return done


def test_where_order_does_not_help_it_is_tried_less_and_less_often() -> None:
    done = played([100_000] * 400)
    gaps = [later - earlier for earlier, later in pairwise(done)]
    assert gaps == sorted(gaps)
    assert gaps[-1] >= 4 * gaps[0]
    assert len(done) < 10


def test_where_order_helps_it_is_done_again_as_soon_as_it_pays() -> None:
    """Each time, merges copy less at first, and more and more as ranges mix again."""
    mixing = [min(90_000, 2_000 * n) for n in range(40)]
    assert len(played([100_000] * 3 + mixing * 6)) >= 4


@given(st.lists(st.integers(0, 200_000), max_size=200))
def test_putting_in_order_costs_no_more_than_half_of_what_merges_rewrite(copied: list[int]) -> None:
    assert len(played(copied)) * 100_000 <= sum(copied) / 2

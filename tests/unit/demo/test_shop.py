from random import Random

from afflux.demo.shop import KEY_STEP, Goods


def test_equal_random_sources_make_equal_rows() -> None:
    one, other = Goods(Random(7)), Goods(Random(7))
    assert str(one.order(1)) == str(other.order(1))
    assert str(one.customer()) == str(other.customer())


def test_values_that_copies_like_to_get_wrong_are_among_the_rows() -> None:
    goods = Goods(Random(1))
    customers, orders = [goods.customer() for _ in range(500)], [goods.order(1) for _ in range(500)]
    assert {True, False, None} == {row["vip"] for row in customers} == {row["gift"] for row in orders}
    lists = [labels for row in orders if (labels := row["labels"]) is not None]
    assert len(lists) < len(orders)
    assert [] in lists
    assert {None, "", 'a "quote"', "com,ma", "back\\slash"} <= {label for labels in lists for label in labels}
    assert any(len(row["notes"] or "") > 2_000 for row in orders)
    assert any(row["total"] < 0 for row in orders)
    assert all(row["total"].as_tuple().exponent == -4 for row in orders)


def test_keys_of_as_many_shards_as_a_stack_may_have_never_meet() -> None:
    shards, rows = 64, 100
    keys = [shard + 1 + KEY_STEP * row for shard in range(shards) for row in range(rows)]
    assert len(set(keys)) == shards * rows

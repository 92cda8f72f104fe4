import pytest

from afflux.topology import regex
from afflux.topology.model import Table, Topology
from afflux.topology.tables import is_exact, match
from unit.topology.topologies import small


def topology(*sources: str) -> Topology:
    return Topology.model_validate(small() | {"tables": [{"source": source} for source in sources]})


@pytest.mark.parametrize(
    ("sources", "table", "winner"),
    [
        (["public.orders"], "public.orders", "public.orders"),
        (["public.orders"], "public.orders_old", None),
        (["public.orders"], "publicXorders", None),
        (["public.orders"], "public.Orders", None),
        (["public.o.*"], "public.orders", "public.o.*"),
        (["ublic.o.*"], "public.orders", None),
        ([r"public\.(a|b)"], "public.b", r"public\.(a|b)"),
        ([r".*", "public.orders"], "public.orders", "public.orders"),
        ([r"public\..*", r".*"], "public.orders", r"public\..*"),
        ([r".*", r"public\..*"], "public.orders", ".*"),
        ([r"public\.(?<all>.*)"], "public.x", r"public\.(?<all>.*)"),
        (["public.sys$log"], "public.sys$log", "public.sys$log"),
        ([r"public\.\w+"], "public.größe", None),  # as in Java, \w is ASCII
    ],
)
def test_the_exact_name_wins_then_the_first_expression_for_the_whole_name(
    sources: list[str], table: str, winner: str | None
) -> None:
    found = match(topology(*sources), table)
    assert (found and found.source) == winner


@pytest.mark.parametrize(
    ("source", "exact"), [("public.orders", True), ("public.Odd Name", True), ("public.o.*", False), ("a.(b)", False)]
)
def test_a_dot_alone_makes_no_expression(source: str, exact: bool) -> None:
    assert is_exact(Table(source=source)) is exact


@pytest.mark.parametrize("wrong", ["(a", "(?P<a>b)", "(?P=a)", "(a)(?(1)b)", "a(?#b)", "[a-z&&[^b]]", r"\p{Lu}", "*"])
def test_an_expression_that_java_and_python_do_not_both_know_is_refused(wrong: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        regex.compiled(wrong)


@pytest.mark.parametrize(
    ("right", "text"),
    [("(?<a>b)c", "bc"), (r"\(\?P<a>", "(?P<a>"), ("(?<=a)?b", "b"), ("a++b", "aab"), ("(?i)AB", "ab")],
)
def test_an_expression_that_both_know_is_taken(right: str, text: str) -> None:
    assert regex.compiled(right).fullmatch(text)

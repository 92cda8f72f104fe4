"""Of many rows that PostgreSQL refuses, each is found and no other, in one go."""

from collections.abc import Iterator

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from afflux.errors import RefusedError
from afflux.sinks.batch import TargetColumn, Truncate
from afflux.types.postgres import pg_type
from targets import ID, NOTE, ONE, ZERO, PostgresTarget, batch, changes, content

CHECK = "ALTER TABLE {t} ADD CONSTRAINT picky CHECK (note <> 'no')"
NARROW = "ALTER TABLE {t} ALTER note TYPE varchar(4)"
TRIGGER = (
    "CREATE FUNCTION {t}_no() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
    "IF NEW.note = 'no' THEN RAISE EXCEPTION 'we say no'; END IF; RETURN NEW; END $$;"
    "CREATE TRIGGER picky BEFORE INSERT OR UPDATE ON {t} FOR EACH ROW EXECUTE FUNCTION {t}_no()"
)


@pytest.fixture
def target(warehouse_url: str) -> Iterator[PostgresTarget]:
    made = PostgresTarget(warehouse_url)
    sink = made.sink()
    sink.claim([ZERO, ONE])
    sink.apply(batch(0, changes(made, [("shard0", 1, False, -1, "good"), ("shard1", 1, False, -2, "fine")])))
    yield made
    made.close()


def refused(target: PostgresTarget, *tables: object, start: int = 1) -> dict[int, str]:
    """Apply a batch that is refused; return what is said, and see that nothing was written."""
    before = content(target)
    sink = target.sink()
    sink.claim([ZERO])
    with pytest.raises(RefusedError) as raised:
        sink.apply(batch(start, *tables))  # type: ignore[arg-type]
    assert content(target) == before
    return dict(raised.value.reasons)


def alter(url: str, target: PostgresTarget, statement: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(statement.replace("{t}", f"{target.schema}.t"))  # type: ignore[arg-type]


@pytest.mark.parametrize(("statement", "bad"), [(CHECK, "no"), (NARROW, "too long"), (TRIGGER, "no")])
def test_all_rows_that_the_table_refuses_are_found(
    warehouse_url: str, target: PostgresTarget, statement: str, bad: str
) -> None:
    alter(warehouse_url, target, statement)
    rows = [("shard0", 2, n % 5 == 1, n, bad if n % 7 == 0 else "good") for n in range(1000)]
    reasons = refused(target, changes(target, rows))
    assert sorted(reasons) == [n for n in range(1000) if n % 7 == 0 and n % 5 != 1]


def test_what_a_type_refuses_and_what_the_table_refuses_are_found_together(
    warehouse_url: str, target: PostgresTarget
) -> None:
    alter(warehouse_url, target, CHECK)
    rows = [("shard0", 2, False, n, {3: "no", 5: "nul\x00"}.get(n, "good")) for n in range(10)]
    reasons = refused(target, changes(target, rows))
    assert "violates check constraint" in reasons.pop(3)
    assert "invalid byte sequence" in reasons.pop(5)
    assert reasons == {}


TEXTS = st.one_of(
    st.just("nul\x00"), st.text("ab\n\r\\\", ;'", max_size=6), st.sampled_from(["\n", "\r\n", "\\.", "a\x00\n", ""])
)


@settings(max_examples=25)
@given(st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=60))
def test_texts_of_several_lines_do_not_hide_which_row_is_bad(warehouse_url: str, texts: list[tuple[str, str]]) -> None:
    target = PostgresTarget(warehouse_url)
    sink = target.sink()
    sink.claim([ZERO])
    columns = (ID, NOTE, TargetColumn("more", pg_type("TEXT")))
    rows = [("shard0", 2, False, n, one, other) for n, (one, other) in enumerate(texts)]
    bad = [n for n, both in enumerate(texts) if any("\x00" in text for text in both)]
    if bad:
        with pytest.raises(RefusedError) as raised:
            sink.apply(batch(0, changes(target, rows, columns)))
        assert sorted(raised.value.reasons) == bad
    else:
        sink.apply(batch(0, changes(target, rows, columns)))
        assert content(target, "note", "more") == texts
    target.close()


def test_a_row_that_is_refused_by_what_another_one_leaves_is_found(warehouse_url: str, target: PostgresTarget) -> None:
    alter(warehouse_url, target, "CREATE UNIQUE INDEX ON {t} (note)")
    deleted = ("shard0", 2, True, -1, None)
    rows = [deleted, ("shard0", 2, False, 1, "good"), ("shard0", 2, False, 2, "same"), ("shard0", 2, False, 3, "same")]
    assert list(refused(target, changes(target, rows))) == [3]


def test_a_row_that_only_comes_into_the_table_when_another_shards_goes_is_found(
    warehouse_url: str, target: PostgresTarget
) -> None:
    """The refused version is among the contested ones; nothing but applying all of it shows that."""
    sink = target.sink()
    sink.claim([ZERO, ONE])
    sink.apply(batch(1, changes(target, [("shard0", 3, False, 7, "shown")])))
    sink.apply(batch(0, changes(target, [("shard1", 2, False, 7, "no")]), partition=ONE))
    alter(warehouse_url, target, CHECK)
    assert list(
        refused(target, changes(target, [("shard0", 4, True, 7, None), ("shard0", 4, False, 8, "x")]), start=2)
    ) == [0]


def test_a_truncate_beside_refused_rows_is_done_when_they_are_left_out(
    warehouse_url: str, target: PostgresTarget
) -> None:
    alter(warehouse_url, target, CHECK)
    rows = [("shard0", 5, False, 1, "no"), ("shard0", 5, False, 2, "good")]
    assert list(refused(target, changes(target, rows, truncates=(Truncate("shard0", 4),)))) == [0]
    sink = target.sink()
    sink.claim([ZERO])
    sink.apply(batch(1, changes(target, rows[1:], truncates=(Truncate("shard0", 4),))))
    assert content(target, "id", "note") == [(-2, "fine"), (2, "good")]

"""What every sink promises, tried on each."""

from dataclasses import replace
from typing import Any

import polars as pl
import psycopg
import pytest

from afflux.errors import Fenced, RefusedError, SinkError, TableError
from afflux.sinks.batch import DELETED, MOVED_AT, SEQUENCE, Batch, Span, TableChanges, TableName, TargetColumn, Truncate
from afflux.sinks.sql.postgresql import PostgresSink
from afflux.sinks.sql.session import connect
from afflux.types.postgres import PgType, pg_type
from targets import ID, META, NOTE, ONE, ZERO, PostgresTarget, Target, batch, changes, content


def test_a_partition_never_seen_stands_at_0_and_a_restart_goes_on_where_the_target_stands(target: Target) -> None:
    first = target.sink()
    assert first.claim([ZERO, ONE]) == {ZERO: 0, ONE: 0}
    first.apply(batch(0, changes(target, [("shard0", 1, False, 1, "a")]), end=7))
    assert target.sink().claim([ZERO, ONE]) == {ZERO: 7, ONE: 0}


def test_rows_are_inserted_replaced_and_deleted(target: Target) -> None:
    sink = target.sink()
    sink.claim([ZERO])
    sink.apply(batch(0, changes(target, [("shard0", 1, False, i, "a") for i in (1, 2, 3)])))
    sink.apply(batch(1, changes(target, [("shard0", 2, False, 2, None), ("shard0", 2, True, 3, None)])))
    assert content(target) == [(1, "a", "shard0"), (2, None, "shard0")]


def test_a_replayed_batch_changes_nothing(target: Target) -> None:
    sink = target.sink()
    sink.claim([ZERO])
    one = batch(0, changes(target, [("shard0", 1, False, 1, "a")]))
    two = batch(1, changes(target, [("shard0", 2, True, 1, None)]))
    for each in (one, one, two, two):
        sink.apply(each)
    assert content(target) == []
    assert target.sink().claim([ZERO]) == {ZERO: 2}


def test_a_replaced_worker_can_not_write(target: Target) -> None:
    old, new = target.sink(), target.sink()
    old.claim([ZERO])
    old.apply(batch(0, changes(target, [("shard0", 1, False, 1, "a")])))
    new.claim([ZERO])
    with pytest.raises(Fenced):
        old.apply(batch(1, changes(target, [("shard0", 2, False, 1, "stale")])))
    assert content(target) == [(1, "a", "shard0")]
    new.apply(batch(1, changes(target, [("shard0", 2, False, 1, "b")])))
    assert content(target) == [(1, "b", "shard0")]


def test_a_batch_with_one_lost_partition_writes_nothing_of_the_others(target: Target) -> None:
    old, new = target.sink(), target.sink()
    old.claim([ZERO, ONE])
    new.claim([ONE])
    both = Batch({ZERO: Span(0, 1), ONE: Span(0, 1)}, (changes(target, [("shard0", 1, False, 1, "a")]),))
    with pytest.raises(Fenced):
        old.apply(both)
    new.apply(batch(0, changes(target, [("shard1", 1, False, 9, "z")]), partition=ONE))
    assert content(target) == [(9, "z", "shard1")]


def test_an_unchanged_value_is_left_as_it_was(target: Target) -> None:
    sink = target.sink()
    sink.claim([ZERO])
    sink.apply(batch(0, changes(target, [("shard0", 1, False, 1, "long"), ("shard0", 1, False, 2, "short")])))
    rows = [("shard0", 2, False, 1, None), ("shard0", 2, False, 2, None)]
    sink.apply(batch(1, changes(target, rows, masked={"note": [True, False]})))
    assert content(target) == [(1, "long", "shard0"), (2, None, "shard0")]


def test_a_shards_delete_does_not_take_another_shards_row(target: Target) -> None:
    sink = target.sink()
    sink.claim([ZERO, ONE])
    sink.apply(batch(0, changes(target, [("shard0", 1, False, 1, "here")])))
    sink.apply(batch(0, changes(target, [("shard1", 2, False, 1, "moved")]), partition=ONE))
    sink.apply(batch(1, changes(target, [("shard0", 3, True, 1, None)])))
    assert content(target) == [(1, "moved", "shard1")]


def test_a_key_of_two_shards_in_one_batch_is_one_row(target: Target) -> None:
    sink = target.sink()
    sink.claim([ZERO])
    sink.apply(batch(0, changes(target, [("shard1", 2, False, 1, "later"), ("shard0", 1, False, 1, "earlier")])))
    assert content(target) == [(1, "later", "shard1")]


def test_a_truncate_takes_its_shards_older_rows_and_no_others(target: Target) -> None:
    sink = target.sink()
    sink.claim([ZERO])
    rows = [("shard0", 1, False, 1, "old"), ("shard1", 1, False, 2, "other"), ("shard0", 9, False, 3, "newer")]
    sink.apply(batch(0, changes(target, rows)))
    sink.apply(batch(1, changes(target, [("shard0", 6, False, 4, "after")], truncates=(Truncate("shard0", 5),))))
    assert content(target) == [(2, "other", "shard1"), (3, "newer", "shard0"), (4, "after", "shard0")]


def test_a_new_column_appears_and_old_rows_have_no_value_in_it(target: Target) -> None:
    sink = target.sink()
    sink.claim([ZERO])
    sink.apply(batch(0, changes(target, [("shard0", 1, False, 1, "a")])))
    more = TargetColumn("amount", pg_type("NUMERIC", 12, 4))
    sink.apply(batch(1, changes(target, [("shard0", 2, False, 2, "b", "1.5000")], (ID, NOTE, more))))
    sink.apply(batch(2, changes(target, [("shard0", 3, False, 3, "c")])))
    found = [
        (r["id"], None if r.get("amount") is None else str(r["amount"]))
        for r in target.rows(TableName(target.schema, "t"))
    ]
    assert found == [(1, None), (2, "1.5000"), (3, None)]


def test_positions_move_without_rows(target: Target) -> None:
    sink = target.sink()
    sink.claim([ZERO])
    sink.apply(batch(0, end=3))
    assert target.sink().claim([ZERO]) == {ZERO: 3}


@pytest.mark.parametrize("order", ["born gone moved", "born moved gone", "moved born gone"])
def test_a_moved_row_survives_in_whatever_order_its_shards_events_come(target: Target, order: str) -> None:
    sink = target.sink()
    events = {
        "born": changes(target, [("shard0", 1, False, 1, "born")]),
        "gone": changes(target, [("shard0", 5, True, 1, None)]),
        "moved": changes(target, [("shard1", 3, False, 1, "moved")]),
    }
    sink.claim([ZERO])
    for start, event in enumerate(order.split()):
        sink.apply(batch(start, events[event]))
    assert content(target) == [(1, "moved", "shard1")]


def test_a_row_hidden_by_another_shards_lives_on_and_comes_back_when_that_one_goes(target: Target) -> None:
    sink = target.sink()
    sink.claim([ZERO])
    columns = (ID, NOTE, TargetColumn("n", pg_type("INT8")))
    sink.apply(batch(0, changes(target, [("shard0", 1, False, 1, "large", 1)], columns)))
    sink.apply(batch(1, changes(target, [("shard1", 9, False, 1, "shown", 2)], columns)))
    assert content(target) == [(1, "shown", "shard1")]
    sink.apply(batch(2, changes(target, [("shard0", 2, False, 1, None, 3)], columns, masked={"note": [True]})))
    sink.apply(batch(3, changes(target, [("shard1", 10, True, 1, None, None)], columns)))
    assert content(target, "id", "note", "n", "_shard") == [(1, "large", 3, "shard0")]


def test_with_the_shard_in_the_key_equal_keys_live_side_by_side(target: Target) -> None:
    sink = target.sink()
    sink.claim([ZERO])
    both = [("shard0", 1, False, 1, "zero"), ("shard1", 2, False, 1, "one")]
    sink.apply(batch(0, replace(changes(target, both), with_shard=True)))
    assert sorted(content(target)) == [(1, "one", "shard1"), (1, "zero", "shard0")]
    masked = changes(
        target, [("shard0", 3, False, 1, None), ("shard1", 3, True, 1, None)], masked={"note": [True, False]}
    )
    sink.apply(batch(1, replace(masked, with_shard=True)))
    assert content(target, "id", "note", "_lsn") == [(1, "zero", 3)]


def test_a_truncate_uncovers_what_it_does_not_take(target: Target) -> None:
    sink = target.sink()
    sink.claim([ZERO])
    sink.apply(batch(0, changes(target, [("shard0", 1, False, 1, "below"), ("shard1", 2, False, 1, "above")])))
    sink.apply(batch(1, changes(target, [], truncates=(Truncate("shard1", 9),))))
    assert content(target) == [(1, "below", "shard0")]


# --- PostgreSQL alone -----------------------------------------------------------------------------

VALUES: list[tuple[PgType, Any, str]] = [
    (pg_type("BOOL"), True, "true"),
    (pg_type("INT2"), -32768, "-32768"),
    (pg_type("INT8"), 2**63 - 1, str(2**63 - 1)),
    (pg_type("FLOAT4"), 1.1, "1.1"),
    (pg_type("FLOAT8"), 5e-324, "5e-324"),
    (pg_type("FLOAT8"), float("-inf"), "-Infinity"),
    (pg_type("FLOAT8"), float("nan"), "NaN"),
    (pg_type("NUMERIC", 12, 4), "1.5000", "1.5000"),
    (pg_type("NUMERIC", 0), "1" + "0" * 300 + ".50", "1" + "0" * 300 + ".50"),
    (pg_type("NUMERIC", 5, 2046), "12300", "12300"),
    (pg_type("NUMERIC"), "NaN", "NaN"),
    (pg_type("TEXT"), "", ""),
    (pg_type("TEXT"), 'a"b,c\n\\N\t\\.', 'a"b,c\n\\N\t\\.'),
    (pg_type("TEXT"), "\\.", "\\."),
    (pg_type("VARCHAR", 5), "ab ", "ab "),
    (pg_type("BPCHAR", 5), "ab   ", "ab"),  # the cast to text takes the padding off
    (pg_type("BYTEA"), b"\x00\xff", "\\x00ff"),
    (pg_type("DATE"), "0044-03-15 BC", "0044-03-15 BC"),
    (pg_type("DATE"), "infinity", "infinity"),
    (pg_type("TIME", 15, 6), "24:00:00.000000", "24:00:00"),
    (pg_type("TIMESTAMP", 29, 6), "2024-02-29 12:34:56.123456", "2024-02-29 12:34:56.123456"),
    (pg_type("TIMESTAMPTZ", 35, 6), "10000-01-01 00:00:00.000000+00", "10000-01-01 00:00:00+00"),
    (pg_type("INTERVAL"), "P1Y2M3DT4H5M6.789012S", "1 year 2 mons 3 days 04:05:06.789012"),
    (pg_type("UUID"), "0e37df36-f698-11e6-8dd4-cb9ced3df976", "0e37df36-f698-11e6-8dd4-cb9ced3df976"),
    (pg_type("JSON"), '{"a":  1.10}', '{"a":  1.10}'),
    (pg_type("JSONB"), '{"a": 1.10}', '{"a": 1.10}'),
    (pg_type("INET"), "10.0.0.1/8", "10.0.0.1/8"),
    (pg_type("_TEXT"), '{"a",NULL,"q\\"\\\\",""}', '{a,NULL,"q\\"\\\\",""}'),
    (pg_type("_NUMERIC", 10, 2), '{"1.50",NULL}', "{1.50,NULL}"),
    (pg_type("TSTZRANGE"), '["2024-01-01 00:00:00+00",infinity)', '["2024-01-01 00:00:00+00",infinity)'),
]


@pytest.mark.parametrize(("of", "value", "text"), VALUES, ids=[f"{of}-{i}" for i, (of, _, _) in enumerate(VALUES)])
def test_postgresql_holds_the_exact_value_in_the_sources_own_type(
    warehouse_url: str, of: PgType, value: Any, text: str
) -> None:
    target = PostgresTarget(warehouse_url)
    sink = target.sink()
    sink.claim([ZERO])
    sink.apply(
        batch(0, changes(target, [("s", 1, False, 1, value), ("s", 1, False, 2, None)], (ID, TargetColumn("v", of))))
    )
    with psycopg.connect(warehouse_url) as connection:
        connection.execute("SET timezone = UTC")
        found = connection.execute(f"SELECT v::text FROM {target.schema}.t ORDER BY id").fetchall()
    target.close()
    assert found == [(text,), (None,)]


def test_composite_keys_and_odd_names_work(warehouse_url: str) -> None:
    target = PostgresTarget(warehouse_url)
    sink = target.sink()
    sink.claim([ZERO])
    columns = (TargetColumn("Größe x", pg_type("TEXT")), TargetColumn('a"b', pg_type("INT4")), NOTE)
    frame = pl.DataFrame(
        [("s", 1, 1, False, None, "k", 1, "one"), ("s", 1, 1, False, None, "k", 2, "two")],
        schema={**META, MOVED_AT: pl.Int64, "Größe x": pl.String, 'a"b': pl.Int32, "note": pl.String},
        orient="row",
    ).with_row_index(SEQUENCE)
    table = TableName(target.schema, "Odd Name")
    sink.apply(batch(0, TableChanges(table, columns, ('a"b', "Größe x"), frame)))
    gone = frame.filter(pl.col('a"b') == 2).with_columns(pl.lit(value=True).alias(DELETED))
    sink.apply(batch(1, TableChanges(table, columns, ('a"b', "Größe x"), gone)))
    with psycopg.connect(warehouse_url) as connection:
        assert connection.execute(f'SELECT note FROM {target.schema}."Odd Name"').fetchall() == [("one",)]
    target.close()


def test_a_table_of_somebody_else_is_left_alone(warehouse_url: str) -> None:
    target = PostgresTarget(warehouse_url)
    sink = target.sink()
    sink.claim([ZERO])
    with psycopg.connect(warehouse_url, autocommit=True) as connection:
        connection.execute(f"CREATE SCHEMA {target.schema}")
        connection.execute(f"CREATE TABLE {target.schema}.t (id int PRIMARY KEY, note text)")
    with pytest.raises(TableError, match="is there already, without a column '_lsn'"):
        sink.apply(batch(0, changes(target, [("s", 1, False, 1, "a")])))
    target.close()


def test_a_source_column_with_a_name_of_ours_is_refused(warehouse_url: str) -> None:
    target = PostgresTarget(warehouse_url)
    sink = target.sink()
    sink.claim([ZERO])
    with pytest.raises(TableError, match="column '_shard'"):
        sink.apply(batch(0, changes(target, [("s", 1, False, 1, "a")], (ID, TargetColumn("_shard", pg_type("TEXT"))))))
    target.close()


def test_a_refused_value_leaves_rows_and_position_as_they_were(warehouse_url: str) -> None:
    target = PostgresTarget(warehouse_url)
    sink = target.sink()
    sink.claim([ZERO])
    sink.apply(batch(0, changes(target, [("s", 1, False, 1, "a")])))
    with pytest.raises(RefusedError) as refused:
        sink.apply(batch(1, changes(target, [("s", 2, False, 1, "b"), ("s", 2, False, 2, "nul\x00")])))
    assert list(refused.value.reasons) == [1]
    assert content(target) == [(1, "a", "s")]
    assert target.sink().claim([ZERO]) == {ZERO: 1}
    target.close()


def test_an_update_of_a_row_that_was_never_here_is_said_and_not_made_up(warehouse_url: str) -> None:
    target = PostgresTarget(warehouse_url)
    sink = target.sink()
    sink.claim([ZERO])
    with pytest.raises(TableError, match=r"1 row\(s\) came without a large unchanged value \(of note\)"):
        sink.apply(batch(0, changes(target, [("s", 1, False, 1, None)], masked={"note": [True]})))
    target.close()


def test_what_the_url_sets_is_kept_but_for_what_exact_values_rest_on(warehouse_url: str) -> None:
    more = "?application_name=mine&options=-c%20work_mem%3D9MB%20-c%20datestyle%3DSQL"
    with connect(warehouse_url.partition("?")[0] + more) as session:
        shown = [session.execute(f"SHOW {name}").fetchone() for name in ("application_name", "work_mem", "datestyle")]
    assert shown == [("mine",), ("9MB",), ("ISO, YMD",)]


def test_a_wrong_password_is_not_waited_for(warehouse_url: str) -> None:
    sink = PostgresSink(name="w", url=warehouse_url.replace("@", "wrong@"), topology="x", group="g")
    with pytest.raises(SinkError, match="password authentication failed") as refused:
        sink.open()
    assert not refused.value.transient


def test_a_target_that_does_not_answer_is_waited_for() -> None:
    sink = PostgresSink(name="w", url="postgresql://u@127.0.0.1:1/d", topology="x", group="g")
    with pytest.raises(SinkError) as away:
        sink.open()
    assert away.value.transient

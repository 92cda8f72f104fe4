"""The promises of every sink, and exact values, on MariaDB."""

import math
from decimal import Decimal
from typing import Any

import pymysql
import pytest
import sqlalchemy as sa

from afflux.errors import RefusedError, TableError
from afflux.sinks.batch import TableName, TargetColumn
from afflux.types.postgres import PgType, pg_type
from contract.test_databases_alone import (
    test_a_database_is_cut_back,
    test_a_database_is_equal_to_the_shards,
    test_a_database_keeps_deleted_rows,
    test_a_database_keeps_every_change,
    test_a_database_keeps_every_version,
    test_any_order,
)
from contract.test_resyncs import *  # noqa: F403 - all of them, on this target
from contract.test_shards import *  # noqa: F403 - likewise
from contract.test_sink_state import *  # noqa: F403 - likewise
from contract.test_sinks import (
    test_a_batch_with_one_lost_partition_writes_nothing_of_the_others as test_lost,
)
from contract.test_sinks import test_a_key_of_two_shards_in_one_batch_is_one_row as test_two_shards
from contract.test_sinks import test_a_moved_row_survives_in_whatever_order_its_shards_events_come as test_moved
from contract.test_sinks import test_a_new_column_appears_and_old_rows_have_no_value_in_it as test_new_column
from contract.test_sinks import (
    test_a_partition_never_seen_stands_at_0_and_a_restart_goes_on_where_the_target_stands as test_restart,
)
from contract.test_sinks import test_a_replaced_worker_can_not_write as test_fence
from contract.test_sinks import test_a_replayed_batch_changes_nothing as test_replay
from contract.test_sinks import (
    test_a_row_hidden_by_another_shards_lives_on_and_comes_back_when_that_one_goes as test_hidden,
)
from contract.test_sinks import test_a_shards_delete_does_not_take_another_shards_row as test_foreign_delete
from contract.test_sinks import test_a_truncate_takes_its_shards_older_rows_and_no_others as test_truncate
from contract.test_sinks import test_an_unchanged_value_is_left_as_it_was as test_unchanged
from contract.test_sinks import test_positions_move_without_rows as test_positions
from contract.test_sinks import test_rows_are_inserted_replaced_and_deleted as test_rows
from contract.test_watermarks import *  # noqa: F403 - likewise
from targets import ID, NOTE, ZERO, Target, batch, changes, content
from unit.sinks.test_dialects import VALUES

TRIED = (
    *(test_lost, test_two_shards, test_moved, test_new_column, test_restart, test_fence, test_replay, test_hidden),
    *(test_foreign_delete, test_truncate, test_unchanged, test_positions, test_rows),
    *(test_a_database_is_equal_to_the_shards, test_any_order, test_a_database_keeps_deleted_rows),
    *(test_a_database_keeps_every_change, test_a_database_keeps_every_version, test_a_database_is_cut_back),
)


@pytest.mark.parametrize("rows", [1, 600])
@pytest.mark.parametrize(("of", "value", "held"), VALUES, ids=[f"{of}-{n}" for n, (of, *_) in enumerate(VALUES)])
def test_a_value_is_held_exactly_however_it_is_loaded(
    target: Target, of: PgType, value: Any, held: Any, rows: int
) -> None:
    sink, columns = target.sink(), (ID, TargetColumn("v", of))
    sink.claim([ZERO])
    said = [("s", 1, False, n, value if n % 2 else None) for n in range(rows + 1)]
    sink.apply(batch(0, changes(target, said, columns)))
    found = {row["v"] for row in target.rows(TableName(target.schema, "t"))}
    assert found == {held if not isinstance(held, list) else value, None}


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_number_that_mariadb_has_not_is_refused_aloud(target: Target, value: float) -> None:
    sink, columns = target.sink(), (ID, TargetColumn("v", pg_type("FLOAT8")))
    sink.claim([ZERO])
    with pytest.raises(RefusedError, match="no exact place"):
        sink.apply(batch(0, changes(target, [("s", 1, False, 1, value)], columns)))


@pytest.mark.parametrize("rows", [1, 600])
def test_no_sign_of_nought_is_all_that_a_double_loses(target: Target, rows: int) -> None:
    sink, columns = target.sink(), (ID, TargetColumn("v", pg_type("FLOAT8")))
    sink.claim([ZERO])
    values = [-0.0, 0.1, -5e-324, 1.7976931348623157e308, 2.0**53 + 2]
    sink.apply(batch(0, changes(target, [("s", 1, False, n, values[n % 5]) for n in range(5 * rows)], columns)))
    found = {row["v"] for row in target.rows(TableName(target.schema, "t"))}
    assert found == set(values)
    assert [math.copysign(1, v) for v in found if v == 0] == [1]


def test_a_server_that_takes_no_files_is_written_by_statements(target: Target, server: str) -> None:
    sink, where = target.sink(), sa.make_url(server)
    sink.claim([ZERO])
    rows = [("s", 1, False, n, f"row {n}") for n in range(600)]
    with pymysql.connect(host=where.host, port=where.port or 0, user="root") as root, root.cursor() as cursor:
        cursor.execute("SET GLOBAL local_infile = 0")
        try:
            sink.apply(batch(0, changes(target, rows)))
        finally:
            cursor.execute("SET GLOBAL local_infile = 1")
    assert [row["note"] for row in target.rows(TableName(target.schema, "t"))] == [note for *_, note in rows]


def test_a_column_is_widened_and_its_values_stay(target: Target) -> None:
    sink, wider = target.sink(), [("NUMERIC", 4, 1), ("NUMERIC", 12, 3)]
    sink.claim([ZERO])
    for n, (of, value, whole) in enumerate(zip(wider, ["1.5", "2.125"], ["INT4", "INT8"], strict=True)):
        columns = (ID, TargetColumn("v", pg_type(*of)), TargetColumn("w", pg_type(whole)))
        sink.apply(batch(n, changes(target, [("s", n, False, n, value, 2 ** (31 + n) - 1)], columns)))
    rows = target.rows(TableName(target.schema, "t"))
    assert [(row["v"], row["w"]) for row in rows] == [(Decimal("1.500"), 2**31 - 1), (Decimal("2.125"), 2**32 - 1)]


def test_keys_that_differ_in_case_accents_and_spaces_are_rows_of_their_own(target: Target) -> None:
    sink, columns = target.sink(), (TargetColumn("id", pg_type("TEXT")), NOTE)
    keys = ["a", "A", "a ", " a", "\u00e4", "a\u0308", "", "x" * 500]
    sink.claim([ZERO])
    sink.apply(batch(0, changes(target, [("s", 1, False, key, key) for key in keys], columns)))
    sink.apply(batch(1, changes(target, [("s", 2, True, "a", None)], columns)))
    assert {row["id"] for row in target.rows(TableName(target.schema, "t"))} == {*keys} - {"a"}


@pytest.mark.parametrize(("of", "key"), [("TEXT", "x" * 501), ("BYTEA", b"x" * 256)])
def test_a_key_too_long_for_mariadb_is_refused_aloud(target: Target, of: str, key: object) -> None:
    sink, columns = target.sink(), (TargetColumn("id", pg_type(of)), NOTE)
    sink.claim([ZERO])
    with pytest.raises(RefusedError, match="no exact place"):
        sink.apply(batch(0, changes(target, [("s", 1, False, key, "a")], columns)))


def test_bytes_are_a_key(target: Target) -> None:
    sink, columns = target.sink(), (TargetColumn("id", pg_type("BYTEA")), NOTE)
    keys = [b"", b"a", b"A", b"a ", b"a\x00", b"x" * 255]
    sink.claim([ZERO])
    for n in range(2):
        sink.apply(batch(n, changes(target, [("s", 1, False, key, f"{n}") for key in keys], columns)))
    assert sorted(content(target, "id", "note")) == sorted((key, "1") for key in keys)


def test_an_integer_key_is_widened(target: Target) -> None:
    sink = target.sink()
    sink.claim([ZERO])
    for n, key in enumerate([2**31 - 1, 2**63 - 1]):
        columns = (TargetColumn("id", pg_type(("INT4", "INT8")[n])), NOTE)
        sink.apply(batch(n, changes(target, [("s", 1, False, key, "a")], columns)))
    assert content(target, "id", "note") == [(2**31 - 1, "a"), (2**63 - 1, "a")]


def test_rows_that_the_database_refuses_stop_their_table_and_nothing_is_written(target: Target, server: str) -> None:
    sink = target.sink()
    sink.claim([ZERO])
    sink.apply(batch(0, changes(target, [("s", 1, False, 1, "a")])))
    with sa.create_engine(server).connect() as connection:
        connection.exec_driver_sql(f"ALTER TABLE {target.schema}_t ADD CHECK (note <> 'b')")
    with pytest.raises(TableError, match="the database refuses rows of it"):
        sink.apply(batch(1, changes(target, [("s", 2, False, 1, "b"), ("s", 2, False, 2, "c")])))
    assert content(target, "id", "note") == [(1, "a")]
